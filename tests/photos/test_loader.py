from __future__ import annotations

import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qks_cli.photos.loader import load
from qks_cli.photos.readers import Readers, ReadersClosedError
from qks_cli.types import Photo
from tests.photos.made import picture, saved, slow_photo, with_chunk

SIDE = 32


def test_load_keeps_order_and_leaves_failures_out(tmp_path: Path) -> None:
    photos = []
    for shade in range(23):
        path = tmp_path / f"{shade:02}.png"
        Image.new("RGB", (40, 30), (shade * 10,) * 3).save(path)
        if shade % 5 == 2:
            path.write_bytes(b"broken")
        photos.append(Photo(path, 1, 1))
    seen: list[int] = []
    failed: list[str] = []
    for batch in load(photos, size=SIDE, resize="squash", batch_size=4, workers=3):
        assert len(batch.photos) == len(batch.pixels_BHW3) == len(batch.sizes)
        failed += [failure.photo.path.name for failure in batch.failures]
        for photo, pixels in zip(batch.photos, batch.pixels_BHW3, strict=True):
            assert int(photo.path.stem) * 10 == pixels[3, 3, 0] == pixels.max()
            seen.append(int(photo.path.stem))
    assert seen == [n for n in range(23) if n % 5 != 2]
    assert failed == [f"{n:02}.png" for n in range(23) if n % 5 == 2]


def test_closing_early_stops_the_threads(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (9, 9)).save(path)
    batches = load(
        (Photo(path, 1, 1) for _ in range(10**9)),
        size=SIDE,
        resize="squash",
        batch_size=4,
        workers=2,
    )
    assert len(next(batches).photos) == 4
    batches.close()


def test_a_stop_does_not_wait_for_a_slow_photo(tmp_path: Path) -> None:
    for n in range(4):
        Image.new("RGB", (40, 30)).save(tmp_path / f"{n}.png")
    (tmp_path / "9.bmp").write_bytes(slow_photo())
    began = time.monotonic()
    batches = load(
        [Photo(path, 1, 1) for path in sorted(tmp_path.iterdir())],
        size=SIDE,
        resize="squash",
        batch_size=5,
        workers=2,
        stop=lambda: time.monotonic() > began + 4,
    )
    (batch,) = batches
    assert [photo.path.name for photo in batch.photos] == ["0.png", "1.png", "2.png", "3.png"]
    assert not batch.failures
    assert time.monotonic() - began < 10


def test_what_a_library_warns_of_names_the_photo(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    odd = with_chunk(saved(picture(), "PNG"), b"acTL", bytes(8))  # an animation of no frames
    (tmp_path / "odd.png").write_bytes(odd)
    (tmp_path / "plain.png").write_bytes(saved(picture(), "PNG"))
    photos = [Photo(tmp_path / name, 1, 1) for name in ("odd.png", "plain.png")]
    (batch,) = load(photos, size=SIDE, resize="squash", batch_size=2, workers=1)
    assert batch.photos == photos
    ((photo, text),) = batch.warnings
    assert photo == photos[0]
    assert text.startswith("read, but parts of it are damaged (Invalid APNG")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("early", [False, True])
def test_given_readers_stay_open_unless_reading_ends_early(tmp_path: Path, early: bool) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (9, 9)).save(path)
    out_SS3 = np.empty((SIDE, SIDE, 3), np.uint8)
    with Readers() as readers:
        photos = [Photo(path, 1, 1)] * 9
        batches = load(photos, size=SIDE, resize="squash", batch_size=4, workers=1, readers=readers)
        assert sum(len(batch.photos) for batch in islice(batches, 1 if early else None))
        batches.close()
        if early:
            with pytest.raises(ReadersClosedError):
                readers.read(path, "squash", out_SS3)
        else:
            assert readers.read(path, "squash", out_SS3).size == (9, 9)
