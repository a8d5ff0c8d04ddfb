"""Labels files: started, listed as a library used them, and judged by its photos.

Axes: N photos, C labels, M query tokens, E label space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from qks_cli.errors import UsageError
from qks_cli.folding import fold
from qks_cli.library.store import Library
from qks_cli.model.bundle import read_bundle
from qks_cli.model.model import Model
from qks_cli.types import BoolArray, Float32Array
from qks_cli.vocabulary.labels_file import Vocabulary, add_names, parse_labels, read_labels
from qks_cli.vocabulary.languages import open_language
from qks_cli.workflows import audit as judge
from qks_cli.workflows.audit import Finding
from qks_cli.workflows.report import SILENT, Report
from qks_cli.workflows.session import tagged_model
from qks_cli.workflows.words import choose_words


@dataclass(frozen=True, slots=True)
class Version:
    """A vocabulary that a library was tagged with: when first, and how many photos carry it now."""

    number: int
    first_used: str
    labels: int
    photos: int


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """``words`` are where suggestions come from (None: the model's own labels), ``suggestions``
    their largest number, ``sample`` how many photos are judged by at most."""

    words: Path | None = None
    suggestions: int = 20
    sample: int = 5000
    min_score: float | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """What is odd about a vocabulary; of ``judged`` photos no label fits ``bare``."""

    findings: tuple[Finding, ...]
    bare: int
    judged: int


def own_labels(model: str, language: str = "en") -> bytes:
    """The labels file that comes with a model, with the names of its labels in a language
    (``LanguageCode``). Raises ``ModelError``."""
    data = read_bundle(model).labels_file.read_bytes()
    names = open_language(language)
    if names is None:
        return data
    return add_names(data.decode("utf-8-sig"), language, names.names).encode()


def start(file: Path, model: str, language: str = "en", *, replace: bool = False) -> None:
    """Write ``own_labels`` to ``file``. Raises ``UsageError`` where it exists (unless
    ``replace``) or cannot be written."""
    text = own_labels(model, language)
    try:
        with file.open("wb" if replace else "xb") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise UsageError(f"{file} exists", hint="--force replaces it") from error
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error


def versions(library: Library) -> list[Version]:
    """Every vocabulary that the library was tagged with, the first first."""
    return [
        Version(number, first, len(parse_labels(text, f"version {number}")[0].labels), photos)
        for number, first, text, photos in library.vocabularies.versions()
    ]


def audit(
    library: Library,
    labels: Path | None,
    model: str | Model,
    options: AuditOptions,
    report: Report = SILENT,
) -> Audit:
    """Judge a labels file (None: what the library was last tagged with) by the library's photos,
    without reading one.

    Raises ``ModelError`` where the model tagged nothing here."""
    opened, model_id = tagged_model(library, model)
    words = choose_words(
        opened, library.runs.kept(), labels, min_score=options.min_score, report=report
    )
    vocabulary, options = words.vocabulary, replace(options, min_score=words.chosen.min_score)
    _, tokens_NME = library.tokens.of(library.tokens.sample_ids(model_id, options.sample), model_id)
    assert tokens_NME is not None
    tagger = opened.tagger(vocabulary, min_score=options.min_score, learned=words.learned)
    count = len(vocabulary.labels)  # behind them stand labels that are known by examples alone
    scores_NC = tagger.scores(tokens_NME)[:, :count]
    fired_NC = np.asarray(scores_NC >= tagger.selector.cutoffs_C[:count])
    findings = judge.audit(vocabulary.names, scores_NC, fired_NC, tagger.labels_CE[:count])
    nearest = opened.nearest_taught(vocabulary.labels)
    findings += judge.strange(vocabulary.names, fired_NC, nearest or [])
    bare_N = np.asarray(~fired_NC.any(axis=1))
    if options.suggestions and bare_N.any():
        findings += _suggested(opened, vocabulary, tokens_NME[bare_N], options)
    return Audit(tuple(findings), int(bare_N.sum()), len(bare_N))


def _suggested(
    model: Model, vocabulary: Vocabulary, bare_NME: Float32Array, options: AuditOptions
) -> Sequence[Finding]:
    """Words that would tag photos that nothing fits."""
    candidates = read_labels(options.words or model.bundle.labels_file)[0]
    tagger = model.tagger(candidates, min_score=options.min_score)
    fires_NC: BoolArray = np.asarray(tagger.scores(bare_NME) >= tagger.selector.cutoffs_C)
    known = frozenset(fold(word) for x in vocabulary.labels for word in (x.name, *x.synonyms))
    return judge.suggest(candidates.names, fires_NC, known, options.suggestions)
