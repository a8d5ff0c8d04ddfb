"""Scoring anew only the labels that were learned gives the tags that scoring all gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qks_cli.library import learned, verdicts
from qks_cli.library.learned import StoredHead
from qks_cli.library.store import Library
from qks_cli.model.fake import QUERIES, WIDTH, direction, write_fake_bundle
from qks_cli.model.learned import Head
from qks_cli.model.model import Model
from qks_cli.packing import as_stored
from qks_cli.types import Photo, TaggedPhoto
from qks_cli.workflows import rescore as module
from qks_cli.workflows.rescore import rescore
from qks_cli.workflows.tag import Tagging, retag
from qks_cli.workflows.words import choose_words

LINES = ("animal > dog", "animal > cat", "sky", "tree", "cup ; group: g", "bowl ; group: g")
WORDS = ("animal", "dog", "cat", "sky", "tree", "cup", "bowl")
COUNT = 300


def fill(path: Path, model: Model, top: int) -> Library:
    library = Library.open(path)
    tagging = Tagging.of(model, model.vocabulary(list(LINES)), min_score=0.4, top=top)
    rng = np.random.default_rng(3)
    tokens = rng.normal(0, 0.03, (COUNT, QUERIES, WIDTH))
    for n in range(COUNT):
        for place, word in enumerate(rng.choice(WORDS, QUERIES, replace=True)):
            tokens[n, place] += rng.uniform(0.4, 0.9) * direction(word)
    stored = as_stored(tokens.astype(np.float32))
    target = tagging.destination(library)
    with library.runs.recorded("tag", target.model_id, target.vocabulary_id, tagging.chosen):
        tags = tagging.tagger(stored)
        library.save(
            [
                TaggedPhoto(Photo(Path(f"/p/{n:03}.jpg"), 1, 1), own, one, (8, 8))
                for n, (own, one) in enumerate(zip(tags, stored, strict=True))
            ],
            [],
            model_id=target.model_id,
            vocabulary_id=target.vocabulary_id,
            selection=tagging.tagger.selection,
        )
    verdicts.confirm(library, [1, 2], "sky", add=True)
    verdicts.reject(library, [3, 4], "dog")
    return library


def everything(library: Library) -> dict[tuple[object, ...], float]:
    rows = library.rows(
        "SELECT photo_id, name, token, implied, score FROM tags JOIN labels ON labels.id = label_id"
    )
    verdict_rows = library.rows(
        "SELECT photo_id, label_id, confirmed, token, coalesce(score, -1) FROM verdicts"
    )
    return {row[:4]: row[4] for row in rows + verdict_rows}


def keep(library: Library, model: Model, name: str, *, alone: bool = False) -> None:
    seed = sum(map(ord, name))
    weights_F = np.random.default_rng(seed).normal(0, 3, 2 * WIDTH).astype(np.float32)
    head = Head(name, alone, 0.0 if alone else 0.7, weights_F, -0.5)
    learned.keep(library, [StoredHead(name, alone, False, model.hash, head.to_bytes())], None)


@pytest.mark.parametrize("top", [20, 3])
@pytest.mark.parametrize("names", [["sky"], ["dog"], ["animal"], ["cup"], ["sky", "tree", "dog"]])
def test_the_same_tags_as_all_labels_scored(
    tmp_path: Path, names: list[str], top: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GROUP", 64)
    model = Model.open(str(write_fake_bundle(tmp_path / "m", [], WORDS)))
    with fill(tmp_path / "a.db", model, top) as few, fill(tmp_path / "b.db", model, top) as whole:
        first = everything(few)
        before = choose_words(model, few.runs.kept())
        for library in (few, whole):
            for name in names:
                keep(library, model, name)
            keep(library, model, "rex", alone=True)
        after = choose_words(model, few.runs.kept())
        assert rescore(few, model, before, after) == COUNT
        retag(whole, Tagging.from_words(model, choose_words(model, whole.runs.kept())))
        found, wanted = everything(few), everything(whole)
        assert found.keys() == wanted.keys()
        assert found.keys() != first.keys()
        assert all(abs(found[key] - wanted[key]) < 1e-5 for key in found)
        same = "SELECT id, vocabulary_id, selection FROM photos ORDER BY id"
        assert few.rows(same) == whole.rows(same)
        # And back.
        for _ in (*names, "rex"):
            learned.undo(few)
        rescore(few, model, after, before)
        again = everything(few)
        assert again.keys() == first.keys()
        assert all(abs(again[key] - first[key]) < 1e-5 for key in first)


def test_labels_that_were_not_learned_are_not_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model.open(str(write_fake_bundle(tmp_path / "m", [], WORDS)))
    with fill(tmp_path / "a.db", model, 20) as library:
        before = choose_words(model, library.runs.kept())
        keep(library, model, "sky")
        after = choose_words(model, library.runs.kept())
        scored: list[int] = []
        choose = module.choose_anew

        def counted(*given: object) -> tuple[int, int]:
            found = choose(*given)  # type: ignore[arg-type]
            scored.append(found[0])
            return found

        monkeypatch.setattr(module, "choose_anew", counted)
        rescore(library, model, before, after)
        assert scored == [4]  # those of which something was said
