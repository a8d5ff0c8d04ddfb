"""JPEG XL by libjxl (pillow-jxl-plugin, an extra). Its size is read from the first bits, so that
what decoding takes is counted before; Pillow's plugin would decode as soon as a file is opened.

Source of the layouts: ISO/IEC 18181-1 (SizeHeader) and 18181-2 (boxes).
"""

from __future__ import annotations

import io
from contextlib import suppress
from functools import cached_property
from typing import Any

from PIL import Image

from qks_cli.photos.boxes import MOST_HEAD, boxes_of
from qks_cli.photos.exif import exif_of
from qks_cli.photos.limits import MEGABYTE, Limits
from qks_cli.photos.opened import PhotoFile
from qks_cli.photos.pictures import Notes, Picture
from qks_cli.photos.recognise import JPEG

# Bytes of a pixel while it is decoded: 6 to 9 were measured at 3 and 12 megapixels, lossy and
# lossless, and the copy that Pillow takes; for a JPEG within 4, and that JPEG.
_BYTES, _JPEG_BYTES = 12, 6
_BARE = b"\xff\x0a"
_JPEG_BOX = b"jbrd"  # what it takes to make the JPEG again
_PICTURE_BOXES = (b"jxlc", b"jxlp", _JPEG_BOX)
_WIDTHS = (9, 13, 18, 30)  # bits of a size, by its selector
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}


class JxlPicture:
    """A JPEG XL photo. One that was made of a JPEG without loss becomes that JPEG again."""

    def __init__(self, file: PhotoFile) -> None:
        self.file = file
        data = file.data()
        boxes = [] if data[:2] == _BARE else list(boxes_of(data, heads_of=_PICTURE_BOXES))
        self.boxes = dict(reversed(boxes))  # the first of each name
        self.stored_size = _size(_codestream(boxes) if boxes else data[:MOST_HEAD])
        self.side: int | None = None

    @property
    def needed(self) -> int:
        """Bytes that decoding takes."""
        each = _JPEG_BYTES if _JPEG_BOX in self.boxes else _BYTES
        return self.stored_size[0] * self.stored_size[1] * each

    drafted = False

    def shrink_to(self, side: int) -> None:
        """A JPEG within is decoded at the smallest scale that suffices."""
        self.side = side

    def load(self) -> Image.Image:
        """The decoded image; libjxl turns it upright, a JPEG within keeps its own mark."""
        if self._jpeg is not None:
            if self.side is not None:
                self._jpeg.shrink_to(self.side)
            self.drafted = self._jpeg.drafted
            self.stored_size = self._jpeg.stored_size
            return self._jpeg.load()
        _, info, pixels, profile = self._decoded
        image = Image.frombytes(info.mode, (info.width, info.height), pixels)
        if profile:
            image.info["icc_profile"] = profile
        return image

    @cached_property
    def notes(self) -> Notes:
        """Exif and XMP: of the JPEG within, else of the boxes that are not packed by Brotli.

        These are asked for without decoding; only a JPEG is made for them, if it is not too large.
        """
        if _JPEG_BOX in self.boxes and self.needed <= Limits().decoded_mb * MEGABYTE:
            with suppress(OSError, ValueError, SyntaxError):
                if self._jpeg is not None:
                    return self._jpeg.notes
        block = self.boxes.get(b"Exif", b"")
        # Where its TIFF begins stands first; some programs leave that out.
        bare = block[:4] in (b"II*\0", b"MM\0*")
        start = 0 if bare else 4 + int.from_bytes(block[:4], "big")
        return Notes(exif_of(block[start:]), self.boxes.get(b"xml ", b""))

    @cached_property
    def _jpeg(self) -> Picture | None:
        whole, _, data, _ = self._decoded
        if not whole:
            return None
        inner = PhotoFile(self.file.path, io.BytesIO(data), len(data), JPEG)
        return Picture(inner, JPEG)

    @cached_property
    def _decoded(self) -> tuple[bool, Any, bytes, bytes]:
        """Whether it is a JPEG; what is known of the pixels; the JPEG or the pixels; a profile."""
        from pillow_jxl import Decoder

        try:
            whole, info, data, profile, _ = Decoder(num_threads=0)(self.file.data())
        except BaseException as error:  # Rust's panics are no Exceptions
            if isinstance(error, (MemoryError, KeyboardInterrupt, TimeoutError)):
                raise
            raise OSError("libjxl gives no reason") from error
        return bool(whole), info, data, bytes(profile or b"")


def _codestream(boxes: list[tuple[bytes, bytes]]) -> bytes:
    """The beginning of the codestream, which may lie in several boxes."""
    for name, body in boxes:
        if name == b"jxlc":
            return body
    return b"".join(body[4:] for name, body in boxes if name == b"jxlp")[:MOST_HEAD]


def _size(head: bytes) -> tuple[int, int]:
    """(width, height) as a codestream begins with it. Raises ``OSError``."""
    if head[:2] != _BARE or len(head) < 4:
        raise OSError("its header makes no sense")
    bits = _Bits(head[2:])
    small = bits.take(1)
    height = bits.length(small)
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio]
        return height * across // down, height
    return bits.length(small), height


class _Bits:
    """Bits of a codestream, the lowest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self.rest = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        """The next ``count`` bits as a number."""
        found = self.rest & ((1 << count) - 1)
        self.rest >>= count
        return found

    def length(self, small: int) -> int:
        """A side in pixels; small ones are multiples of eight."""
        if small:
            return 8 * (self.take(5) + 1)
        return self.take(_WIDTHS[self.take(2)]) + 1
