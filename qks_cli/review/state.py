"""What a running server holds: where the library is, an open model, listings, pictures."""

from __future__ import annotations

import itertools
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from anyio import CapacityLimiter

from qks_cli import settings
from qks_cli.errors import PhotoError, QksError, UsageError
from qks_cli.photos.readers import Readers, ReadersClosedError
from qks_cli.photos.thumbnails import Thumbnail, Thumbnails
from qks_cli.review.jobs import Jobs
from qks_cli.search.sorting import Sort
from qks_cli.workflows.cutoffs import LabelScores
from qks_cli.workflows.kept_open import KeptOpen
from qks_cli.workflows.review import Change, find, path_of
from qks_cli.workflows.session import library_language, open_library, opened

if TYPE_CHECKING:
    from qks_cli.library.store import Library
    from qks_cli.model.model import Model
    from qks_cli.vocabulary.languages import Language

SMALL, LARGE = 320, 1280  # longer sides, in pixels, of pictures in the grid and of single photos
LISTINGS = 16  # kept for whoever scrolls in them
CHANGES = 5000  # that can be undone
FIRST = 40  # photos of a first page, about
SCORES = 4  # labels whose scores are kept

T = TypeVar("T")


class GoneError(UsageError):
    """What was asked for is no longer kept."""


class Kept(Generic[T]):
    """The last few of something, by number; for any thread. ``gone`` is said of one that is no
    longer kept."""

    def __init__(self, most: int, gone: str) -> None:
        self._most = most
        self._gone = gone
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, T] = OrderedDict()
        self._numbers = itertools.count(1)

    def add(self, one: T) -> int:
        """Keep one; its number."""
        with self._lock:
            number = next(self._numbers)
            self._kept[number] = one
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return number

    def get(self, number: int) -> T:
        """One that was added. Raises ``GoneError`` where it is no longer kept."""
        with self._lock:
            if number not in self._kept:
                raise GoneError(self._gone)
            self._kept.move_to_end(number)
            return self._kept[number]

    def drop(self, number: int) -> None:
        """Keep one no longer."""
        with self._lock:
            self._kept.pop(number, None)


def _listings() -> Kept[array[int]]:
    return Kept(LISTINGS, "this is no longer kept; search again")


def _changes() -> Kept[Change]:
    return Kept(CHANGES, "this cannot be undone here any more; `qks tags reset` takes it back")


def _scores() -> Kept[LabelScores]:
    return Kept(SCORES, "the scores of this label are no longer kept; load the page again")


@dataclass
class Review:
    """One server's state. ``db`` and ``model_name`` are as on the command line; ``labels_file`` is
    the one to save cut-offs in, by default the one that the library was tagged with; ``query`` is
    what the first page shows; ``complain`` hears, in one line, of what should not have happened.
    Labels are shown and searched by their names in ``language`` (of ``LanguageCode``)."""

    db: Path | None = None
    model_name: str = "mini"
    labels_file: Path | None = None
    query: str = ""
    complain: Callable[[str], None] = lambda text: None
    language: str = "en"
    listings: Kept[array[int]] = field(default_factory=_listings)
    changes: Kept[Change] = field(default_factory=_changes)
    scores: Kept[LabelScores] = field(default_factory=_scores)
    thinking: threading.Lock = field(default_factory=threading.Lock)  # one use of the model a time

    def __post_init__(self) -> None:
        self.jobs = Jobs(self.complain)
        self._searched = KeptOpen(self.db)
        self._warming: threading.Thread | None = None
        self._naming = threading.Lock()
        self._names: tuple[str, Language | None] | None = None  # by the digest of a vocabulary
        folder = settings.cache_path() / "thumbnails"
        self._readers = Readers()
        self._pictures = {side: Thumbnails(folder, side=side) for side in (SMALL, LARGE)}

    @contextmanager
    def library(self) -> Iterator[Library]:
        """The library, opened for one request: its transactions are short, and a run beside the
        server is never kept waiting for long."""
        with open_library(self.db) as library:
            yield library

    @contextmanager
    def searching(self) -> Iterator[Library]:
        """The library for one search at a time: it stays open, and what searches read of it stays
        in memory until anybody changes it, as in `qks serve`."""
        with self.thinking, self._searched.using() as library:
            yield library

    @cached_property
    def model(self) -> Model:
        """The model, opened when first needed and kept. Raises ``ModelError``."""
        found = opened(self.model_name)
        found.engine.stay()
        return found

    def names(self, library: Library) -> Language | None:
        """The names of labels in the user's language; None for English."""
        if self.language == "en":
            return None
        kept = library.runs.kept()
        digest = "" if kept is None else kept.digest
        with self._naming:
            if self._names is None or self._names[0] != digest:
                self._names = digest, library_language(library, self.language)
            return self._names[1]

    @cached_property
    def readers_limit(self) -> CapacityLimiter:
        """How many pictures are made at a time; the rest of the server does not wait for them."""
        return CapacityLimiter(settings.processors() + 1)

    def picture(self, photo_id: int, side: int) -> Thumbnail:
        """A photo of the library as an upright WebP file, at most ``side`` (SMALL or LARGE) pixels
        long. Raises ``PhotoError`` where it cannot be read."""
        with self.library() as library:
            path = path_of(library, photo_id)
        return self._pictures[side].one(path, self._readers)

    def warm(self) -> None:
        """Make the pictures of the first page, while the user's browser opens; in a thread that
        ``close`` ends."""
        self._warming = threading.Thread(target=self._warm)
        self._warming.start()

    def _warm(self) -> None:
        with suppress(QksError, ReadersClosedError):
            with self.searching() as library:
                model = self.model if self.query.strip() else self.model_name
                order = find(library, self.query, Sort.score, model=model, language=self.language)
                first = order[:FIRST]
            for photo_id in first:
                with suppress(PhotoError):
                    self.picture(photo_id, SMALL)

    def close(self) -> None:
        """End what goes on: the job, and the processes that read photos."""
        self.jobs.close()
        self._readers.close()
        if self._warming is not None:
            self._warming.join()
        self._searched.close()
