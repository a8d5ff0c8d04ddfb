"""How long a video takes to be looked at: its key frames, and all that a run reads of it.

    python benchmarks/video.py [--minutes 10] [--keep FOLDER] [VIDEO …]

Without videos it makes some: three example photos panned over for a minute (--unit), the same
minute again and again, 1080p at 30 frames a second with a key frame every second, and grain. Each
is timed here, and in a process of its own as `qks tag` reads it, with the file in the system's
cache; processor time in all.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from qks_cli.photos.limits import Limits
from qks_cli.photos.opened import opened
from qks_cli.photos.pictures import open_picture
from qks_cli.photos.readers import Readers

ROOT = Path(__file__).parent.parent
SIZE, RATE, SCENES = (1920, 1080), 30, 3
KINDS = {"h264.mp4": "libx264", "h264.mkv": "libx264", "hevc.mp4": "libx265", "mpeg4.avi": "mpeg4"}


def frames(seconds: int) -> Iterator[av.VideoFrame]:
    """The frames of the video, in YUV."""
    rng = np.random.default_rng(0)
    photos = sorted((ROOT / "examples" / "photos").glob("*.jpg"))
    total = seconds * RATE
    scene = total // SCENES
    for start in range(0, total, scene):
        with Image.open(photos[start // scene % len(photos)], formats=("JPEG",)) as photo:
            wide = np.asarray(photo.convert("RGB").resize((SIZE[0] + 600, SIZE[1])))
        grain = rng.integers(0, 6, (SIZE[1], SIZE[0] + 600, 1), np.uint8)
        wide = np.where(wide > 249, wide, wide + grain)
        for number in range(start, min(total, start + scene)):
            left = number - start
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(wide[:, left : left + SIZE[0]]), format="rgb24"
            )
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            yield frame


def make(path: Path, codec: str, minutes: int, unit: int) -> None:
    """Write one video: ``unit`` seconds that are encoded, copied as often as it takes."""
    one = path.with_name(f"one {path.name}")
    encode(one, codec, unit)
    with av.open(str(path), "w") as container:
        copy = None
        for number in range(minutes * 60 // unit):
            with av.open(str(one)) as source:
                stream = source.streams.video[0]
                copy = copy or container.add_stream_from_template(stream)
                for packet in source.demux(stream):
                    if packet.dts is not None and packet.pts is not None:
                        shift = int(number * unit / stream.time_base)
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = copy
                        container.mux(packet)
    one.unlink()


def encode(path: Path, codec: str, seconds: int) -> None:
    """Write one video, all of it encoded."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = RATE
        stream.codec_context.bit_rate = 12_000_000
        if codec.startswith("libx26"):
            stream.options = {"preset": "ultrafast", "x265-params": "log-level=error"}
        for frame in frames(seconds):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def children() -> float:
    """Processor time of processes that were started here and have ended, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(path: Path) -> None:
    """Print what one video takes."""
    start, begun = time.perf_counter(), time.process_time()
    with opened(path) as file:
        picture = open_picture(file, Limits(), side=224)
        duration = picture.duration or 0  # type: ignore[attr-defined]
        seconds = [second for second, _ in picture.moments()]  # type: ignore[attr-defined]
    alone = time.perf_counter() - start
    used = time.process_time() - begun
    out_SS3 = np.empty((224, 224, 3), np.uint8)
    before = children()
    with Readers() as readers:
        readers.read(ROOT / "examples" / "photos" / "cat.jpg", "squash", out_SS3)
        start = time.perf_counter()
        readers.read(path, "squash", out_SS3, moments=True)
        whole = time.perf_counter() - start
    theirs = children() - before
    size = path.stat().st_size / 1e6
    print(
        f"{path.name}: {size:,.0f} MB, {duration / 60:.1f} minutes, {len(seconds)} moments;",
        end=" ",
    )
    print(
        f"{alone:.2f} s ({used:.2f} s of one processor); as a run reads it {whole:.2f} s "
        f"({theirs:.2f} s with the start of its process)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--unit", type=int, default=60, help="seconds that are encoded")
    parser.add_argument("--keep", type=Path, help="folder for the videos")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS))
    parser.add_argument("videos", nargs="*", type=Path)
    given = parser.parse_args()
    for path in given.videos:
        measure(path)
    if given.videos:
        return
    with tempfile.TemporaryDirectory() as temporary:
        for name in given.kinds:
            path = (given.keep or Path(temporary)) / name
            make(path, KINDS[name], given.minutes, given.unit)
            measure(path)


if __name__ == "__main__":
    main()
