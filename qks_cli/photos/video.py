"""Videos by FFmpeg (PyAV, an extra): a few key frames, one of each scene.

Only key frames are decoded: they need no other frame, and a seek leads from one to the next, so
that a long video costs no more than a short one. FFmpeg is handed an opened file and told its
format; it opens nothing else, and only the codecs of a list are run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
from PIL import Image

from qks_cli.photos.animations import sharpness
from qks_cli.photos.opened import PhotoFile
from qks_cli.photos.pictures import Notes
from qks_cli.types import Float32Array

CANDIDATES = 96  # key frames that are looked at, evenly over the video
MOMENTS = 8  # scenes at most, those most unlike each other, of which one frame each is kept
SECONDS = 15.0  # of looking: what was not looked at by then is left out
_SCENE = 0.10  # mean difference of colours, 0 to 1, from which on it is another scene
_BLANK = 0.02  # of the sharpest frame: what is less sharp is a fade or a closed lens
_GRID = (16, 9)  # fields of a frame whose colours are compared
_SMALL = 128  # pixels of the longer side of frames that are looked at
_PIXEL_BYTES = 14  # of a decoded frame, the few that a decoder holds, and its pixels in RGB
_MARGIN = 256  # pixels a side that FFmpeg reckons with beside a frame's own
_FORWARD = 4000  # packets that are read for one key frame where seeking does not lead to it
# What cameras, phones and editors write; of others FFmpeg's decoders are less looked after.
CODECS = frozenset(
    "h264 hevc av1 libdav1d vp8 vp9 mpeg4 mpeg2video mpeg1video mjpeg prores dnxhd h263 dvvideo "
    "msmpeg4v2 msmpeg4v3 wmv3 vc1 theora ffv1 huffyuv".split()
)


@dataclass(frozen=True, slots=True)
class _Looked:
    """A key frame that was looked at: its place in the stream's time, its colours [9, 16, 3] from 0
    to 1, and how sharp it is."""

    pts: int
    colours: Float32Array
    sharp: float


class VideoPicture:
    """A video: a picture of its longest scene, and one of each of its scenes."""

    drafted = True  # what is decoded may be smaller than what is stored

    def __init__(self, file: PhotoFile) -> None:
        """Raises ``OSError`` where FFmpeg cannot read it, or may not."""
        import av

        av.logging.set_level(None)
        self.file = file
        self.side: int | None = None
        self.looked_until: float | None = None  # seconds, where there was no time for the rest
        file.stream.seek(0)
        self._errors = (av.error.FFmpegError, OSError, ValueError)  # of what is damaged
        try:
            self._container: Any = av.open(
                file.stream,
                format=file.format.ffmpeg,
                metadata_errors="replace",
                io_open=_refuse,
                options={"protocol_whitelist": "none", "enable_drefs": "0"},
            )
        except av.error.FFmpegError as error:
            raise OSError((error.strerror or "its header makes no sense").lower()) from error
        streams = [
            one for one in self._container.streams.video if not one.disposition.value & _COVER
        ]
        if not streams:
            raise OSError("no picture found")
        self._stream: Any = streams[0]
        context = self._stream.codec_context
        codec = "an unknown codec" if context is None else context.name
        if codec not in CODECS:
            raise OSError(f"compressed by {codec}")
        self._base = Fraction(self._stream.time_base or 1)  # seconds
        self._size = (int(context.width), int(context.height))
        if min(self._size) < 1:
            raise OSError("its header makes no sense")
        width, height = (side + _MARGIN for side in self._size)
        context.options = {"max_pixels": str(2 * width * height)}
        context.thread_count = 1  # other videos are read meanwhile
        context.skip_frame = "NONKEY"

    @property
    def needed(self) -> int:
        """Bytes that decoding takes."""
        return self._size[0] * self._size[1] * _PIXEL_BYTES

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height, upright."""
        return self._size[::-1] if self._turn in (90, 270) else self._size

    @property
    def notes(self) -> Notes:
        """Videos have neither Exif nor an XMP packet that is read here."""
        return Notes()

    @property
    def duration(self) -> float | None:
        """Seconds; None where the file does not tell."""
        total = self._container.duration
        return total / 1e6 if total and 0 < total < 1e13 else None

    @cached_property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself, names in lower case; of the file first, then of the
        picture's stream."""
        both = (self._stream.metadata, self._container.metadata)
        return {str(name).lower(): str(value) for one in both for name, value in one.items()}

    @property
    def warning(self) -> str | None:
        """What was left out, once frames were looked at; None where nothing was."""
        if self.looked_until is None:
            return None
        return f"read, but only its first {self.looked_until:.0f} s: looking at it takes too long"

    def shrink_to(self, side: int) -> None:
        """Let frames be made at the smallest scale that still has ``side`` pixels each way."""
        self.side = side

    def load(self) -> Image.Image:
        """The frame that stands for the video, upright: the sharpest of its longest scene."""
        return self._frame(self._scenes[1])

    def moments(self) -> Iterator[tuple[float, Image.Image]]:
        """One frame of each scene, upright, in their order, with its second."""
        for pts in self._scenes[0]:
            yield self._seconds(pts), self._frame(pts)

    @cached_property
    def _turn(self) -> int:
        """Degrees, 0, 90, 180 or 270, that frames are turned counterclockwise to stand upright."""
        first = self._first
        return int(round(float(getattr(first, "rotation", 0) or 0) / 90) * 90) % 360

    @cached_property
    def _first(self) -> Any:
        """The first key frame."""
        frame = next(self._key_frames(), None)
        if frame is None:
            raise OSError("no picture found")
        return frame

    @cached_property
    def _scenes(self) -> tuple[list[int], int]:
        """The frames that are kept, and the one of them that stands for the video."""
        looked = [_look(frame) for frame in self._key_frames()]
        if not looked:
            raise OSError("no picture found")
        return scenes(looked)

    def _key_frames(self) -> Iterator[Any]:
        """Key frames, at least ``duration / CANDIDATES`` apart, as far as there is time."""
        ends = time.monotonic() + SECONDS
        base = float(self._base)
        start = self._stream.start_time or 0
        step = max(1, int((self.duration or 0.0) / CANDIDATES / base))
        self._rewind()
        wanted, seeking = start, False
        for _ in range(CANDIDATES):
            frame = self._next_key_frame(wanted, ends)
            if frame is None:
                return
            yield frame
            wanted = max(frame.pts, wanted) + step
            seeking = seeking or step * base > _SEEK_SECONDS
            if time.monotonic() > ends:
                self.looked_until = self._seconds(frame.pts)
                return
            if seeking and not self._seek(wanted):
                return

    def _next_key_frame(self, wanted: int, ends: float) -> Any:
        """The first key frame from a time on, of the packets that come; None after the last, and
        where the file is damaged from here on."""
        with suppress(*self._errors):
            for number, packet in enumerate(self._container.demux(self._stream)):
                if number > _FORWARD and time.monotonic() > ends:
                    return None
                if packet.size == 0 or not packet.is_keyframe:
                    continue
                if packet.pts is not None and packet.pts < wanted:
                    continue
                found = self._decoded(packet)
                self._stream.codec_context.flush_buffers()
                if found is not None and found.pts is not None:
                    return found
        return None

    def _decoded(self, packet: Any) -> Any:
        """The frame of one packet; None where it is damaged."""
        with suppress(*self._errors):
            frames = [*packet.decode(), *self._stream.codec_context.decode(None)]
            return frames[0] if frames else None
        return None

    def _frame(self, pts: int) -> Image.Image:
        """The key frame at a time that a key frame was at before, upright."""
        self._rewind()
        if pts > (self._stream.start_time or 0):
            self._seek(pts, backward=True)
        frame = self._next_key_frame(pts, time.monotonic() + SECONDS)
        return _image(self._first if frame is None else frame, self.side, self._turn)

    def _rewind(self) -> None:
        self._seek(self._stream.start_time or 0, backward=True)

    def _seek(self, pts: int, *, backward: bool = False) -> bool:
        with suppress(*self._errors):
            self._container.seek(pts, stream=self._stream, backward=backward)
            return True
        return False

    def _seconds(self, pts: int) -> float:
        start = self._stream.start_time or 0
        return max(0.0, round(float((pts - start) * self._base), 3))


_COVER = 0x0400  # AV_DISPOSITION_ATTACHED_PIC: the picture of an album
_SEEK_SECONDS = 2.0  # from where on seeking is quicker than reading on


def scenes(looked: Sequence[_Looked]) -> tuple[list[int], int]:
    """Of frames in their order, one of each scene, and the one of the longest."""
    sharpest = max(one.sharp for one in looked)
    shown = [one for one in looked if one.sharp >= _BLANK * sharpest] or list(looked)
    groups: list[list[_Looked]] = []
    for one in shown:
        if groups and _unlike(groups[-1][0], one) < _SCENE:
            groups[-1].append(one)
        else:
            groups.append([one])
    best = [max(group, key=lambda one: one.sharp) for group in groups]
    longest = max(range(len(groups)), key=lambda at: len(groups[at]))
    kept = _most_unlike(best, longest)
    return [one.pts for at, one in enumerate(best) if at in kept], best[longest].pts


def _most_unlike(frames: Sequence[_Looked], first: int) -> set[int]:
    """The numbers of ``MOMENTS`` frames, ``first`` among them: each time the one that is most
    unlike all that were taken before."""
    kept, gaps = {first}, [_unlike(frames[first], one) for one in frames]
    while len(kept) < min(MOMENTS, len(frames)):
        gaps = [-1.0 if at in kept else gap for at, gap in enumerate(gaps)]
        new = int(np.argmax(gaps))
        kept.add(new)
        gaps = [min(gap, _unlike(frames[new], frames[at])) for at, gap in enumerate(gaps)]
    return kept


def _unlike(one: _Looked, other: _Looked) -> float:
    return float(np.abs(one.colours - other.colours).mean())


def _look(frame: Any) -> _Looked:
    small = _image(frame, None, 0, longest=_SMALL)
    colours = np.array(small.resize(_GRID, Image.Resampling.BOX), np.float32)
    colours /= np.float32(255)
    return _Looked(int(frame.pts), colours, sharpness(small))


def _image(frame: Any, side: int | None, turn: int, *, longest: int = 0) -> Image.Image:
    """A frame in RGB, no side over ``longest``, or as small as still has ``side`` pixels each way;
    turned counterclockwise."""
    share = 1.0
    if longest:
        share = min(1.0, longest / max(frame.width, frame.height))
    elif side:
        share = min(1.0, side / min(frame.width, frame.height))
    size = [max(2, round(x * share)) for x in (frame.width, frame.height)]
    made = frame.reformat(*size, format="rgb24", interpolation="AREA")
    image = Image.fromarray(made.to_ndarray())
    turns = {
        90: Image.Transpose.ROTATE_90,
        180: Image.Transpose.ROTATE_180,
        270: Image.Transpose.ROTATE_270,
    }
    return image.transpose(turns[turn]) if turn in turns else image


def _refuse(*arguments: object, **more: object) -> NoReturn:
    raise OSError("a video that refers to other files")
