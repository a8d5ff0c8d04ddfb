"""Keywords inside TIFF and DNG, by the user's own exiftool on a copy of ours."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image, ImageSequence

from qks_cli.keywords.difference import difference
from qks_cli.keywords.difference import undone as difference_undone
from qks_cli.keywords.embed import Before
from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.formats import container
from qks_cli.keywords.xmp import SUBJECT, TAGS_LIST, Keyword, Packet, Source

SECONDS = 120
SMALL = 100_000  # bytes that are always worth keeping for a photo's exact return


def with_keywords(
    path: Path, data: bytes, keywords: Sequence[Keyword], source: Source, *, immich: bool = False
) -> tuple[bytes, Before]:
    """As ``embed.with_keywords``. Raises ``Refusal``, also where exiftool is not installed."""
    with _copied(path, data) as (program, copy):
        before = _packet(program, copy)
        packet = Packet(before)
        if not packet.restate(keywords, source, create=(TAGS_LIST,) if immich else ()):
            return data, Before(before)
        new = _written(program, copy, packet.document(packet=True), packet)
    stored = difference(data, new)
    small = len(stored) <= max(SMALL, len(data) // 20)
    return new, Before(before, stored if small else None)


def undone(data: bytes, before: Before) -> bytes:
    """The bytes before we wrote, where ``before`` tells; ``data`` where it does not. The caller
    holds them against the hash of the photo as it was."""
    with suppress(ValueError):
        return data if before.other is None else difference_undone(data, before.other)
    return data


def restored(path: Path, data: bytes, before: Before) -> list[bytes]:
    """What the photo may have been before we wrote, alike in what it says. Raises as
    ``with_keywords``."""
    with _copied(path, data) as (program, copy):
        if before.xmp is None:
            _run(program, "-overwrite_original", "-XMP:all=", str(copy))
            return [copy.read_bytes()]
        return [_written(program, copy, before.xmp, None)]


@contextmanager
def _copied(path: Path, data: bytes) -> Iterator[tuple[str, Path]]:
    """exiftool, and a copy of the photo that it may write to, in a folder of ours."""
    program = shutil.which("exiftool")
    if program is None:
        raise Refusal("exiftool is not installed")
    with tempfile.TemporaryDirectory(prefix="qks-") as folder:
        copy = Path(folder, "photo" + container.check_tiff(path, data))
        copy.write_bytes(data)
        yield program, copy


def _written(program: str, copy: Path, document: bytes, packet: Packet | None) -> bytes:
    before = _picture(program, copy)
    file = copy.with_name("packet.xmp")
    file.write_bytes(document)
    _run(program, "-overwrite_original", f"-XMP<={file}", str(copy))
    if _picture(program, copy) != before:
        raise Refusal("exiftool would change the picture")
    if packet is not None:
        stored = _packet(program, copy)
        wanted = {label for label, _ in packet.ours()}
        if not wanted <= set(Packet(stored).keywords(SUBJECT)):
            raise Refusal("the keywords would not read back")
    return copy.read_bytes()


def _packet(program: str, copy: Path) -> bytes | None:
    return _run(program, "-XMP", "-b", str(copy)) or None


def _picture(program: str, copy: Path) -> tuple[bytes, bytes]:
    """Hashes of the picture data, by exiftool where it can, and of what Pillow decodes.

    Raises ``Refusal`` where neither can tell."""
    hashed = _run(program, "-ImageDataHash", "-ImageDataMD5", "-s3", str(copy)).strip()
    decoded = hashlib.sha256()
    try:
        with Image.open(copy, formats=("TIFF",)) as image:
            for frame in ImageSequence.Iterator(image):
                decoded.update(repr((frame.mode, frame.size)).encode() + frame.tobytes())
    except Exception as error:  # decoders raise whatever a file makes them raise
        if not hashed:
            raise Refusal("its picture could not be checked after writing") from error
        return hashed, b""
    return hashed, decoded.digest()


def _run(program: str, *arguments: str) -> bytes:
    try:
        done = subprocess.run(
            [program, "-q", "-q", *arguments], capture_output=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refusal(f"exiftool failed: {error}") from error
    if done.returncode != 0:
        reason = " ".join(done.stderr.decode(errors="replace").split())
        raise Refusal(f"exiftool refused: {reason[:200] or 'no reason given'}")
    return done.stdout
