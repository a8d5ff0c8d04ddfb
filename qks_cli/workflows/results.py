"""What a run that tags gives for every photo, and where it puts it."""

from __future__ import annotations

from dataclasses import dataclass

from qks_cli.library.store import Library
from qks_cli.types import Photo, Tag
from qks_cli.workflows.changes import Wanted


@dataclass(frozen=True, slots=True)
class Result:
    """``status``: ``tagged`` (read), ``shared`` (not read: it has the tags of the photo that it was
    made with), ``retagged`` (from stored tokens), ``moved`` (its tags kept), ``unchanged``,
    ``failed``.

    ``reason`` says why it failed, ``warning`` what is damaged in a photo that was read.
    """

    photo: Photo
    status: str
    tags: tuple[Tag, ...] = ()
    reason: str | None = None
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where results are stored, under which model and vocabulary."""

    library: Library
    model_id: int
    vocabulary_id: int
    model_hash: str
    vocabulary_digest: str

    def wanted(self, selection: str) -> Wanted:
        """What the stored tags of a photo must match to be kept."""
        return Wanted(self.model_hash, self.vocabulary_digest, selection)
