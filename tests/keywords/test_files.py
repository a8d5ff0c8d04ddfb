"""The write protocol: the original is whole whatever happens."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from qks_cli.keywords import files
from qks_cli.keywords.errors import Refusal


class Memory:
    """A journal that remembers what it was told."""

    def __init__(self) -> None:
        self.begun: list[Path] = []
        self.ended: list[int] = []
        self.given_up: list[int] = []

    def begin(self, path: Path, temporary: Path, seen: files.Seen) -> int:
        self.begun.append(temporary)
        return len(self.begun)

    def done(self, entry: int, path: Path, status: os.stat_result | None) -> None:
        self.ended.append(entry)

    def failed(self, entry: int) -> None:
        self.given_up.append(entry)


def create(path: Path, data: bytes, like: Path) -> None:
    files.create(path, files.temporary_for(path), data, like=like)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"old")
    path.chmod(0o640)
    return path


def test_replaced_with_all_its_attributes(photo: Path) -> None:
    try:
        os.setxattr(photo, "user.note", b"mine")
        marked = True
    except OSError:
        marked = False  # this file system has none
    os.utime(photo, ns=(1_000_000_000, 2_000_000_000))
    journal = Memory()
    files.replace(files.read(photo), b"newer", journal, keep_mtime=True)
    assert photo.read_bytes() == b"newer"
    status = photo.stat()
    assert stat.S_IMODE(status.st_mode) == 0o640
    assert status.st_mtime_ns == 2_000_000_000
    if marked:
        assert os.getxattr(photo, "user.note") == b"mine"
    assert journal.ended == [1]
    assert list(photo.parent.iterdir()) == [photo]
    files.replace(files.read(photo), b"again", journal)
    assert photo.stat().st_mtime_ns > 2_000_000_000


def test_a_symbolic_link_stays_one(photo: Path) -> None:
    link = photo.parent / "link.jpg"
    link.symlink_to(photo.name)
    files.replace(files.read(link), b"newer", Memory())
    assert link.is_symlink()
    assert photo.read_bytes() == b"newer"


def test_what_must_not_be_written_to(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.link(photo, photo.parent / "twin.jpg")
    with pytest.raises(Refusal, match="hard links") as linked:
        files.read(photo)
    assert linked.value.sidecar
    (photo.parent / "twin.jpg").unlink()
    photo.chmod(0o440)
    with pytest.raises(Refusal, match="read-only"):
        files.read(photo)
    with pytest.raises(Refusal):
        files.read(photo.parent)
    with pytest.raises(Refusal):
        files.read(photo.parent / "nothing.jpg")


def test_a_photo_that_changes_meanwhile_wins(photo: Path) -> None:
    seen = files.read(photo)
    photo.write_bytes(b"edited by somebody")
    journal = Memory()
    with pytest.raises(Refusal, match="changed meanwhile"):
        files.replace(seen, b"newer", journal)
    assert (journal.given_up, journal.ended) == ([1], [])
    assert photo.read_bytes() == b"edited by somebody"
    assert list(photo.parent.iterdir()) == [photo]


def test_a_full_disk(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int, data: memoryview) -> int:
        raise OSError(28, "No space left on device")

    seen = files.read(photo)
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Refusal, match="No space"):
        files.replace(seen, b"newer", Memory())
    with pytest.raises(Refusal, match="No space"):
        create(photo.with_suffix(".xmp"), b"newer", photo)
    monkeypatch.undo()
    assert photo.read_bytes() == b"old"
    assert list(photo.parent.iterdir()) == [photo]


def test_a_disk_that_returns_other_bytes(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, b"\0" * len(data)))
    with pytest.raises(Refusal, match="reads back otherwise"):
        files.replace(files.read(photo), b"newer", Memory())
    assert photo.read_bytes() == b"old"


def test_a_new_file_never_replaces_one(photo: Path) -> None:
    side = photo.with_suffix(".xmp")
    create(side, b"one", photo)
    assert stat.S_IMODE(side.stat().st_mode) == 0o640
    with pytest.raises(Refusal, match="meanwhile"):
        create(side, b"two", photo)
    assert side.read_bytes() == b"one"
    assert sorted(photo.parent.iterdir()) == [photo, side]
    files.remove(files.read(side), Memory())
    assert list(photo.parent.iterdir()) == [photo]


def test_a_sidecar_of_a_read_only_photo_can_be_written_to(photo: Path) -> None:
    photo.chmod(0o444)
    side = photo.with_suffix(".xmp")
    create(side, b"one", photo)
    assert stat.S_IMODE(side.stat().st_mode) == 0o644
    files.replace(files.read(side), b"two", Memory())
    # Versions before 0.2 made it read-only: what we made is ours to change, and nothing else.
    side.chmod(0o444)
    with pytest.raises(Refusal, match="read-only"):
        files.read(side)
    with pytest.raises(Refusal, match="read-only"):
        files.read(side, ours=hashlib.sha256(b"one").digest())
    seen = files.read(side, ours=hashlib.sha256(b"two").digest())
    files.replace(seen, b"three", Memory())
    assert side.read_bytes() == b"three"
    assert stat.S_IMODE(side.stat().st_mode) == 0o644


def test_backups_keep_the_oldest(photo: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    files.replace(files.read(photo), b"newer", Memory(), backup=backup)
    files.replace(files.read(photo), b"newest", Memory(), backup=backup)
    copy = backup.joinpath(*photo.resolve().parts[1:])
    assert copy.read_bytes() == b"old"


def test_sweeping_removes_only_temporary_files_of_qks(photo: Path) -> None:
    left = photo.parent / ".qks-0123.tmp"
    left.write_bytes(b"half")
    assert files.sweep([left, photo, photo.parent / ".qks-none.tmp"]) == 1
    assert photo.is_file()
    assert not left.exists()


def test_two_runs_do_not_write_one_photo(photo: Path) -> None:
    seen = files.read(photo)
    with files._locked(photo), pytest.raises(Refusal, match="another program"):
        files.replace(seen, b"newer", Memory())
    assert photo.read_bytes() == b"old"


def test_without_functions_for_attributes_macos_is_asked_itself(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS has extended attributes (Finder's tags), and Python no functions for them there."""
    asked: list[tuple[bytes, bytes, None, int]] = []

    class Library:
        answer = 0

        def __init__(self, name: None, use_errno: bool) -> None:
            pass

        def copyfile(self, source: bytes, target: bytes, state: None, flags: int) -> int:
            asked.append((source, target, state, flags))
            return self.answer

    for name in ("listxattr", "getxattr", "setxattr"):
        monkeypatch.delattr(os, name)
    monkeypatch.setattr(files.sys, "platform", "darwin")
    monkeypatch.setattr(files.ctypes, "CDLL", Library)
    target = photo.with_name("new.jpg")
    target.write_bytes(b"new")
    seen = files.read(photo)
    files._copy_attributes(seen, target)
    assert asked == [(os.fsencode(photo), os.fsencode(target), None, 5)]
    Library.answer = -1
    with pytest.raises(Refusal, match="extended attributes cannot be kept"):
        files._copy_attributes(seen, target)


def test_what_was_written_is_on_the_disk_before_it_takes_the_old_ones_place(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes first, then the name, then the folder: a power cut leaves the old file or the new."""
    order: list[str] = []
    sync, move = os.fsync, os.replace

    def synced(handle: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        order.append(kind)
        sync(handle)

    def moved(source: object, target: object) -> None:
        order.append("name")
        move(source, target)  # type: ignore[type-var]

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", moved)
    files.replace(files.read(photo), b"newer", Memory())
    kept = [step for step in order if step != "name"]
    assert kept[0] == "file"
    assert kept[-1] == "folder"
    assert photo.read_bytes() == b"newer"
