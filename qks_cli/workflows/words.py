"""With which words and cut-off a run tags: those asked for, else those of the last time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from qks_cli.errors import LibraryError
from qks_cli.escape import shown
from qks_cli.library.runs import Chosen, Kept
from qks_cli.library.store import Library
from qks_cli.model.learned import Head, Learned
from qks_cli.model.model import Model
from qks_cli.model.selection import TOP
from qks_cli.model.tagger import selection_name
from qks_cli.vocabulary.labels_file import Vocabulary, parse_labels
from qks_cli.wording import count_of
from qks_cli.workflows.report import SILENT, Report
from qks_cli.workflows.session import read_vocabulary, tagged_model

DEFAULT = Path("default")  # as a labels file: the model's own words and cut-off


@dataclass(frozen=True, slots=True)
class Words:
    """A vocabulary, and what was asked for: ``chosen`` holds the cut-off and the tags per photo.
    ``learned`` are the library's heads of this model, None where there is none."""

    vocabulary: Vocabulary
    chosen: Chosen
    learned: Learned | None = None

    @property
    def top(self) -> int:
        """Tags per photo at most."""
        return TOP if self.chosen.top is None else self.chosen.top

    def selection(self, model: Model) -> str:
        """How the library names the way that tags are chosen with these words."""
        asked = self.chosen.min_score
        placed = None if self.learned is None else self.learned.over(self.vocabulary)
        return selection_name(model.cutoff if asked is None else asked, self.top, placed)


def choose_words(
    model: Model,
    kept: Kept | None,
    labels: Path | Vocabulary | None = None,
    *,
    min_score: float | None = None,
    top: int | None = None,
    report: Report = SILENT,
) -> Words:
    """What to tag with. ``labels`` is a file, a vocabulary, ``DEFAULT`` for the model's own, or
    None for what was ``kept``: what the library was last tagged with. So are ``min_score`` and
    ``top``. ``report`` hears of what is kept, and of lines of a file that look wrong.

    Raises ``VocabularyError``."""
    before = Chosen() if kept is None or labels == DEFAULT else kept.chosen
    cutoff = before.min_score if min_score is None else min_score
    most = before.top if top is None else top
    if labels == DEFAULT or (labels is None and before.labels == ""):
        words = Words(read_vocabulary(None, model, report), Chosen("", cutoff, most))
    elif isinstance(labels, Vocabulary):
        words = Words(labels, Chosen(None, cutoff, most))
    elif labels is not None:
        words = Words(read_vocabulary(labels, model, report), Chosen(str(labels), cutoff, most))
    else:
        assert kept is not None
        vocabulary, _ = parse_labels(kept.text, "the library's labels")
        words = Words(vocabulary, Chosen(before.labels, cutoff, most))
    said = []
    if labels is None and before.labels != "":
        file = f" of {shown(before.labels)}" if before.labels else ""
        said.append(f"{count_of(len(words.vocabulary.labels), 'label')}{file}")
    if min_score is None and before.min_score is not None:
        said.append(f"cut-off {before.min_score:g}")
    if top is None and before.top is not None and before.top != TOP:
        said.append(f"{count_of(before.top, 'tag')} per photo")
    if said:
        own = "--labels default takes the model's own"
        report.note(f"qks: as last time: {', '.join(said)}; {own}")
    return replace(words, learned=learned_of(model, kept))


def tagged_words(library: Library, model: str | Model) -> tuple[Model, Words]:
    """The model, and the words and cut-off that the library was last tagged with.

    Raises ``ModelError`` where the model tagged nothing here."""
    found, _ = tagged_model(library, model)
    return found, choose_words(found, library.runs.kept())


def learned_of(model: Model, kept: Kept | None) -> Learned | None:
    """What a library learned for this model, None where it has nothing. Raises ``LibraryError``
    where a head is damaged."""
    if kept is None:
        return None
    own = [one for one in kept.learned if one.model_hash == model.hash]
    try:
        heads = tuple(Head.from_bytes(one.label, one.alone, one.head) for one in own)
        if any(len(head.weights_F) != 2 * model.bundle.width for head in heads):
            raise ValueError("a head is of another width than its model")
    except ValueError as error:
        raise LibraryError(
            f"what was learned is damaged: {error}", hint="`qks learn --undo` takes it back"
        ) from error
    return Learned(heads) if heads else None
