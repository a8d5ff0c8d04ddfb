"""A report: a folder with one page, its thumbnails and, where asked for, contact sheets.

The folder is built beside its place and moved there whole; an earlier report is replaced, a folder
with anything else in it is refused. What the page does not have to tell (paths, cameras, places) it
tells only where asked.

Axes: N photos, E label space, K groups.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from itertools import chain
from math import isfinite
from pathlib import Path

import numpy as np

from qks_cli import settings
from qks_cli.errors import PhotoError, UsageError
from qks_cli.library import stacks
from qks_cli.library.described import Described, described
from qks_cli.library.places import of as places_of
from qks_cli.library.store import Library
from qks_cli.photos.thumbnails import SIDE, Thumbnail, Thumbnails
from qks_cli.report.page import GENERATOR, Card, Group, Page, readable, render, sized
from qks_cli.report.sheets import Print, write_sheets
from qks_cli.search.lookalikes import pooled
from qks_cli.types import Place
from qks_cli.workflows.places import name_places
from qks_cli.workflows.report import SILENT, Report
from qks_cli.workflows.search import SearchOptions, search
from qks_cli.workflows.session import library_language

INDEX, PICTURES, SHEETS = "index.html", "photos", "contact-sheets.pdf"
LIMIT = 10_000  # photos of a page that browsers still show at ease
FEWEST = 24  # photos from which on groups are worth a look
IN_A_GROUP = 12  # photos of a group, about
MOST_GROUPS = 24
WORDS = 3  # of a group's name
TYPICAL = 3
PLACES = 60
_OURS = re.compile(r"[0-9a-f]{32}\.webp")


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """``side`` is the longer one of thumbnails, in pixels; ``limit`` bounds the photos. ``paths``
    shows whole paths instead of names; ``cameras`` and ``places`` show what cameras noted of
    themselves and of where they were, by the names of places where there are any. Tags are shown by
    their names in ``language`` (of ``LanguageCode``)."""

    title: str = "Photos"
    side: int = SIDE
    limit: int = LIMIT
    sheets: bool = False
    paths: bool = False
    cameras: bool = False
    places: bool = False
    language: str = "en"


@dataclass(frozen=True, slots=True)
class ReportMade:
    """``photos`` are on the page, ``unreadable`` ones among them without a picture; ``left_out``
    were over the limit. ``sheets`` are pages of the PDF."""

    page: Path
    photos: int
    unreadable: int
    left_out: int
    sheets: int


@dataclass(slots=True)
class _Content:
    """Everything of the page, by row: photos in their order, with what belongs to each."""

    photos: list[Described]
    tags: list[list[str]]
    pictures: list[str] = field(default_factory=list)  # paths relative to the page
    sizes: list[tuple[int, int]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def found(
    library: Library,
    query: str,
    *,
    model: str = "mini",
    language: str = "en",
    every_member: bool = False,
    report: Report = SILENT,
) -> list[int]:
    """Ids of all photos that answer a query by tags and filters, one a stack unless
    ``every_member``, best first; of the whole library where the query is empty, the newest first.
    ``language`` is as for ``search``, as are errors."""
    everything = library.photos.tagged_ids()
    if not query or not everything:
        others = set() if every_member else stacks.not_main(library)
        return [photo_id for photo_id in everything[::-1] if photo_id not in others]
    options = SearchOptions(
        model,
        len(everything),
        0.0,
        by_meaning=False,
        exact=True,
        every_member=every_member,
        language=language,
    )
    hits = search(library, query, options, report)
    known = library.photos.known([hit.path for hit in hits])
    return [known[hit.path].id for hit in hits]


def make_report(
    library: Library,
    photo_ids: Sequence[int],
    folder: Path,
    options: ReportOptions = ReportOptions(),
    *,
    advance: Callable[[], None] = lambda: None,
    report: Report = SILENT,
) -> ReportMade:
    """Write a report of these photos, of which the first ``limit`` count, into ``folder``.

    ``advance`` is called once a photo; ``report`` hears of those whose pictures cannot be made: the
    page names them all the same. Raises ``UsageError`` where ``folder`` holds anything but an
    earlier report or cannot be written, before any photo is read."""
    chosen = list(photo_ids[: options.limit])
    left_out = len(photo_ids) - len(chosen)
    with _new_folder(folder) as new:
        earlier = _earlier(folder)
        photos = described(library, chosen)
        tags = library.tags.of(chosen)
        own = library_language(library, options.language)
        name_of = str if own is None else cache(own.shown)
        # Two labels may have one name.
        names_of = [dict.fromkeys(name_of(tag.label) for tag in tags[x.id]) for x in photos]
        content = _Content(photos, [list(names) for names in names_of])
        _take_pictures(content, new, options, advance, report)
        names = [str(x.path) if options.paths else x.path.name for x in photos]
        names = [readable(name) for name in names]
        sheets = 0
        if options.sheets:
            files = [new / picture if picture else None for picture in content.pictures]
            prints = [Print(*one) for one in zip(names, files, strict=True)]
            sheets = write_sheets(prints, new / SHEETS, title=readable(options.title))
        page = _page(library, content, names, options, left_out, earlier, report)
        (new / INDEX).write_bytes(render(page))
    unreadable = sum(not picture for picture in content.pictures)
    return ReportMade(folder / INDEX, len(photos), unreadable, left_out, sheets)


def _take_pictures(
    content: _Content,
    folder: Path,
    options: ReportOptions,
    advance: Callable[[], None],
    report: Report,
) -> None:
    (folder / PICTURES).mkdir()
    thumbnails = Thumbnails(settings.cache_path() / "thumbnails", side=options.side)
    paths = [one.path for one in content.photos]
    # One more than there are processors: pictures are copied meanwhile, and processes wait.
    workers = settings.processors() + 1
    for path, made in thumbnails.make(paths, workers=workers):
        if isinstance(made, Thumbnail):
            picture = f"{PICTURES}/{made.file.name}"
            shutil.copyfile(made.file, folder / picture)
            content.pictures.append(picture)
            content.sizes.append((made.width, made.height))
            content.problems.append("")
        else:
            report.problem(path, made.reason)
            content.pictures.append("")
            content.sizes.append((0, 0))
            content.problems.append(_without_path(made))
        advance()


def _without_path(error: PhotoError) -> str:
    """Why there is no picture, without what a reason may quote of the disk."""
    return {"missing": "the file is gone", "too-large": "the photo is too large"}.get(
        error.kind, "the file cannot be read"
    )


def _page(
    library: Library,
    content: _Content,
    names: Sequence[str],
    options: ReportOptions,
    left_out: int,
    earlier: _Earlier | None,
    report: Report,
) -> Page:
    photos = content.photos
    tags, of_tags = _grouped("tag", content.tags)
    years, of_years = _grouped("year", [[(x.taken_at or "")[:4] or "no date"] for x in photos])
    sections = [("Years", sorted(years, key=lambda group: group.name))]
    belong = [of_tags, of_years]
    if options.cameras:
        cameras, of_cameras = _grouped("camera", [[x.camera or "no camera"] for x in photos])
        sections.append(("Cameras", cameras))
        belong.append(of_cameras)
    where = _places(library, photos, report) if options.places else [""] * len(photos)
    if options.places:
        places, of_places = _grouped("place", [[place or "no place"] for place in where])
        sections.append(("Places", places[:PLACES]))
        belong.append(of_places)
    clusters, of_clusters = _clusters(library, content)
    untagged = sum(not own for own in content.tags)
    nothing = Group("untagged", 0, "no tags", untagged)
    belong += [of_clusters, [[] if own else [nothing] for own in content.tags]]
    since, of_since = _since(content, earlier)
    belong.append(of_since)
    cards = [
        Card(
            names[row],
            content.pictures[row],
            *content.sizes[row],
            (one.taken_at or "")[:16].replace("T", " "),
            tuple(readable(tag) for tag in content.tags[row]),
            tuple(chain.from_iterable(of[row] for of in belong)),
            content.problems[row],
            readable(where[row]),
        )
        for row, one in enumerate(photos)
    ]
    return Page(
        readable(options.title),
        date.today().isoformat(),
        cards,
        sized(tags),
        sections,
        clusters,
        untagged,
        left_out,
        SHEETS if options.sheets else "",
        since,
    )


def _since(content: _Content, earlier: _Earlier | None) -> tuple[Group | None, list[list[Group]]]:
    """Photos that the earlier report did not have, or that have changed since."""
    nobody: list[list[Group]] = [[] for _ in content.photos]
    if earlier is None:
        return None, nobody
    new = [picture != "" and picture not in earlier.pictures for picture in content.pictures]
    group = Group("new", 0, f"new since {earlier.made_on}", sum(new))
    return group, [[group] if one else [] for one in new]


def _grouped(kind: str, names: Sequence[Sequence[str]]) -> tuple[list[Group], list[list[Group]]]:
    """One group for each name, the largest first, and of every row its groups."""
    counts = Counter(chain.from_iterable(names))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    groups = {
        name: Group(kind, number, readable(name), count)
        for number, (name, count) in enumerate(ordered)
    }
    return list(groups.values()), [[groups[name] for name in own] for own in names]


def _places(library: Library, photos: Sequence[Described], report: Report) -> list[str]:
    """Where photos were taken: the town, its region and country; about the coordinates where no
    name is known for them, and nothing where there are none."""
    name_places(library, report)
    named = places_of(library, [one.id for one in photos])
    return [_named(named.get(one.id, Place())) or _about(one) for one in photos]


def _named(place: Place) -> str:
    """Each name once: Vienna is a town and a region."""
    return ", ".join(dict.fromkeys(filter(None, (place.name, place.region, place.country))))


def _about(photo: Described) -> str:
    """A tenth of a degree is some ten kilometres."""
    latitude, longitude = photo.latitude, photo.longitude
    if latitude is None or longitude is None or not isfinite(latitude + longitude):
        return ""
    south, west = round(latitude, 1) < 0, round(longitude, 1) < 0
    return f"{abs(latitude):.1f}° {'NS'[south]}, {abs(longitude):.1f}° {'EW'[west]}"


def _clusters(library: Library, content: _Content) -> tuple[list[Group], list[list[Group]]]:
    """Photos alike in meaning, named by the tags that set them apart; none of few photos."""
    nobody: list[list[Group]] = [[] for _ in content.photos]
    row_of = {one.id: row for row, one in enumerate(content.photos)}
    model_id = library.runs.latest()[0]
    if model_id is None or len(row_of) < FEWEST:
        return [], nobody
    ids_N, mean_NE = pooled(library, model_id)
    ours = [place for place, photo_id in enumerate(ids_N.tolist()) if photo_id in row_of]
    if len(ours) < FEWEST:
        return [], nobody
    from sklearn.cluster import MiniBatchKMeans

    mean_NE = mean_NE[ours]
    count = max(2, min(MOST_GROUPS, len(ours) // IN_A_GROUP))
    made = MiniBatchKMeans(count, random_state=1, batch_size=4096, n_init=3).fit(mean_NE)
    distance_N = np.linalg.norm(mean_NE - made.cluster_centers_[made.labels_], axis=1)
    rows_N = np.array([row_of[photo_id] for photo_id in ids_N[ours].tolist()])
    members = [np.flatnonzero(made.labels_ == number) for number in range(count)]
    members = sorted((own for own in members if len(own)), key=len, reverse=True)
    everywhere = Counter(chain.from_iterable(content.tags))
    groups = []
    for number, own in enumerate(members):
        rows = rows_N[own[np.argsort(distance_N[own])]].tolist()
        name = _name([content.tags[row] for row in rows], everywhere, len(content.photos))
        pictures = [content.pictures[row] for row in rows if content.pictures[row]][:TYPICAL]
        group = Group("group", number, name, len(rows), tuple(pictures))
        groups.append(group)
        for row in rows:
            nobody[row].append(group)
    return groups, nobody


def _name(tags: Sequence[Sequence[str]], everywhere: Counter[str], total: int) -> str:
    """The tags whose share in a group is furthest above their share in all photos."""
    counts = Counter(chain.from_iterable(tags))
    above = {tag: count / len(tags) - everywhere[tag] / total for tag, count in counts.items()}
    best = sorted(above, key=lambda tag: (-above[tag], tag))[:WORDS]
    return readable(", ".join(tag for tag in best if above[tag] > 0)) or "other photos"


# The folder


@dataclass(frozen=True, slots=True)
class _Earlier:
    """What a report that is there already shows: its day, and its pictures as the page names
    them."""

    made_on: str
    pictures: frozenset[str]


def _earlier(folder: Path) -> _Earlier | None:
    index, pictures = folder / INDEX, folder / PICTURES
    if not index.is_file():
        return None
    made_on = date.fromtimestamp(index.stat().st_mtime).isoformat()
    return _Earlier(made_on, frozenset(f"{PICTURES}/{x.name}" for x in pictures.iterdir()))


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A new folder beside ``folder``, which takes its place when the block is done; if the block
    raises, nothing has changed."""
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - a link's own name must stay
    _check(folder)
    new, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{x}") for x in ("new", "old"))
    try:
        new.mkdir(parents=True)
        try:
            yield new
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise UsageError(
            f"cannot write {folder}: {error.strerror or error}",
            hint="nothing was changed; give another --out",
        ) from error


def _check(folder: Path) -> None:
    """Raise ``UsageError`` unless ``folder`` is new, empty, or a report and nothing else."""
    hint = "give the name of a folder that is not there yet"
    if not folder.name:
        raise UsageError(f"{folder} cannot be replaced by a report", hint=hint)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"{folder} is there already, and is not a folder", hint=hint)
    try:
        if folder.is_dir() and any(folder.iterdir()) and not _is_report(folder):
            raise UsageError(f"{folder} is there already, with other files in it", hint=hint)
    except OSError as error:
        raise UsageError(f"cannot read {folder}: {error.strerror or error}", hint=hint) from error


def _is_report(folder: Path) -> bool:
    index, pictures = folder / INDEX, folder / PICTURES
    if {path.name for path in folder.iterdir()} - {INDEX, PICTURES, SHEETS}:
        return False
    if not index.is_file() or not pictures.is_dir() or pictures.is_symlink():
        return False
    with index.open("rb") as file:
        ours = f'name="generator" content="{GENERATOR}"'.encode() in file.read(4096)
    return ours and all(_OURS.fullmatch(path.name) for path in pictures.iterdir())
