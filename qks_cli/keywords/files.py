"""The write protocol: a file is replaced as a whole, or stays as it was.

Whoever is killed at any point leaves the original or the new file, and at most a temporary file
that the journal names.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from qks_cli.keywords.errors import Refusal

SPARE = 1 << 20  # bytes that stay free on a disk


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was read: its bytes, status and SHA-256."""

    path: Path
    data: bytes
    status: os.stat_result
    sha256: bytes


class Journal(Protocol):
    """What is about to be written; kept where a crash does not reach it."""

    def begin(self, path: Path, temporary: Path, seen: Seen) -> int:
        """Before a temporary file is made, or the file removed; returns an entry."""
        ...

    def done(self, entry: int, path: Path, status: os.stat_result | None) -> None:
        """After the folder has been brought to the disk; None: the file is gone."""
        ...

    def failed(self, entry: int) -> None:
        """The file is as it was."""
        ...


def read(path: Path, *, ours: bytes | None = None) -> Seen:
    """A file to be rewritten. Raises ``Refusal`` for one that must not be.

    ``ours`` is the SHA-256 of a sidecar that we made: it is read also where it is read-only, as
    versions before 0.2 made the sidecars of read-only photos."""
    try:
        real = path.resolve(strict=True)
        status = real.stat()
        if not stat.S_ISREG(status.st_mode):
            raise Refusal("it is not a regular file", sidecar=False)
        if status.st_nlink > 1:
            raise Refusal("it has several hard links")
        read_only = not status.st_mode & 0o222 or not os.access(real, os.W_OK)
        if read_only and ours is None:
            raise Refusal("it is read-only")
        if not os.access(real.parent, os.W_OK):
            raise Refusal("its folder is read-only", sidecar=False)
        data = real.read_bytes()
    except OSError as error:
        raise Refusal(_reason(error), sidecar=False) from error
    if len(data) != status.st_size:
        raise Refusal("it is being written to", sidecar=False)
    digest = hashlib.sha256(data).digest()
    if read_only and digest != ours:
        raise Refusal("it is read-only")
    return Seen(real, data, status, digest)


def replace(
    seen: Seen,
    data: bytes,
    journal: Journal,
    *,
    digest: bytes | None = None,
    keep_mtime: bool = False,
    backup: Path | None = None,
) -> None:
    """Put ``data`` in the place of a file that was read. Raises ``Refusal``: it is as it was.

    ``digest`` is the SHA-256 of ``data``, where it is known already."""
    if backup is not None:
        _back_up(seen, backup)
    with _locked(seen.path):
        temporary = temporary_for(seen.path)
        try:
            _check_space(seen.path.parent, len(data))
        except OSError as error:
            raise _refusal(error) from error
        entry = journal.begin(seen.path, temporary, seen)
        try:
            _write(temporary, data, 0o600, digest)
            _copy_attributes(seen, temporary)
            if keep_mtime:
                times = (seen.status.st_atime_ns, seen.status.st_mtime_ns)
                os.utime(temporary, ns=times)
            status = temporary.stat()
            if not _same(seen.path.stat(), seen.status):
                raise Refusal("it was changed meanwhile", sidecar=False)
            temporary.replace(seen.path)
        except (OSError, Refusal) as error:
            journal.failed(entry)
            raise _refusal(error) from error
        finally:
            _unlink(temporary)
        sync_folder(seen.path.parent)
        journal.done(entry, seen.path, status)


def create(path: Path, temporary: Path, data: bytes, *, like: Path) -> None:
    """Make a new file that may be read by whom ``like`` may, and written to by its owner at least;
    never over another one.

    ``temporary`` is of ``temporary_for``, and in the journal already: many files are made at a
    time, on threads. The caller brings their folders to the disk (``sync_folder``) and ends the
    journal's entries then. Raises ``Refusal``.
    """
    try:
        _check_space(path.parent, len(data))
        # A read-only photo's sidecar has to take other keywords later.
        _write(temporary, data, stat.S_IMODE(like.stat().st_mode) & 0o666 | stat.S_IWUSR)
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise Refusal("its sidecar was made meanwhile", sidecar=False) from None
        except OSError:  # no hard links here (exFAT): the check and the renaming are two steps
            if os.path.lexists(path):
                raise Refusal("its sidecar was made meanwhile", sidecar=False) from None
            temporary.replace(path)
    except OSError as error:
        raise _refusal(error) from error
    finally:
        _unlink(temporary)


def remove(seen: Seen, journal: Journal) -> None:
    """Remove a sidecar that we made and nobody changed. Raises ``Refusal``."""
    with _locked(seen.path):
        entry = journal.begin(seen.path, seen.path, seen)
        try:
            if not _same(seen.path.stat(), seen.status):
                raise Refusal("it was changed meanwhile", sidecar=False)
            seen.path.unlink()
        except (OSError, Refusal) as error:
            journal.failed(entry)
            raise _refusal(error) from error
        sync_folder(seen.path.parent)
        journal.done(entry, seen.path, None)


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries to the disk, where its file system can.

    What is in the folder is right either way, so no error comes of it."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sweep(temporaries: Iterable[Path]) -> int:
    """Remove temporary files that a crash left, as the journal names them; returns how many."""
    swept = 0
    for path in temporaries:
        if is_temporary(path) and path.is_file() and not path.is_symlink():
            _unlink(path)
            swept += 1
    return swept


def is_temporary(path: Path) -> bool:
    """Whether a name is one that we give to temporary files."""
    return path.name.startswith(".qks-") and path.name.endswith(".tmp")


def temporary_for(path: Path) -> Path:
    """A name for a temporary file beside a file; no two are alike."""
    return path.with_name(f".qks-{secrets.token_hex(8)}.tmp")


def _write(path: Path, data: bytes, mode: int, digest: bytes | None = None) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
        os.lseek(handle, 0, os.SEEK_SET)
        with os.fdopen(os.dup(handle), "rb") as stream:
            read_back = hashlib.file_digest(stream, "sha256").digest()
    finally:
        os.close(handle)
    if read_back != (digest or hashlib.sha256(data).digest()):
        raise Refusal("what was written reads back otherwise: check the disk", sidecar=False)


def _copy_attributes(seen: Seen, temporary: Path) -> None:
    status = temporary.stat()
    if (status.st_uid, status.st_gid) != (seen.status.st_uid, seen.status.st_gid):
        try:
            os.chown(temporary, seen.status.st_uid, seen.status.st_gid)
        except PermissionError:
            raise Refusal("its owner cannot be kept") from None
    mode = stat.S_IMODE(seen.status.st_mode)
    # A read-only file that is replaced is a sidecar of ours that should not have been.
    temporary.chmod(mode if mode & 0o222 else mode | stat.S_IWUSR)
    if hasattr(os, "listxattr"):
        _copy_extended(seen.path, temporary)
    elif sys.platform == "darwin":  # Python has no functions for them there
        _copy_extended_on_macos(seen.path, temporary)


def _copy_extended(source: Path, target: Path) -> None:
    """Extended attributes, access control lists among them."""
    try:
        names = os.listxattr(source)
    except OSError:
        return
    have = set(os.listxattr(target)) if names else set()
    for name in names:
        value = os.getxattr(source, name)
        if name in have and os.getxattr(target, name) == value:
            continue
        try:
            os.setxattr(target, name, value)
        except OSError:
            raise Refusal(f"its attribute {name} cannot be kept") from None


def _copy_extended_on_macos(source: Path, target: Path) -> None:
    """The same (Finder's tags among them) by copyfile(3) of the system's C library."""
    acl, extended = 1 << 0, 1 << 2  # COPYFILE_ACL, COPYFILE_XATTR of copyfile.h
    copyfile = ctypes.CDLL(None, use_errno=True).copyfile
    if copyfile(os.fsencode(source), os.fsencode(target), None, acl | extended) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise Refusal(f"its extended attributes cannot be kept: {reason}")


def _back_up(seen: Seen, folder: Path) -> None:
    """A copy under the photo's whole path; one that is there already is the older, and stays."""
    target = folder / seen.path.relative_to(seen.path.anchor)
    try:
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = temporary_for(target)
        try:
            shutil.copy2(seen.path, partial)
            if hashlib.sha256(partial.read_bytes()).digest() != seen.sha256:
                raise Refusal("it was changed meanwhile", sidecar=False)
            partial.replace(target)
        finally:
            _unlink(partial)
    except OSError as error:
        raise Refusal(f"it cannot be backed up: {error.strerror}", sidecar=False) from error


def _check_space(folder: Path, size: int) -> None:
    """Raises ``OSError`` where the folder is gone."""
    if shutil.disk_usage(folder).free < size + SPARE:
        raise Refusal("the disk is full", sidecar=False)


def _same(now: os.stat_result, then: os.stat_result) -> bool:
    return (now.st_size, now.st_mtime_ns, now.st_ino, now.st_dev, now.st_ctime_ns) == (
        then.st_size,
        then.st_mtime_ns,
        then.st_ino,
        then.st_dev,
        then.st_ctime_ns,
    )


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _refusal(error: OSError | Refusal) -> Refusal:
    return error if isinstance(error, Refusal) else Refusal(_reason(error), sidecar=False)


def _unlink(path: Path) -> None:
    with suppress(OSError):  # what cannot be removed now is swept later
        path.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """A lock on the original, so that two runs do not write one photo at a time."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Refusal(_reason(error), sidecar=False) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refusal("another program holds it", sidecar=False) from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(handle)
