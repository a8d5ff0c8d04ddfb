"""Memory is counted from headers, before anything is unpacked."""

from __future__ import annotations

import struct
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qks_cli.errors import PhotoError
from qks_cli.photos.decode import decode
from qks_cli.photos.limits import MEGABYTE, Budget, Limits
from qks_cli.photos.opened import opened
from qks_cli.photos.pictures import open_picture
from tests.photos.made import LONG, SHORT, exif, gif_bomb, picture, png_bomb, saved


def needed(path: Path, side: int | None = None) -> int:
    with opened(path) as file:
        return open_picture(file, Limits(1e9), side=side).needed


def webp_bomb() -> bytes:
    """A canvas of 16,383² pixels around a small picture."""
    picture_chunk = saved(Image.new("RGB", (16, 16)), "WEBP")[12:]
    side = (16_382).to_bytes(3, "little")
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + side + side
    body = b"WEBP" + canvas + picture_chunk
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tile_bomb() -> bytes:
    """A picture of 16×16 pixels in one tile of 65,520²."""
    size = {256: (LONG, 16), 257: (LONG, 16), 322: (LONG, 65_520), 323: (LONG, 65_520)}
    kind = {258: (SHORT, 8), 259: (SHORT, 5), 262: (SHORT, 1), 277: (SHORT, 1)}
    return exif(size | kind | {324: (LONG, 8), 325: (LONG, 8)})


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.gif", gif_bomb),
        ("palette.png", lambda: png_bomb(17_000, 17_000, depth=8, colour=3)),
        ("deep.png", lambda: png_bomb(17_000, 17_000, depth=16, colour=0)),
        ("colours.png", lambda: png_bomb(12_000, 12_000, depth=8, colour=2)),
        ("a.webp", webp_bomb),
        ("tile.tif", tile_bomb),
    ],
)
def test_bombs_are_refused_by_their_headers(tmp_path: Path, name: str, make: object) -> None:
    path = tmp_path / name
    path.write_bytes(make())  # type: ignore[operator]
    assert path.stat().st_size < 2 * MEGABYTE
    began = time.monotonic()
    with pytest.raises(PhotoError) as caught:
        decode(path, "squash", np.zeros((32, 32, 3), np.uint8))
    assert caught.value.kind == "too-large"
    assert "more than the limit of 512 MB (--max-decoded-mb raises it)" in caught.value.reason
    assert time.monotonic() - began < 1


def test_what_decoding_takes_is_counted_by_mode(tmp_path: Path) -> None:
    sizes = {"1": 1, "L": 1, "I;16": 2, "P": 4, "RGB": 4, "RGBA": 4}
    for mode, each in sizes.items():
        deep = Image.fromarray(np.zeros((30, 40), np.uint16))
        image = deep if mode == "I;16" else picture(40, 30).convert(mode)
        image.save(tmp_path / "a.png")
        assert needed(tmp_path / "a.png") == 40 * 30 * each, mode


def test_a_jpeg_counts_as_it_is_decoded(tmp_path: Path) -> None:
    """At an eighth of its size each way; a progressive one keeps its coefficients all the same."""
    large = Image.new("RGB", (3200, 2400))
    large.save(tmp_path / "a.jpg", subsampling="4:2:0")
    assert needed(tmp_path / "a.jpg") == 3200 * 2400 * 4
    assert needed(tmp_path / "a.jpg", side=224) == 400 * 300 * 4
    large.save(tmp_path / "b.jpg", progressive=True, subsampling="4:2:0")
    assert needed(tmp_path / "b.jpg", side=224) == 400 * 300 * 4 + 3200 * 2400 * 3


def test_a_jpeg_whose_colours_come_one_after_the_other_keeps_them_all(tmp_path: Path) -> None:
    """Not marked progressive, it is held like one."""
    data = saved(Image.new("RGB", (3200, 2400)), "JPEG", subsampling="4:2:0")
    at = data.index(b"\xff\xda")
    one = data[:at] + b"\xff\xda\0\x08\1\1\0\0\x3f\0" + data[at + 14 :]
    (tmp_path / "a.jpg").write_bytes(one)
    assert needed(tmp_path / "a.jpg", side=224) == 400 * 300 * 4 + 3200 * 2400 * 3


def test_the_limit_can_be_raised(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(gif_bomb(1000))
    out = np.zeros((32, 32, 3), np.uint8)
    with pytest.raises(PhotoError):
        decode(tmp_path / "a.gif", "squash", out, limits=Limits(decoded_mb=2))
    assert decode(tmp_path / "a.gif", "squash", out, limits=Limits(decoded_mb=4)) == (1000, 1000)


def test_threads_share_one_budget() -> None:
    budget = Budget(10)
    held, most = 0, 0
    lock = threading.Lock()

    def take(megabytes: int) -> None:
        nonlocal held, most
        with budget.taken(megabytes * MEGABYTE):
            with lock:
                held += megabytes
                most = max(most, held)
            time.sleep(0.01)
            with lock:
                held -= megabytes

    threads = [threading.Thread(target=take, args=(n % 6 + 1,)) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 6 < most <= 10
    with budget.taken(50 * MEGABYTE):  # alone, it is let in: its own limit has let it pass
        pass
