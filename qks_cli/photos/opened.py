"""One photo's file, opened once: what decodes it, reads its details and fingerprints it shares
these bytes. Every way in which that fails becomes a ``PhotoError``."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from qks_cli.errors import PhotoError
from qks_cli.photos.fingerprint import fingerprint_of
from qks_cli.photos.readable import raw_readable
from qks_cli.photos.recognise import (
    GIF,
    HEAD,
    JPEG,
    PNG,
    RAW,
    VIDEOS,
    WEBP,
    Format,
    name_of_unread,
    recognise,
)

IN_MEMORY = 128 << 20  # bytes; larger files are read in pieces, as their decoder asks for them
# What decoders say of sound files that they do not know how to read.
_NOT_DAMAGED = (
    "unknown",
    "unsupported",
    "not supported",
    "not available",
    "not implemented",
    "unable to determine",
    "no picture found",
    "invalid palette size",
    "no decoding plugin",
    "compressed by",
)
# What makes other formats readable, by their names.
_HELPS = dict.fromkeys(
    ("Matroska of another kind", "Windows Media", "MPEG video", "Flash video", "Ogg"),
    "`ffmpeg -i FILE -c copy NEW.mkv` makes it readable (`apt-get install ffmpeg`)",
) | {
    "PDF": "`pdftoppm -jpeg FILE NEW` makes pictures of it (`apt-get install poppler-utils`)",
    "SVG": "`rsvg-convert -o NEW.png FILE` makes a picture (`apt-get install librsvg2-bin`)",
    "Photoshop's large documents (PSB)": "saved as PSD it is read",
}
# What Python says of bytes that are not as they should be.
_FOR_PROGRAMMERS = ("unpack", "index out of", "list index", "tuple index", "bytes index")
# Formats whose decoders know all kinds of them: what these cannot read is damaged.
_WELL_KNOWN = (JPEG, PNG, GIF, WEBP)


class PhotoFile:
    """An opened photo: ``stream`` over its bytes, ``size`` of them, its ``format``."""

    def __init__(self, path: Path, stream: BinaryIO, size: int, format: Format) -> None:
        self.path = path
        self.stream = stream
        self.size = size
        self.format = format

    def data(self) -> bytes:
        """All of the file."""
        if isinstance(self.stream, io.BytesIO):
            return self.stream.getvalue()
        self.stream.seek(0)
        return self.stream.read()

    def fingerprint(self) -> bytes:
        """As ``photos/fingerprint.py`` defines it."""
        return fingerprint_of(self.stream, self.size)


@contextmanager
def opened(path: Any, *, whole: bool = True) -> Iterator[PhotoFile]:
    """Open a photo and tell its format. ``path`` is a path, or an entry of an archive
    (``zipfile.Path``). ``whole``: all of it will be needed, so that it is read at once. What is
    raised inside becomes a ``PhotoError`` too."""
    found: Format | None = None
    try:
        with _stream(path) as (stream, size):
            if not size:
                raise PhotoError(path, "empty", "the file is empty")
            found = recognise(stream)
            # Of a raw file only its preview is needed, a tenth of it or less; of a video, frames.
            in_parts = found is RAW or found in VIDEOS
            if whole and size <= IN_MEMORY and not in_parts:
                stream.seek(0)
                stream = io.BytesIO(stream.read())
                size = len(stream.getvalue())
            if found is None:
                stream.seek(0)
                raise PhotoError(path, "unsupported", _not_read(stream.read(HEAD)))
            stream.seek(0)
            yield PhotoFile(path, stream, size, found)
    except PhotoError:
        raise
    except Exception as error:  # decoders raise whatever a broken file makes them raise
        raise PhotoError(path, *_kind_and_reason(error, found)) from error


@contextmanager
def _stream(path: Any) -> Iterator[tuple[BinaryIO, int]]:
    """The opened file and its size. A pipe or device is refused without waiting for it."""
    if not isinstance(path, Path):
        with path.open("rb") as stream:
            data = io.BytesIO(stream.read())
        yield data, len(data.getvalue())
        return
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as stream:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            raise PhotoError(path, "unreadable", "it is not a regular file")
        yield stream, status.st_size


def _kind_and_reason(error: Exception, format: Format | None) -> tuple[str, str]:
    if isinstance(error, FileNotFoundError):
        return "missing", "the file is gone"
    if isinstance(error, MemoryError):
        return "too-large", "not enough memory to read it"
    if isinstance(error, OSError) and error.errno is not None:
        return "unreadable", error.strerror or str(error)
    text = one_line(str(error))
    if not text or isinstance(error, LookupError) or text.startswith(_FOR_PROGRAMMERS):
        text = "its parts do not fit together"
    lower, name = text.lower(), format.name if format else "file"
    if "truncated" in lower or "end of file" in lower or "premature" in lower:
        return "truncated", f"the file is cut off ({text})"
    if any(words in lower for words in _NOT_DAMAGED):
        reason = f"a kind of {name} that qks's decoder does not know ({text})"
        return "unsupported", reason + _what_helps(format, lower)
    if format is None or format in _WELL_KNOWN:
        return "corrupt", f"the file is damaged ({text})"
    return "corrupt", f"damaged, or a kind of {name} that qks's decoder does not know ({text})"


def _what_helps(format: Format | None, reason: str) -> str:
    """What makes a file readable that its decoder does not know; '' where nothing is known to."""
    if format is RAW and raw_readable():
        return "; a newer one may: `pip install --upgrade rawpy`"
    if format in VIDEOS and "compressed by" in reason:
        return "; `ffmpeg -i FILE NEW.mp4` makes it readable (`apt-get install ffmpeg`)"
    return ""


def one_line(text: str) -> str:
    """What a library says, which may quote the file, as one line without control characters."""
    words = "".join(char if char.isprintable() else " " for char in text).split()
    return " ".join(words)


def _not_read(head: bytes) -> str:
    name = name_of_unread(head)
    if not name:
        return "not an image that qks can read"
    helps = _HELPS.get(name, "")
    return f"not an image that qks can read: its bytes say {name}" + (f"; {helps}" if helps else "")
