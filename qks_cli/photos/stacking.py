"""Which files of a folder are one stack: a rule over names, sizes, dates and cameras, no pixels.

A shot is what a camera made at one moment: a photo, its raw file, its video where it is a live
photo. Edited and converted copies join their shot, shots of one burst join each other. What is not
sure stays apart: two photos wrongly taken for one are worse than two that are listed beside each
other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, pairwise

from qks_cli.folding import fold
from qks_cli.photos.suffixes import KINDS, RAW
from qks_cli.types import StackMember, StackRole

LARGEST_LIVE = 20_000_000  # bytes of a live photo's video, which lasts three seconds
LEAST_BURST = 3  # shots; two within a second may be two photos
MOST_BURST = 200  # shots; more at that pace is a time lapse, or dates that are not real
GAP = 1.0  # seconds from shot to shot, of cameras that note whole seconds
MOST_PER_SECOND = 20  # more than that in one second, and a program wrote the date
DAY = 86400.0
_LIVE_VIDEOS = frozenset({".mov", ".mp4"})
_LIVE_PHOTOS = (".heic", ".heif", ".hif", ".jpg", ".jpeg")  # originals first
EXPORTS = "darktable_exported"  # the folder beside the originals that darktable exports into

# How programs name what they made of a photo. Google's words are those of Takeout archives.
_WORDS = (
    r"edited|edit|effects|bearbeitet|modifi\w|modificato|ha editado|editat|bewerkt|edytowane|"
    r"編集済み|enhanced(?:-nr|-sr|-rd)*|(?:(?:"
    + "|".join(x[1:] for x in sorted(RAW))
    + r")_)?dxo(?:[-_]\w{1,40})?"
)
_EDITED = re.compile(
    rf"(?:[-_ ](?:{_WORDS})|\s*\((?:{_WORDS})\)|(?<=\d)~\d\d?)(?:[-_ ]?\(?\d\d?\)?)?$"
)
_EDITS = 3  # of edits
_EDITED_BY_APPLE = re.compile(r"(?P<base>img_)e(?P<number>\d{4,})")
_DEVELOPED = re.compile(rf"(?P<base>.+)[._](?:{'|'.join(x[1:] for x in sorted(RAW))})")
# So are other shots named: dates have to say the rest. Not after a time, where cameras count
# the shots of one second.
_NUMBERED = re.compile(r"(?P<base>.*?(?<!\d{6}))(?:[-_]\d\d?|[-_ ]copy(?:[-_ ]\d\d?)?| \(\d\d?\))")
_PIXEL = re.compile(r"\.raw-\d\d(?:\.mp)?\.(?:cover|original)$")  # raw and jpeg of one shot
_BURST = re.compile(r"(?P<before>.*?)(?:^|[._-])burst[-_]?(?P<number>\d+)")
_PARTS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be of a stack. ``size`` is in bytes, ``taken_at`` ISO 8601 by the camera's
    clock; ``exposed`` where a camera noted that date and an exposure time (a scanner does not)."""

    id: int
    folder: str
    name: str
    size: int = 0
    taken_at: str | None = None
    camera: str | None = None
    exposed: bool = False
    rating: int | None = None


@dataclass(slots=True)
class _File:
    """A candidate with what its name says."""

    of: Candidate
    kind: str  # photo, raw or video
    stem: str  # folded
    suffix: str
    lead: _File | None = None  # the photo that this raw file or video was made with
    original: _File | None = None  # the photo that this is a copy of

    @property
    def order(self) -> tuple[object, ...]:
        """Of one stem, the file that a camera made first; DNGs are often made of other raws."""
        known = _LIVE_PHOTOS.index(self.suffix) if self.suffix in _LIVE_PHOTOS else 9
        return known, self.suffix == ".dng", self.of.folder, self.of.name


@dataclass(slots=True)
class _Shot:
    """One moment: its own photo or raw file, and what goes with it."""

    first: _File
    companions: list[_File] = field(default_factory=list)
    edits: list[_File] = field(default_factory=list)
    at: float | None = None  # seconds since 1970 by the camera's clock, where it can be relied on


def stacks(candidates: Iterable[Candidate]) -> list[list[StackMember]]:
    """The stacks among these files, each with its main photo first; files that stand alone are left
    out. The order of ``candidates`` changes nothing.

    The main photo is the one with the highest rating, then the edited copy, the latest by name,
    then the camera's own photo, of a burst the first one; never a raw file or a video beside a
    photo."""
    found = []
    ordered = sorted(candidates, key=lambda x: (home_of(x.folder), x.folder, x.name, x.id))
    for _, own in groupby(ordered, key=lambda x: home_of(x.folder)):
        shots = _shots(own)
        for group in _bursts(shots):
            members = _members(group)
            if len(members) > 1:
                found.append(members)
    return found


def leads(candidates: Iterable[Candidate]) -> dict[int, int]:
    """The photo that each raw file and each live photo's video goes with, by id."""
    files = _files(candidates)
    _find_leads(files)
    return {x.of.id: x.lead.of.id for x in files if x.lead is not None}


def live_photos(video: str) -> list[str]:
    """Names, in lower case, that a live photo may have whose video is called so; none where that
    is no such video's name."""
    stem, dot, suffix = video.lower().rpartition(".")
    if dot + suffix not in _LIVE_VIDEOS or not stem:
        return []
    bare = stem.rpartition(".")[0] if stem.endswith(_LIVE_PHOTOS) else stem
    return [bare + one for one in _LIVE_PHOTOS]


def photos_beside(companion: str) -> list[str]:
    """Names that the photo may have whose raw file or video is called so."""
    stem = companion.rpartition(".")[0]
    if stem.lower().endswith(_LIVE_PHOTOS):
        return [stem]
    return [stem + form(one) for one in _LIVE_PHOTOS for form in (str.lower, str.upper)]


def could_be_one(one: Candidate, other: Candidate) -> bool:
    """Whether nothing that cameras noted speaks against two files being of one moment."""
    if one.camera and other.camera and fold(one.camera) != fold(other.camera):
        return False
    if one.taken_at and other.taken_at and one.taken_at != other.taken_at:
        # Clocks are put right by hours, afterwards and in one of the files alone.
        return abs(_seconds(one.taken_at) - _seconds(other.taken_at)) <= DAY
    return True


def home_of(folder: str) -> str:
    """The folder that a folder's photos are stacked with: its own, but where a program keeps its
    exports in a folder beside the originals."""
    parent, slash, name = folder.rpartition("/")
    return parent if slash and name.lower() == EXPORTS else folder


def _files(candidates: Iterable[Candidate]) -> list[_File]:
    found = []
    for one in candidates:
        stem, dot, suffix = fold(one.name).rpartition(".")
        suffix = dot + suffix
        kind = KINDS.get(suffix, "other") if stem else "other"
        if kind in ("photo", "jxl", "raw", "video"):
            if kind == "video" and (suffix not in _LIVE_VIDEOS or one.size > LARGEST_LIVE):
                continue
            if ".raw-" in stem:
                stem = _PIXEL.sub("", stem)
            found.append(_File(one, "photo" if kind == "jxl" else kind, stem, suffix))
    return found


def _find_leads(files: Sequence[_File]) -> None:
    """Set the ``lead`` of raw files and videos."""
    photos: dict[tuple[str, str], list[_File]] = {}
    raws: dict[tuple[str, str], list[_File]] = {}
    for one in files:
        if one.kind != "video":
            (raws if one.kind == "raw" else photos).setdefault(
                (one.of.folder, one.stem), []
            ).append(one)
    for one in files:
        key = (one.of.folder, one.stem)
        if one.kind == "raw":
            # A DNG that was made of another raw file goes with that one.
            others = [x for x in raws[key] if x.order < one.order] if len(raws[key]) > 1 else []
            one.lead = _first_of(one, photos.get(key, []) or others)
        elif one.kind == "video":
            if one.stem.endswith(_LIVE_PHOTOS):  # IMG_1.HEIC.MOV
                key = (one.of.folder, one.stem.rpartition(".")[0])
            live = [x for x in photos.get(key, []) if x.suffix in _LIVE_PHOTOS]
            one.lead = _first_of(one, live)


def _first_of(one: _File, others: Sequence[_File]) -> _File | None:
    fitting = [x for x in others if could_be_one(one.of, x.of)]
    return min(fitting, key=lambda x: x.order) if fitting else None


def _shots(candidates: Iterable[Candidate]) -> list[_Shot]:
    """The shots of one folder."""
    files = _files(candidates)
    _find_leads(files)
    _find_originals([x for x in files if x.kind != "video" and (x.kind == "photo" or not x.lead)])
    shots = {x.of.id: _Shot(x) for x in files if not x.lead and not x.original}
    for one in files:
        if one.lead or one.original:
            above = one
            while (next_one := above.lead or above.original) is not None:
                above = next_one
            shot = shots[above.of.id]
            (shot.companions if one.lead else shot.edits).append(one)
    for shot in shots.values():
        of = shot.first.of
        if of.exposed and of.camera and of.taken_at and shot.first.kind != "video":
            # Midnight to the second is what programs write where the day alone is known.
            shot.at = None if of.taken_at.endswith("T00:00:00") else _seconds(of.taken_at)
    return list(shots.values())


def _find_originals(files: Sequence[_File]) -> None:
    """Set the ``original`` of copies: edited, developed or converted ones."""
    by_stem: dict[str, list[_File]] = {}
    for one in files:
        by_stem.setdefault(one.stem, []).append(one)
    for one in files:
        at_home = one.of.folder == home_of(one.of.folder)
        sure, perhaps = _bases(one.stem)
        if not at_home:
            sure.append(one.stem)
        same = [x for x in by_stem[one.stem] if x.order < one.order] if at_home else []
        found = [
            x
            for base in sure
            for x in by_stem.get(base, ())
            if x is not one and x.of.folder == home_of(x.of.folder) and could_be_one(one.of, x.of)
        ] or [
            x
            for x in [*same, *(x for base in perhaps for x in by_stem.get(base, ()))]
            if x is not one and x.of.folder == home_of(x.of.folder) and _same_moment(one.of, x.of)
        ]
        if found:
            one.original = min(found, key=lambda x: x.order)


def _bases(stem: str) -> tuple[list[str], list[str]]:
    """Stems that a copy's original may have: those that its name makes sure, and others."""
    sure, perhaps = [], []
    if found := _EDITED_BY_APPLE.fullmatch(stem):
        sure.append(found["base"] + found["number"])
    base = stem
    for _ in range(_EDITS):
        if not (found := _EDITED.search(base)):
            break
        base = base[: found.start()]
        sure.append(base)
    if found := _DEVELOPED.fullmatch(stem):
        sure.append(found["base"])
    if found := _NUMBERED.fullmatch(stem):
        perhaps.append(found["base"])
    return sure, perhaps


def _same_moment(one: Candidate, other: Candidate) -> bool:
    """Whether one camera noted the same second for both."""
    return bool(
        one.taken_at
        and one.camera
        and one.taken_at == other.taken_at
        and other.camera
        and fold(one.camera) == fold(other.camera)
    )


def _bursts(shots: Sequence[_Shot]) -> list[list[_Shot]]:
    """Shots by burst; most are alone."""
    named: dict[str, list[_Shot]] = {}
    alone, timed = [], []
    for shot in shots:
        key = _burst_named(shot.first.stem)
        if key:
            named.setdefault(key, []).append(shot)
        elif shot.at is not None:
            timed.append(shot)
        else:
            alone.append(shot)
    groups = [*named.values(), *([one] for one in alone)]
    timed.sort(key=lambda x: (fold(x.first.of.camera or ""), x.at or 0, _natural(x.first.of.name)))
    run: list[_Shot] = []
    for shot in timed:
        if run and not _follows(run[-1], shot):
            groups += _as_burst(run)
            run = []
        run.append(shot)
    return groups + _as_burst(run)


def _burst_named(stem: str) -> str:
    """What the shots of one burst share in their names; '' where a name tells of none."""
    found = _BURST.match(stem) if "burst" in stem else None
    if found is None:
        return ""
    if len(found["number"]) >= 14:  # the time at which it began
        return found["number"]
    return found["before"] if found["before"][-6:].isdigit() else ""


def _follows(one: _Shot, other: _Shot) -> bool:
    same = fold(one.first.of.camera or "") == fold(other.first.of.camera or "")
    return same and (other.at or 0) - (one.at or 0) <= GAP


def _as_burst(run: Sequence[_Shot]) -> list[list[_Shot]]:
    """Shots that follow each other closely as one burst, or each alone where that is none."""
    often = any(
        (later.at or 0) - (one.at or 0) < 1
        for one, later in zip(run, run[MOST_PER_SECOND:], strict=False)
    )
    # One a second, on and on, is an interval timer.
    steady = len(run) > 5 and all((y.at or 0) - (x.at or 0) == GAP for x, y in pairwise(run))
    if LEAST_BURST <= len(run) <= MOST_BURST and not often and not steady:
        return [list(run)]
    return [[one] for one in run]


def _members(shots: Sequence[_Shot]) -> list[StackMember]:
    """The members of one stack in their order."""
    found = []
    for shot in sorted(shots, key=_shot_order):
        edits = sorted(shot.edits, key=lambda x: _natural(x.stem), reverse=True)
        edits.sort(key=lambda x: x.kind == "raw")
        own = StackRole.burst if len(shots) > 1 else StackRole.photo
        photo = [StackMember(shot.first.of.id, own)]
        copies = [StackMember(x.of.id, StackRole.edited) for x in edits]
        viewable = [x for x in edits if x.kind == "photo"]
        found += [*copies, *photo] if viewable or shot.first.kind == "raw" else [*photo, *copies]
        for one in sorted(shot.companions, key=lambda x: (x.kind == "video", x.order)):
            role = StackRole.live if one.kind == "video" else StackRole.raw
            lead = one.lead.of.id if one.lead else None
            found.append(StackMember(one.of.id, role, lead))
    ratings = {
        x.of.id: x.of.rating or 0
        for shot in shots
        for x in (shot.first, *shot.edits)
        if x.kind == "photo"
    }
    # Stable: of the same rating the order above stands.
    return sorted(found, key=lambda x: -ratings.get(x.id, 0))


def _shot_order(shot: _Shot) -> tuple[object, ...]:
    cover = shot.first.stem.endswith("cover")
    return not cover, shot.at or 0, _natural(shot.first.of.name), shot.first.of.folder


def _natural(name: str) -> tuple[tuple[str, int], ...]:
    """Names in the order that people count in: 2 before 10."""
    parts = _PARTS.split(fold(name))
    texts, numbers = parts[::2], [*parts[1::2], "0"]
    return tuple((text, int(number)) for text, number in zip(texts, numbers, strict=True))


def _seconds(taken_at: str) -> float:
    """Seconds since 1970; a date that is none is long ago."""
    try:
        return (datetime.fromisoformat(taken_at).replace(tzinfo=None) - _EPOCH).total_seconds()
    except ValueError:
        return 0.0


_EPOCH = datetime(1970, 1, 1)
