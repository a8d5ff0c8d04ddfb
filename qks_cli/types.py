"""The values that packages hand to each other, from paths to tags.

Axes: B photos of a batch, K frames of a video, H×W pixels, 3 colours, M query tokens,
E label space, C labels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

UInt8Array: TypeAlias = npt.NDArray[np.uint8]
Float16Array: TypeAlias = npt.NDArray[np.float16]
Float32Array: TypeAlias = npt.NDArray[np.float32]
IntArray: TypeAlias = npt.NDArray[np.intp]
Int64Array: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


class Photo:
    """A file as the walk found it, immutable. ``path`` is absolute and leads through no link;
    undecodable names keep surrogates. ``size`` is in bytes, ``hard_links`` the names that it has on
    its disk. ``found_as`` is the path that led to it, where that is another one.

    ``text`` is the path as text. A ``Path`` takes longer to make and to compare than all the rest
    of a photo that has not changed, so it is made when it is first asked for."""

    __slots__ = ("_path", "found_as", "hard_links", "mtime_ns", "size", "text")

    def __init__(
        self,
        path: Path | str,
        size: int,
        mtime_ns: int,
        hard_links: int = 1,
        found_as: Path | None = None,
    ) -> None:
        self._path = None if isinstance(path, str) else path
        self.text = str(path)
        self.size = size
        self.mtime_ns = mtime_ns
        self.hard_links = hard_links
        self.found_as = found_as

    @property
    def path(self) -> Path:
        """Where it is."""
        if self._path is None:
            self._path = Path(self.text)
        return self._path

    def at(self, path: Path) -> Photo:
        """The same file under another path."""
        return Photo(path, self.size, self.mtime_ns, self.hard_links, self.found_as)

    def _values(self) -> tuple[object, ...]:
        return self.text, self.size, self.mtime_ns, self.hard_links, self.found_as

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Photo) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        return f"Photo({', '.join(map(repr, self._values()))})"


@dataclass(frozen=True, slots=True)
class PhotoFailure:
    """A photo that could not be read. ``kind`` as in ``PhotoError``."""

    photo: Photo
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Details:
    """What a camera and its owner noted; None where nothing is known.

    ``taken_at`` is ISO 8601 by the camera's clock, ``taken_from`` where it stands (exif, xmp, iptc,
    png, gps; video: its container; name: only the file's name tells it), ``taken_offset`` that
    clock's zone (``+02:00``). ``exposure`` is in seconds, ``focal`` in mm, ``latitude`` and
    ``longitude`` in degrees (south and west negative), ``rating`` -1 to 5, ``duration`` the seconds
    of a video.
    """

    taken_at: str | None = None
    camera: str | None = None
    lens: str | None = None
    iso: int | None = None
    aperture: float | None = None
    exposure: float | None = None
    focal: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    rating: int | None = None
    taken_from: str | None = None
    taken_offset: str | None = None
    duration: float | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a photo was taken, in words; '' where nothing is known. ``code`` is ISO 3166-1's, two
    letters."""

    name: str = ""
    county: str = ""
    region: str = ""
    country: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Frames:
    """One frame of each scene of a video, in their order: ``seconds`` from its beginning, upright
    sRGB pixels."""

    seconds: tuple[float, ...]
    pixels_KHW3: UInt8Array


@dataclass(slots=True)
class DecodedBatch:
    """Upright sRGB pixels. ``pixels_BHW3`` is a view of a reused buffer: valid until the next
    batch is asked for. Row i belongs to ``photos[i]``."""

    photos: list[Photo]
    pixels_BHW3: UInt8Array
    sizes: list[tuple[int, int]] = field(default_factory=list)  # upright (width, height)
    fingerprints: list[bytes | None] = field(default_factory=list)
    details: list[Details] = field(default_factory=list)
    frames: list[Frames | None] = field(default_factory=list)  # of videos
    failures: list[PhotoFailure] = field(default_factory=list)
    warnings: list[tuple[Photo, str]] = field(default_factory=list)  # read all the same


@dataclass(frozen=True, slots=True)
class Tag:
    """A label that a photo earned.

    ``score`` is calibrated, 0 to 1. ``token`` is the query token that won (the label's
    evidence), -1 where the tag was ``implied`` by a child label rather than seen. ``seconds`` are
    those of a video's moments in which it is seen.
    """

    label: str
    score: float
    token: int
    implied: bool = False
    seconds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame of a video: its second, its tags (best first), the query tokens that they were read
    from."""

    seconds: float
    tags: tuple[Tag, ...]
    tokens_ME: Float32Array


@dataclass(frozen=True, slots=True)
class TaggedPhoto:
    """A photo with its tags (best first) and the query tokens that they were read from."""

    photo: Photo
    tags: tuple[Tag, ...]
    tokens_ME: Float32Array | Float16Array
    size: tuple[int, int] | None = None  # upright (width, height)
    fingerprint: bytes | None = None  # photos/fingerprint.py
    details: Details | None = None
    moments: tuple[Moment, ...] = ()  # of a video


class StackRole(StrEnum):
    """What a file is in a stack: a photo as the camera made it, one shot of a burst, an edited or
    converted copy, the raw file of a photo, the video of a live photo, or joined by the user."""

    photo = "photo"
    burst = "burst"
    edited = "edited"
    raw = "raw"
    live = "live"
    joined = "joined"


@dataclass(frozen=True, slots=True)
class StackMember:
    """A file of a stack, by its id. ``lead`` is the photo whose tags a raw file or a live photo's
    video shares."""

    id: int
    role: StackRole
    lead: int | None = None
