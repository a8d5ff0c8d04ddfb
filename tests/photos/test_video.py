"""Videos: which frames are looked at, what their containers say, and what is refused."""

from __future__ import annotations

import shutil
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qks_cli.errors import PhotoError
from qks_cli.photos.decode import decode
from qks_cli.photos.details import read_details, read_packet
from qks_cli.photos.limits import Limits
from qks_cli.photos.opened import opened
from qks_cli.photos.pictures import open_picture
from qks_cli.photos.readers import Readers
from qks_cli.photos.reading import Reading
from qks_cli.photos.video import MOMENTS, VideoPicture
from qks_cli.photos.walk import walk
from qks_cli.types import UInt8Array
from qks_cli.workflows.skipped import Skipped

pytest.importorskip("av")
from tests.photos.videos import fields, video

KINDS = {
    "a.mp4": "libx264",
    "a.mov": "mjpeg",
    "a.m4v": "mpeg4",
    "a.mkv": "libx265",
    "a.webm": "libvpx",
    "a.avi": "mpeg4",
    "a.3gp": "libx264",
}


def read(path: Path, side: int = 64, limits: Limits | None = None) -> tuple[Reading, UInt8Array]:
    out_SS3 = np.zeros((side, side, 3), np.uint8)
    with Readers(limits) as readers:
        return readers.read(path, "squash", out_SS3, moments=True), out_SS3


def difference(pixels_HW3: UInt8Array, picture: Image.Image) -> float:
    """The mean difference of colours, 0 to 255."""
    other = picture.resize(pixels_HW3.shape[1::-1], Image.Resampling.BICUBIC)
    return float(np.abs(pixels_HW3.astype(int) - np.asarray(other, int)).mean())


@pytest.mark.parametrize("name", KINDS)
def test_one_frame_of_each_scene(tmp_path: Path, name: str) -> None:
    pictures = [fields(seed) for seed in range(3)]
    scenes = [(pictures[0], 2.0), (pictures[1], 5.0), (pictures[2], 3.0)]
    path = video(tmp_path / name, scenes, codec=KINDS[name])
    reading, out_SS3 = read(path)
    assert reading.size == (320, 180)
    assert reading.details.duration == pytest.approx(10, abs=0.2)
    assert reading.warning is None
    frames = reading.frames
    assert frames is not None and len(frames.seconds) == 3
    for seconds, begin, end in zip(frames.seconds, (0, 2, 7), (2, 7, 10.1), strict=True):
        assert begin - 0.1 <= seconds < end
    for pixels_SS3, picture in zip(frames.pixels_KHW3, pictures, strict=True):
        assert difference(pixels_SS3, picture) < 20
    assert difference(out_SS3, pictures[1]) < 20  # the longest scene stands for all


def test_a_suffix_may_lie(tmp_path: Path) -> None:
    made = video(tmp_path / "a.mkv", [(fields(1), 2.0)])
    shutil.move(made, tmp_path / "a.jpg")
    assert read(tmp_path / "a.jpg")[0].size == (320, 180)


def test_quicktime_from_before_brands(tmp_path: Path) -> None:
    data = video(tmp_path / "a.mov", [(fields(1), 2.0)], codec="mjpeg").read_bytes()
    assert data[4:8] == b"ftyp"
    at = int.from_bytes(data[:4], "big")
    (tmp_path / "old.mov").write_bytes(b"\0\0\0\x08wide".ljust(at, b"\0")[:8] + data[at:])
    with opened(tmp_path / "old.mov") as file:
        assert file.format.name == "MP4"


def test_many_scenes_are_few_moments(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", [(fields(seed), 1.0) for seed in range(20)])
    frames = read(path)[0].frames
    assert frames is not None and len(frames.seconds) == MOMENTS
    assert list(frames.seconds) == sorted(set(frames.seconds))


def test_scenes_that_come_again_take_no_place_of_others(tmp_path: Path) -> None:
    often, once = [fields(1), fields(2)], [fields(seed) for seed in range(3, 9)]
    scenes = [(one, 1.0) for picture in once for one in (*often, picture)]
    frames = read(video(tmp_path / "a.mp4", scenes))[0].frames
    assert frames is not None and len(frames.seconds) == MOMENTS
    for picture in (*often, *once):
        assert min(difference(one, picture) for one in frames.pixels_KHW3) < 20


def test_blank_frames_are_left_out(tmp_path: Path) -> None:
    black = Image.new("RGB", (320, 180))
    path = video(tmp_path / "a.mp4", [(black, 4.0), (fields(1), 1.0), (black, 4.0)])
    frames = read(path)[0].frames
    assert frames is not None and len(frames.seconds) == 1
    assert difference(frames.pixels_KHW3[0], fields(1)) < 20
    path = video(tmp_path / "b.mp4", [(black, 2.0)])  # where nothing else is there
    assert read(path)[0].frames is not None


def test_long_videos_are_sought_through(tmp_path: Path) -> None:
    scenes = [(fields(seed, (64, 48)), 100.0) for seed in range(4)]
    path = video(tmp_path / "a.mp4", scenes, gop=20)
    start = time.process_time()
    with opened(path) as file:
        picture = open_picture(file, Limits(), side=32)
        assert isinstance(picture, VideoPicture)
        found = [seconds for seconds, _ in picture.moments()]
    assert time.process_time() - start < 5
    assert [int(seconds // 100) for seconds in found] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("rotation", "size"), [(-90, (180, 320)), (90, (180, 320)), (180, (320, 180))]
)
def test_frames_come_upright(tmp_path: Path, rotation: int, size: tuple[int, int]) -> None:
    path = video(tmp_path / "a.mp4", [(fields(1), 2.0)], rotation=rotation)
    reading, out_SS3 = read(path)
    assert reading.size == size
    assert difference(out_SS3, fields(1).rotate(rotation, expand=True)) < 20
    assert reading.frames is not None
    assert difference(reading.frames.pixels_KHW3[0], fields(1).rotate(rotation, expand=True)) < 20


def test_what_containers_note(tmp_path: Path) -> None:
    noted = {
        "com.apple.quicktime.creationdate": "2023-07-04T12:30:00+0200",
        "com.apple.quicktime.make": "Apple",
        "com.apple.quicktime.model": "iPhone 14",
        "com.apple.quicktime.location.ISO6709": "+48.2082+016.3738+171.000/",
    }
    details = read_details(video(tmp_path / "a.mov", [(fields(1), 1.0)], metadata=noted))
    assert (details.taken_at, details.taken_offset) == ("2023-07-04T12:30:00", "+02:00")
    assert (details.camera, details.taken_from) == ("Apple iPhone 14", "video")
    assert (details.latitude, details.longitude) == (48.2082, 16.3738)
    assert details.duration == pytest.approx(1, abs=0.2)
    noted = {"creation_time": "2022-01-21T10:15:30.000000Z", "location": "-33.86+151.21/"}
    details = read_details(video(tmp_path / "b.mp4", [(fields(1), 1.0)], metadata=noted))
    assert (details.taken_at, details.taken_offset) == ("2022-01-21T10:15:30", "+00:00")
    assert (details.latitude, details.longitude) == (-33.86, 151.21)
    assert read_packet(tmp_path / "b.mp4") == b""


def test_what_makes_no_sense_is_left_out(tmp_path: Path) -> None:
    noted = {"creation_time": "1904-01-01T00:00:00Z", "location": "+91.0+200.0/", "make": "\x1b[2J"}
    path = video(tmp_path / "VID_20220121_101530.mp4", [(fields(1), 1.0)], metadata=noted)
    details = read_details(path)
    assert (details.taken_at, details.taken_from) == ("2022-01-21T10:15:30", "name")
    assert (details.latitude, details.longitude) == (None, None)
    assert details.camera is None or "\x1b" not in details.camera


def refusal(path: Path, limits: Limits | None = None) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        read(path, limits=limits)
    return caught.value


def test_damaged_videos_are_one_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    out_SS3 = np.zeros((32, 32, 3), np.uint8)
    with Readers() as readers:
        for name in ("a.mp4", "a.mkv", "a.avi"):
            data = video(tmp_path / name, [(fields(1), 3.0)], codec="mpeg4").read_bytes()
            for number in range(6):
                cut = bytearray(data[: len(data) * (number + 1) // 6])
                for at in rng.integers(16, len(cut), 20 * (number % 3)):
                    cut[at] = int(rng.integers(256))
                (tmp_path / f"{number}{name}").write_bytes(cut)
                try:
                    readers.read(tmp_path / f"{number}{name}", "squash", out_SS3, moments=True)
                except PhotoError as error:
                    assert "\n" not in error.reason and error.kind != "too-slow"


def test_what_is_whole_before_the_damage_is_looked_at(tmp_path: Path) -> None:
    scenes = [(fields(1), 2.0), (fields(2), 2.0), (fields(3), 2.0)]
    data = bytearray(video(tmp_path / "a.mkv", scenes, codec="mjpeg").read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    (tmp_path / "a.mkv").write_bytes(data)
    frames = read(tmp_path / "a.mkv")[0].frames
    assert frames is not None and difference(frames.pixels_KHW3[0], fields(1)) < 20


def test_a_codec_that_nobody_knows(tmp_path: Path) -> None:
    data = video(tmp_path / "a.mp4", [(fields(1), 1.0)]).read_bytes()
    (tmp_path / "a.mp4").write_bytes(data.replace(b"avc1", b"zzzz").replace(b"avcC", b"zzzC"))
    error = refusal(tmp_path / "a.mp4")
    assert (error.kind, "NoneType" in error.reason) == ("unsupported", False)


def test_a_video_without_pictures(tmp_path: Path) -> None:
    head = b"\0\0\0\x18ftypisom\0\0\0\0isommp42"
    (tmp_path / "a.mp4").write_bytes(head + b"\0\0\0\x08moov")
    assert refusal(tmp_path / "a.mp4").kind in ("unsupported", "corrupt", "truncated")


def test_frames_that_are_too_large_are_refused_unread(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", [(fields(1, (640, 480)), 1.0)])
    error = refusal(path, Limits(decoded_mb=2))
    assert error.kind == "too-large" and "--max-decoded-mb" in error.reason


def test_other_codecs_are_not_run(tmp_path: Path) -> None:
    path = video(tmp_path / "a.avi", [(fields(1), 1.0)], codec="flv")
    error = refusal(path)
    assert error.kind == "unsupported" and "flv" in error.reason
    assert "apt-get install ffmpeg" in error.reason


def test_nothing_else_is_opened_by_a_video(tmp_path: Path) -> None:
    """A QuickTime file whose data lies in another one: FFmpeg follows such references when asked
    to."""
    made = video(tmp_path / "a.mov", [(fields(1), 1.0)], codec="mjpeg")
    secret = tmp_path / "secret.mov"
    shutil.copy(made, secret)
    data = bytearray(made.read_bytes())
    at = data.index(b"url \0\0\0\1")
    alias = b"alis" + b"\0\0\0\0"
    data[at : at + 8] = alias  # refers to a file, no longer to itself
    made.write_bytes(data)
    error = refusal(made) if not _reads(made) else None
    assert error is None or error.kind in ("unsupported", "corrupt", "truncated")


def _reads(path: Path) -> bool:
    try:
        read(path)
    except PhotoError:
        return False
    return True


def test_playlists_are_no_videos(tmp_path: Path) -> None:
    for text in (b"#EXTM3U\n/etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n"):
        (tmp_path / "a.mp4").write_bytes(text)
        assert refusal(tmp_path / "a.mp4").kind == "unsupported"


def test_what_there_was_no_time_for_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qks_cli.photos.reading import read as read_here

    monkeypatch.setattr("qks_cli.photos.video.SECONDS", -1.0)
    path = video(tmp_path / "a.mp4", [(fields(1), 3.0), (fields(2), 3.0)])
    out_SS3 = np.zeros((32, 32, 3), np.uint8)
    reading = read_here(path, "squash", out_SS3, Limits(), moments=True)
    assert reading.frames is not None and reading.frames.seconds == (0.0,)
    assert reading.warning is not None and "only its first 0 s" in reading.warning


def test_audio_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(struct.pack(">I", 24) + b"ftypM4A \0\0\0\0isommp42")
    error = refusal(tmp_path / "a.mp4")
    assert error.kind == "unsupported" and "audio" in error.reason


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = video(tmp_path / "a.mp4", [(fields(1), 1.0)])
    (tmp_path / "b.mts").write_bytes(b"G")
    monkeypatch.setattr("qks_cli.photos.walk.videos_readable", lambda: False)
    monkeypatch.setattr("qks_cli.photos.pictures.videos_readable", lambda: False)
    skipped = Skipped()
    assert list(walk([tmp_path], on_skip=skipped.add)) == []
    assert skipped.line().startswith(
        "skipped, not photos that qks reads: 1 video (.mp4), 1 video of another kind (.mts); "
        "to read videos, run where qks came from: pip install '.[video]'; "
    )
    with pytest.raises(PhotoError, match=r"pip install '\.\[video\]'"):
        decode(path, "squash", np.zeros((8, 8, 3), np.uint8))


def test_with_the_extra_they_are_walked(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.MOV", "c.mts"):
        (tmp_path / name).write_bytes(b"x")
    skipped = Skipped()
    found = [photo.path.name for photo in walk([tmp_path], on_skip=skipped.add)]
    assert found == ["a.mp4", "b.MOV"]
    line = "skipped, not photos that qks reads: 1 video of another kind (.mts); `ffmpeg"
    assert skipped.line().startswith(line)


def test_what_is_advised_for_other_videos_makes_them_readable(tmp_path: Path) -> None:
    """As `ffmpeg -i a.mts -c copy a.mkv` does it: another container around the same packets."""
    import av

    path = video(tmp_path / "a.mts", [(fields(1), 1.0), (fields(2), 1.0)])
    with pytest.raises(PhotoError):
        decode(path, "squash", np.zeros((8, 8, 3), np.uint8))
    with av.open(str(path)) as source, av.open(str(tmp_path / "a.mkv"), "w") as target:
        copy = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    assert decode(tmp_path / "a.mkv", "squash", np.zeros((8, 8, 3), np.uint8)) == (320, 180)


def test_a_video_has_no_pixels_to_be_the_same(tmp_path: Path) -> None:
    from qks_cli.photos.digests import digest_pixels

    path = video(tmp_path / "a.mp4", [(fields(1), 1.0)])
    with pytest.raises(PhotoError, match="no pixels"):
        digest_pixels(path, Limits())
