"""Cameras' raw files by LibRaw (rawpy): the largest picture that the camera put into them, or a
development at half the size where that is too small."""

from __future__ import annotations

import io
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from qks_cli.errors import PhotoError
from qks_cli.photos.opened import PhotoFile
from qks_cli.photos.pictures import Notes, Picture
from qks_cli.photos.readable import raw_readable
from qks_cli.photos.recognise import JPEG, TIFF

LEAST_PREVIEW = 160  # pixels of the shorter side: less tells nothing
_BYTES = 5  # of a sensor's pixel: 16 bits as read, and its share of the half-size development
_ORIENTATION = 0x0112
# LibRaw's flip to the transposition that makes a picture upright
_TURNS = {
    3: Image.Transpose.ROTATE_180,
    5: Image.Transpose.ROTATE_90,
    6: Image.Transpose.ROTATE_270,
}
# Canon's CR3 keeps its Exif in three boxes of its own: main, Exif, GPS.
_CR3_BOXES = (b"CMT1", b"CMT2", b"CMT4")
_CR3_HEAD = 1 << 18


class RawPicture:
    """A raw file's preview, or its development."""

    drafted = True  # what is decoded is smaller than what is stored

    def __init__(self, file: PhotoFile) -> None:
        import rawpy

        self.file = file
        try:
            self._raw = rawpy.imread(_source(file))
        except rawpy.LibRawError as error:
            raise OSError(_text(error)) from error
        sizes = self._raw.sizes
        self.flip = int(sizes.flip)
        self.stored_size = (int(sizes.width), int(sizes.height))
        if self.flip in (5, 6):
            self.stored_size = self.stored_size[::-1]
        self.preview = self._preview(rawpy)
        self._sensor = int(sizes.raw_width) * int(sizes.raw_height)

    @property
    def needed(self) -> int:
        """Bytes that decoding takes."""
        return self._sensor * _BYTES if self.preview is None else self.preview.needed

    def shrink_to(self, side: int) -> None:
        """A preview is decoded at the smallest scale that suffices."""
        if self.preview is not None:
            self.preview.shrink_to(side)

    def load(self) -> Image.Image:
        """The decoded picture, upright."""
        if self.preview is None:
            try:
                pixels_HW3 = self._raw.postprocess(half_size=True, use_camera_wb=True, output_bps=8)
            except Exception as error:  # rawpy's errors share no base but this
                raise OSError(_text(error)) from error
            return Image.fromarray(np.ascontiguousarray(pixels_HW3))
        image = self.preview.load()
        own = _orientation(image)
        turn = _TURNS.get({3: 3, 6: 6, 8: 5}.get(own, 0)) if own > 1 else self._turn(image)
        upright = image if turn is None else image.transpose(turn)
        exif = upright.getexif()
        exif[_ORIENTATION] = 1
        return upright

    @cached_property
    def notes(self) -> Notes:
        """What the preview has, which is Exif in the files of some makers; a CR3's own boxes."""
        found = Notes() if self.preview is None else self.preview.notes
        boxes = _cr3_exif(self.file)
        return Notes(boxes, found.xmp) if boxes is not None else found

    def _preview(self, rawpy: Any) -> Picture | None:
        try:
            thumb = self._raw.extract_thumb()
        except rawpy.LibRawError:
            return None
        if thumb.format == rawpy.ThumbFormat.BITMAP:
            stream = io.BytesIO()
            Image.fromarray(np.asarray(thumb.data)).save(stream, "TIFF")
            data, format = stream.getvalue(), TIFF
        else:
            data, format = bytes(thumb.data), JPEG
        inner = PhotoFile(self.file.path, io.BytesIO(data), len(data), format)
        try:
            picture = Picture(inner, format)
        except (OSError, ValueError, SyntaxError):
            return None
        return picture if min(picture.stored_size) >= LEAST_PREVIEW else None

    def _turn(self, image: Image.Image) -> Image.Transpose | None:
        """How a preview without a mark of its own is to be turned: as the sensor's picture, unless
        it stands upright already."""
        turn = _TURNS.get(self.flip)
        upright = self.stored_size[0] < self.stored_size[1]
        if self.flip in (5, 6) and upright == (image.width < image.height):
            return None
        return turn


def _source(file: PhotoFile) -> Any:
    """What LibRaw reads: the file itself, in pieces, else all of its bytes."""
    if isinstance(file.stream, io.BytesIO):
        return io.BytesIO(file.data())
    try:
        return str(file.path).encode().decode()
    except UnicodeEncodeError:  # a name that is no UTF-8
        return io.BytesIO(file.data())


def _text(error: Exception) -> str:
    """LibRaw's words, which come as bytes."""
    words = error.args[0] if error.args else ""
    return words.decode(errors="replace") if isinstance(words, bytes) else str(error)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a broken EXIF block is no reason to lose the photo
        return 1


def _cr3_exif(file: PhotoFile) -> Image.Exif | None:
    """The Exif of a CR3, one directory a box; None for other files."""
    file.stream.seek(0)
    head = file.stream.read(_CR3_HEAD)
    if head[4:12] != b"ftypcrx ":
        return None
    found = Image.Exif()
    for name in _CR3_BOXES:
        at = head.find(name)
        size = int.from_bytes(head[at - 4 : at], "big") if at >= 4 else 0
        if not 16 <= size <= _CR3_HEAD:
            continue
        part = Image.Exif()
        try:
            part.load(b"Exif\0\0" + head[at + 4 : at - 4 + size])
            entries = dict(part)
        except Exception:  # as above
            continue
        target = found.get_ifd(0x8825) if name == b"CMT4" else found
        for tag, value in entries.items():
            target[tag] = value
    return found


def too_small(file: PhotoFile, size: tuple[int, int]) -> PhotoError:
    """What is said of a raw file that only its first directory's picture is known of."""
    return PhotoError(
        file.path,
        "unsupported",
        f"a RAW file whose preview, {size[0]}×{size[1]} pixels, is too small to be tagged"
        + ("" if raw_readable() else "; `pip install rawpy` develops it"),
    )
