"""The library of a user's photos: one SQLite file and its parts, without models or pixels.

Axes: N photos, M query tokens, E label space.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from qks_cli.library import moments
from qks_cli.library.database import Database
from qks_cli.library.photos import Photos
from qks_cli.library.runs import Models, Runs, Vocabularies
from qks_cli.library.tags import Edits, Tags
from qks_cli.library.tokens import Tokens
from qks_cli.types import Details, Moment, PhotoFailure, Tag, TaggedPhoto


class Library(Database):
    """An open library. Use ``with Library.open(path) as library``.

    What is asked often is in its parts (``library.photos.known(paths)``); the other modules of this
    package (labels, verdicts, ledger, presence, backups, statistics) are functions over it.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        super().__init__(connection, path)
        self.photos = Photos(self)
        self.tokens = Tokens(self)
        self.tags = Tags(self)
        self.runs = Runs(self)
        self.models = Models(self)
        self.vocabularies = Vocabularies(self)

    @property
    def is_settled(self) -> bool:
        """Whether no file was left, or is, in the middle of being written; else see ``journal``."""
        return not self.value("SELECT EXISTS (SELECT 1 FROM journal)")

    def save(
        self,
        tagged: Sequence[TaggedPhoto],
        failures: Sequence[PhotoFailure],
        *,
        model_id: int,
        vocabulary_id: int,
        selection: str,
    ) -> list[int]:
        """Store photos with their tokens and tags, and failures, in one transaction.

        Tags and tokens of an earlier tagging are replaced. A failed photo that has changed since
        loses them: they were of other pixels. Returns the ids of ``tagged``, in their order.
        """
        with self.atomic():
            ids = [self.photos.put(photo) for photo in tagged]
            own = list(zip(ids, tagged, strict=True))
            self.tokens.put(ids, model_id, [photo.tokens_ME for photo in tagged])
            self.photos.put_details((x, photo.details or Details()) for x, photo in own)
            self.tags.put([(x, photo.tags) for x, photo in own], model_id, vocabulary_id, selection)
            if moments.any_moments(self) or any(photo.moments for photo in tagged):
                moments.put(self, {x: photo.moments for x, photo in own}, model_id)
            for failure in failures:
                self.photos.put_failure(failure)
        return ids

    def retag(
        self,
        tags: Iterable[tuple[int, Sequence[Tag]]],
        edits: Edits | None = None,
        *,
        model_id: int,
        vocabulary_id: int,
        selection: str,
        moments_of: Mapping[int, Sequence[Moment]] | None = None,
    ) -> None:
        """Replace the tags of stored photos, and those of the moments of videos, by id, and make
        ``edits`` to those of other photos, in one transaction."""
        with self.atomic():
            self.tags.put(list(tags), model_id, vocabulary_id, selection)
            if edits is not None:
                self.tags.edit(edits, model_id, vocabulary_id, selection)
            moments.put_tags(self, moments_of or {})

    def _rolled_back(self) -> None:
        self.tags.forget_ids()
