"""An opened photo as a picture: its header is read and its cost counted before it is decoded.

Pillow reads most formats, libheif (pi-heif) HEIC, libjxl (an extra) JPEG XL. Only the plugin of
the format that the bytes show is imported and tried.
"""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, BinaryIO, Protocol

from PIL import Image, PngImagePlugin, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from qks_cli.errors import PhotoError, install_extra
from qks_cli.photos.animations import first_sharp
from qks_cli.photos.boxes import notes_of_jpeg_2000, says_how_to_turn
from qks_cli.photos.exif import exif_of, iptc_date
from qks_cli.photos.limits import Limits, decoded_bytes
from qks_cli.photos.mending import whole_jpeg, without_side_chunks
from qks_cli.photos.opened import PhotoFile
from qks_cli.photos.readable import jxl_readable, raw_readable, videos_readable
from qks_cli.photos.recognise import (
    AVIF,
    GIF,
    HEIC,
    JPEG,
    JPEG2000,
    JXL,
    PNG,
    PSD,
    RAW,
    TIFF,
    VIDEOS,
    WEBP,
    Format,
)
from qks_cli.photos.segments import START_OF_SCAN, exif_blocks, rare_kind, segments

# qks counts decoded bytes itself (limits.py); Pillow's guard speaks in pixels and of attacks.
Image.MAX_IMAGE_PIXELS = None
# Profiles of printers have some megabytes; Pillow's own limit is one.
PngImagePlugin.MAX_TEXT_CHUNK = 8 << 20


_ANIMATED = (GIF, WEBP, PNG, AVIF)
_FRAMES_HELD = 2  # the frame that is shown, and the one before it that it is drawn over
_NOTHING_SAID = "not identified by this driver"  # Pillow's words for any failure
_EXIF, _ORIENTATION = b"Exif\0\0", 0x0112
# What every build of libtiff unpacks, by Pillow's names.
_TIFF_COMPRESSIONS = frozenset(
    "raw packbits tiff_lzw tiff_adobe_deflate tiff_deflate group3 group4 tiff_ccitt jpeg".split()
)


@dataclass(slots=True)
class Notes:
    """What stands in a photo beside its pixels: Exif, an XMP packet, texts of a PNG, and the date
    and time of creation in IPTC, as it writes them."""

    exif: Image.Exif | None = None
    xmp: bytes = b""
    texts: dict[str, str] = field(default_factory=dict)
    iptc_date: str = ""


class AnyPicture(Protocol):
    """What all kinds of opened pictures offer. ``stored_size``: (width, height) before decoding;
    ``needed``: bytes that decoding takes; ``drafted``: decoding may make it smaller."""

    @property
    def stored_size(self) -> tuple[int, int]: ...

    @property
    def needed(self) -> int: ...

    @property
    def drafted(self) -> bool: ...

    @property
    def notes(self) -> Notes: ...

    def shrink_to(self, side: int) -> None:
        """Let it be decoded at the smallest scale that still has ``side`` pixels each way."""

    def load(self) -> Image.Image:
        """The decoded image; its Exif orientation is still to be followed, if it has one."""
        ...


class Picture:
    """A photo that Pillow reads."""

    def __init__(self, file: PhotoFile, format: Format) -> None:
        self.file = file
        self.format = format
        self.image = self._open()
        self.stored_size: tuple[int, int] = self.image.size
        if format is JPEG:
            _take_later_orientation(self.image, file)
        self._by_scans = format is JPEG and _first_scan(file) < getattr(self.image, "layers", 0)

    def shrink_to(self, side: int) -> None:
        """Let a JPEG be decoded at the smallest scale that still has ``side`` pixels each way."""
        if isinstance(self.image, JpegImageFile):
            self.image.draft(self.image.mode, (side, side))

    @property
    def needed(self) -> int:
        """Bytes that decoding takes."""
        once = decoded_bytes(self.image, self.stored_size, by_scans=self._by_scans)
        return once * _FRAMES_HELD if self._animated else once

    @property
    def drafted(self) -> bool:
        """Whether the decoded image is smaller than the stored one."""
        return isinstance(self.image, JpegImageFile)

    def load(self) -> Image.Image:
        """The decoded image; its Exif orientation is still to be followed, if it has one."""
        image: Image.Image = self.image
        try:
            if self._animated:
                self._show_frame()
                image = self.image
            image.load()
        except (OSError, ValueError, SyntaxError) as error:
            mended = self._mended(error)
            if mended is not None:
                return mended
            self._refuse_rare_jpeg()
            compression = str(image.info.get("compression", ""))
            if self.format is TIFF and compression not in _TIFF_COMPRESSIONS:
                raise OSError(f"compressed by {compression}") from error
            raise
        return image

    @cached_property
    def notes(self) -> Notes:
        """Everything that is not pixels, as far as it can be read."""
        info = self.image.info
        xmp = info.get("xmp") or info.get("XML:com.adobe.xmp") or b""
        texts = {str(key): str(value) for key, value in info.items() if isinstance(value, str)}
        try:
            exif = self.image.getexif()
        except Exception:  # a broken block is no reason to lose the rest
            exif = None
        if self.format is JPEG2000:
            block, xmp = notes_of_jpeg_2000(self.file.data())
            exif = exif_of(block)
        xmp = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
        return Notes(exif, xmp, texts, iptc_date(self.image))

    @cached_property
    def _animated(self) -> bool:
        """Whether there is a second frame; one that cannot be found costs nothing."""
        try:
            return self.format in _ANIMATED and bool(getattr(self.image, "is_animated", False))
        except Exception:  # GIFs are searched for it, whatever stands behind the first
            self.image = self._open()
            return False

    def _show_frame(self) -> None:
        """Go to the frame that stands for an animation."""
        number = first_sharp(self.image, decoded_bytes(self.image))
        # Opened anew: not all decoders go back, and a broken frame may have been met.
        self.image = self._open()
        for at in range(1, number + 1):
            self.image.seek(at)
            self.image.load()

    def _open(self) -> Any:
        self.file.stream.seek(0)
        try:
            return _by_pillow(self.format, self.file.stream)
        except (OSError, ValueError, SyntaxError):
            if self.format is PNG:
                return _by_pillow(PNG, self._without_side_chunks())
            self._refuse_rare_jpeg()
            raise

    def _refuse_rare_jpeg(self) -> None:
        """Raise ``OSError`` where a JPEG that cannot be decoded is of a kind that few can."""
        if self.format is JPEG and (kind := rare_kind(self.file.stream)):
            raise OSError(f"unsupported: {kind}")

    def _mended(self, error: Exception) -> Image.Image | None:
        """The image where nothing but what stands beside the picture was wrong."""
        if self.format is PNG:
            again: Image.Image = _by_pillow(PNG, self._without_side_chunks())
            again.load()
            return again
        if self.format is JPEG and "truncated" in str(error):
            return whole_jpeg(self.file.data(), self._decode_jpeg)
        return None

    def _without_side_chunks(self) -> BinaryIO:
        return io.BytesIO(without_side_chunks(self.file.data()))

    def _decode_jpeg(self, data: bytes) -> Image.Image:
        image: Image.Image = _by_pillow(JPEG, io.BytesIO(data))
        if isinstance(image, JpegImageFile) and self.image.size != self.stored_size:
            image.draft(image.mode, self.image.size)
        image.load()
        return image


class HeifPicture:
    """The primary image of a HEIC file."""

    def __init__(self, file: PhotoFile) -> None:
        import pi_heif

        heif = pi_heif.open_heif(file.stream, convert_hdr_to_8bit=True)
        if not len(heif):
            raise OSError("no picture found")
        self.primary: Any = heif[heif.primary_index]
        self.stored_size: tuple[int, int] = self.primary.size
        self.needed = decoded_bytes(self.primary)
        self._turned = says_how_to_turn(file.data())

    drafted = False

    def shrink_to(self, side: int) -> None:
        """HEIC is decoded whole."""

    def load(self) -> Image.Image:
        """The decoded image. libheif turns it as the file says; where that says nothing, as after
        some editors, Exif is followed, as Apple's programs do, though the standard does not ask
        for it (ISO/IEC 23008-12)."""
        image: Image.Image = self.primary.to_pillow()
        exif = self.notes.exif
        if not self._turned and exif is not None and _ORIENTATION in exif:
            image.getexif()[_ORIENTATION] = exif[_ORIENTATION]
        return image

    @cached_property
    def notes(self) -> Notes:
        """Exif and XMP of the primary image."""
        info = self.primary.info
        block = (info.get("exif") or b"").removeprefix(_EXIF)
        return Notes(exif_of(block), bytes(info.get("xmp") or b""))


def open_picture(file: PhotoFile, limits: Limits, *, side: int | None = None) -> AnyPicture:
    """The picture of an opened file, not decoded yet; with ``side``, JPEGs at the smallest scale
    that suffices. Raises ``PhotoError`` above the limit, else what its decoder raises."""
    if file.format is WEBP:  # libwebp allocates its canvas as soon as it is opened
        limits.check(file.path, 4 * _webp_pixels(file))
    picture: AnyPicture
    if file.format is HEIC:
        picture = HeifPicture(file)
    elif file.format is RAW:
        picture = _raw(file)
    elif file.format is JXL:
        picture = _jxl(file)
    elif file.format in VIDEOS:
        picture = _video(file)
    elif file.format is PSD:
        from qks_cli.photos.psd import PsdPicture

        picture = PsdPicture(file)
    else:
        picture = Picture(file, file.format)
    if side is not None:
        picture.shrink_to(side)
    limits.check(file.path, picture.needed)
    return picture


def _jxl(file: PhotoFile) -> AnyPicture:
    """A JPEG XL file, where the extra that reads it is installed."""
    if not jxl_readable():
        raise PhotoError(
            file.path, "unsupported", f"a JPEG XL file; to read it, {install_extra('jxl')}"
        )
    from qks_cli.photos.jxl import JxlPicture

    return JxlPicture(file)


def _video(file: PhotoFile) -> AnyPicture:
    """A video, where the extra that reads it is installed."""
    if not videos_readable():
        raise PhotoError(file.path, "unsupported", f"a video; to read it, {install_extra('video')}")
    from qks_cli.photos.video import VideoPicture

    return VideoPicture(file)


def _raw(file: PhotoFile) -> AnyPicture:
    """A raw file by LibRaw; where that does not know it, the picture in its first directory, which
    cameras make a preview."""
    from qks_cli.photos import raw

    if raw_readable():
        try:
            return raw.RawPicture(file)
        except (OSError, ValueError) as error:
            refused: Exception | None = error
    else:
        refused = None
    try:
        picture = Picture(file, TIFF)
    except (OSError, ValueError, SyntaxError):
        raise refused or OSError(
            "unknown; `pip install rawpy` reads the raw files of most makers"
        ) from None
    if min(picture.stored_size) < raw.LEAST_PREVIEW:
        raise refused or raw.too_small(file, picture.stored_size)
    return picture


def _by_pillow(format: Format, stream: BinaryIO) -> Any:
    importlib.import_module(format.plugin)  # else Pillow imports all of its plugins
    try:
        return Image.open(stream, formats=(format.pillow,))
    except UnidentifiedImageError as error:
        # Pillow keeps to itself why its plugin refused; ask that again.
        stream.seek(0)
        factory: Any = Image.OPEN[format.pillow][0]
        try:
            factory(stream, "")
        except Exception as reason:
            text = str(reason) if isinstance(reason, (OSError, SyntaxError, ValueError)) else ""
            text = "" if text == _NOTHING_SAID else text
            raise OSError(text or "its header makes no sense") from reason
        raise OSError(f"{format.name}: no picture found") from error


def _take_later_orientation(image: Image.Image, file: PhotoFile) -> None:
    """Where a JPEG has several Exif blocks, Pillow reads the first; the orientation may stand in a
    later one."""
    if len(image.info.get("exif") or b"") == 0 or len(blocks := exif_blocks(file.stream)) < 2:
        return
    try:
        known = image.getexif()
        for block in blocks:
            later = Image.Exif()
            later.load(_EXIF + block)
            if _ORIENTATION not in known and _ORIENTATION in later:
                known[_ORIENTATION] = later[_ORIENTATION]
    except Exception:  # a broken block is no reason to lose the photo
        pass


def _first_scan(file: PhotoFile) -> int:
    """How many components a JPEG's first scan holds; 4, the most, where that cannot be told."""
    stream = file.stream
    scan = next((x for x in segments(stream) if x.marker == START_OF_SCAN), None)
    stream.seek(0 if scan is None else scan.at)
    components = b"" if scan is None else stream.read(1)
    stream.seek(0)
    return components[0] if components else 4


def _webp_pixels(file: PhotoFile) -> int:
    """Pixels of a WebP's canvas, as its first chunk says; 0 where that is not VP8X."""
    file.stream.seek(0)
    head = file.stream.read(30)
    file.stream.seek(0)
    if head[12:16] != b"VP8X":
        return 0
    width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
    return width * height
