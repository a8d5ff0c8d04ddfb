"""Whatever a file does to its decoder, the run goes on and names it."""

from __future__ import annotations

import struct
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from qks_cli.errors import PhotoError
from qks_cli.photos import readers as readers_module
from qks_cli.photos.decode import decode, full_pixels
from qks_cli.photos.details import read_details
from qks_cli.photos.digests import digest_pixels
from qks_cli.photos.fingerprint import fingerprint
from qks_cli.photos.limits import Limits
from qks_cli.photos.readers import Readers, ReadersClosedError, read_one
from qks_cli.types import Details
from tests.photos.made import (
    ASCII,
    LONG,
    exif,
    gif_bomb,
    jpeg_with_exif,
    picture,
    saved,
    slow_photo,
)

SIDE = 32


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg_with_exif(exif({0x010F: (ASCII, "Maker")})))
    return path


def refusal(readers: Readers, path: Path) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        readers.read(path, "squash", np.empty((SIDE, SIDE, 3), np.uint8))
    assert caught.value.path == path
    return caught.value


def test_another_process_reads_the_same(photo: Path) -> None:
    here, there = np.empty((2, SIDE, SIDE, 3), np.uint8)
    size = decode(photo, "squash", here)
    with Readers() as readers:
        found = readers.read(photo, "squash", there)
        assert readers.details(photo) == found.details == read_details(photo)
        assert readers.pixel_digest(photo) == digest_pixels(photo, Limits())
    assert np.array_equal(here, there)
    assert np.array_equal(here, read_one(photo, "squash", SIDE))
    assert found.size == size == (320, 240)
    assert found.details.camera == "Maker"
    assert found.fingerprint == fingerprint(photo)
    assert found.warning is None


def test_a_slow_file_is_ended_and_named(tmp_path: Path, photo: Path) -> None:
    slow = tmp_path / "slow.bmp"
    slow.write_bytes(slow_photo())
    with Readers(Limits(seconds=1)) as readers:
        began = time.monotonic()
        error = refusal(readers, slow)
        assert time.monotonic() - began < 20
        assert (error.kind, error.reason) == ("too-slow", "it takes longer than 1 s to read")
        readers.read(photo, "squash", np.empty((SIDE, SIDE, 3), np.uint8))


def test_a_crash_of_a_decoder_costs_one_photo(tmp_path: Path, photo: Path) -> None:
    slow = tmp_path / "slow.bmp"
    slow.write_bytes(slow_photo())
    with Readers() as readers:

        def crash() -> None:
            while not readers._all:
                time.sleep(0.01)
            time.sleep(1)
            for process in readers._all:
                process.process.send_signal(11)

        threading.Thread(target=crash).start()
        error = refusal(readers, slow)
        assert (error.kind, error.reason) == (
            "corrupt",
            "the file is damaged (its decoder crashed: SIGSEGV)",
        )
        readers.read(photo, "squash", np.empty((SIDE, SIDE, 3), np.uint8))


def test_details_that_take_too_long_cost_no_photo(tmp_path: Path) -> None:
    """Every entry of one directory leads to another of as many entries: millions in all."""
    many = 2400
    below = struct.pack("<H", many) + struct.pack("<HHII", 1, LONG, 1, 7) * many + bytes(4)
    entry = struct.pack("<HHII", 0x8825, LONG, 1, 8 + 2 + 12 * many + 4)
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", many) + entry * many + bytes(4) + below
    (tmp_path / "a.jpg").write_bytes(jpeg_with_exif(block))
    with Readers() as readers:
        found = readers.read(tmp_path / "a.jpg", "squash", np.empty((SIDE, SIDE, 3), np.uint8))
    assert found.size == (320, 240)
    assert found.details == Details()
    assert found.warning == "read, but without its details: they take too long"


def test_closing_does_not_wait(tmp_path: Path) -> None:
    slow = tmp_path / "slow.bmp"
    slow.write_bytes(slow_photo())
    readers = Readers()
    threading.Timer(1, readers.close).start()
    began = time.monotonic()
    with pytest.raises(ReadersClosedError):
        readers.read(slow, "squash", np.empty((SIDE, SIDE, 3), np.uint8))
    assert time.monotonic() - began < 20
    with pytest.raises(ReadersClosedError):
        readers.details(slow)


def test_bombs_are_refused_in_one_line_that_names_the_option(tmp_path: Path) -> None:
    bomb = tmp_path / "a.gif"
    bomb.write_bytes(gif_bomb())
    with Readers() as readers:
        error = refusal(readers, bomb)
    assert error.kind == "too-large"
    assert error.reason == (
        "it takes 1,142 MB decoded, more than the limit of 512 MB (--max-decoded-mb raises it)"
    )


def test_pipes_and_folders_are_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.jpg")
    with Readers(Limits(seconds=5)) as readers:
        assert refusal(readers, tmp_path / "pipe.jpg").reason == "it is not a regular file"
        assert refusal(readers, tmp_path).reason == "Is a directory"
        assert refusal(readers, tmp_path / "none.jpg").kind == "missing"


def test_names_that_are_not_utf8_reach_the_other_process(tmp_path: Path) -> None:
    import os

    path = tmp_path / os.fsdecode(b"caf\xe9\n.jpg")
    path.write_bytes(saved(picture(), "JPEG"))
    assert read_one(path, "squash", SIDE).shape == (SIDE, SIDE, 3)
    assert full_pixels(path).shape == (240, 320, 3)


def test_a_relative_path_is_that_of_whoever_asks(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes stay where they were started; a program may go to another folder."""
    (tmp_path / "below").mkdir()
    with Readers() as readers:
        readers.pixel_digest(photo)
        monkeypatch.chdir(tmp_path / "below")
        assert readers.pixel_digest(Path("../a.jpg")) == digest_pixels(photo, Limits())
        assert refusal(readers, Path("b.jpg")).kind == "missing"


def test_processes_started_beforehand_are_those_that_read(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[readers_module._Process] = []

    class Counted(readers_module._Process):
        def __init__(self, decoded_mb: float) -> None:
            super().__init__(decoded_mb)
            started.append(self)

    monkeypatch.setattr(readers_module, "_Process", Counted)
    with Readers() as readers:
        readers.start(2)
        assert len(started) == 2
        for _ in range(3):
            readers.read(photo, "squash", np.empty((SIDE, SIDE, 3), np.uint8))
        assert len(started) == 2
    assert all(one.process.poll() is not None for one in started)
