"""Whether two files are the same bytes, or the same picture."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from qks_cli.errors import PhotoError
from qks_cli.photos.limits import Limits


def file_digest(path: Path) -> bytes | None:
    """BLAKE2 over the whole file; None where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "blake2b").digest()
    except OSError:
        return None


def pixel_digest(path: Path) -> bytes | None:
    """``digest_pixels`` by another process; None where the photo cannot be read."""
    from qks_cli.photos.readers import shared

    try:
        return shared().pixel_digest(path)
    except PhotoError:
        return None


def digest_pixels(
    path: Path,
    limits: Limits,
    admit: Callable[[int], AbstractContextManager[None]] = lambda needed: nullcontext(),
) -> bytes:
    """BLAKE2 over the upright 8-bit RGB pixels of the whole photo. Raises ``PhotoError``."""
    from qks_cli.photos.decode import full_pixels

    pixels_HW3 = full_pixels(path, limits=limits, admit=admit)
    digest = hashlib.blake2b(repr(pixels_HW3.shape).encode())
    digest.update(pixels_HW3.tobytes())
    return digest.digest()
