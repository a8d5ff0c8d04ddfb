"""Whether two files are the same bytes, or the same picture."""

from __future__ import annotations

import hashlib
from pathlib import Path

from qks_cli.errors import PhotoError


def file_digest(path: Path) -> bytes | None:
    """BLAKE2 over the whole file; None where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "blake2b").digest()
    except OSError:
        return None


def pixel_digest(path: Path) -> bytes | None:
    """BLAKE2 over the upright 8-bit RGB pixels of the whole photo; None where it cannot be read."""
    from qks_cli.photos.decode import full_pixels

    try:
        pixels_HW3 = full_pixels(path)
    except PhotoError:
        return None
    digest = hashlib.blake2b(repr(pixels_HW3.shape).encode())
    digest.update(pixels_HW3.tobytes())
    return digest.digest()
