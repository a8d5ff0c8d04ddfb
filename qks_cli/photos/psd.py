"""Photoshop's files by Pillow: the flattened picture that Photoshop keeps beside the layers.

Source of the layout: Adobe Photoshop File Formats Specification (2019).
"""

from __future__ import annotations

import struct
from functools import cached_property
from typing import Any

from PIL import Image

from qks_cli.photos.exif import exif_of
from qks_cli.photos.opened import PhotoFile
from qks_cli.photos.pictures import Notes, Picture
from qks_cli.photos.recognise import PSD

_HEAD = 26
_VERSION, _DEPTH_AT = 1057, 22  # a resource; where the header says how many bits a channel has
_EXIF, _XMP = 1058, 1060  # resources


class PsdPicture(Picture):
    """The flattened picture of a PSD."""

    def __init__(self, file: PhotoFile) -> None:
        head = file.stream.read(_HEAD)
        file.stream.seek(0)
        depth = int.from_bytes(head[_DEPTH_AT : _DEPTH_AT + 2], "big")
        if depth not in (1, 8):
            raise OSError(f"unsupported: {depth} bits a channel")
        try:
            super().__init__(file, PSD)
        except KeyError as error:
            raise OSError("unsupported: its colour mode") from error
        self.resources: dict[int, Any] = {x: data for x, _, data in self.image.resources}
        version = self.resources.get(_VERSION, b"")
        if len(version) > 4 and not version[4]:
            raise OSError("no picture found: it was saved without 'Maximize compatibility'")

    def load(self) -> Image.Image:
        """The decoded image. A fourth channel is a selection, unless the layers say that it is
        what the picture lacks of being opaque."""
        image = super().load()
        return image.convert("RGB") if image.mode == "RGBA" and not self._see_through() else image

    @cached_property
    def notes(self) -> Notes:
        """Exif and XMP of the image resources."""
        return Notes(exif_of(self.resources.get(_EXIF, b"")), self.resources.get(_XMP, b""))

    def _see_through(self) -> bool:
        """Whether the number of layers is negative: the first alpha channel is transparency."""
        stream = self.file.stream
        at = _HEAD
        try:
            for _ in range(2):  # colour data, image resources
                stream.seek(at)
                at += 4 + struct.unpack(">I", stream.read(4))[0]
            stream.seek(at)
            whole, layers, count = struct.unpack(">IIh", stream.read(10))
        except struct.error:
            return False
        return bool(whole and layers and count < 0)
