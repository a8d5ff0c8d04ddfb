"""Tags that are chosen again from what the library keeps are those that `qks tag` chose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from qks_cli.library.store import Library
from qks_cli.model.fake import Picture, write_fake_bundle
from qks_cli.model.model import Model
from qks_cli.photos.walk import walk
from qks_cli.types import Tag, UInt8Array
from qks_cli.workflows.tag import Tagging, TagRun, retag
from qks_cli.workflows.words import choose_words
from tests.conftest import LABELS, SEEN


def stored(library: Library) -> dict[int, Sequence[Tag]]:
    return dict(library.tags.of(library.photos.tagged_ids()))


@pytest.mark.parametrize("group", [1, 2, 1024])
def test_tags_chosen_again_are_the_same_to_the_last_digit(
    photos: Path,
    pictures: dict[str, UInt8Array],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    group: int,
) -> None:
    monkeypatch.setattr("qks_cli.workflows.tag.GROUP", group)
    monkeypatch.setattr("qks_cli.workflows.tag.STORED", 2)
    known = [Picture(pixels, SEEN[name]) for name, pixels in pictures.items()]
    model = Model.open(str(write_fake_bundle(tmp_path / "fake", known, LABELS)))
    # Noise in every channel, which 7 and 8 bits cannot hold as it is.
    plain = model.engine.query_tokens

    def noisy(pixels_BHW3: UInt8Array) -> np.ndarray:
        tokens_BME = plain(pixels_BHW3)
        rng = np.random.default_rng(int(pixels_BHW3.sum()))
        return np.asarray(tokens_BME + rng.normal(0, 0.03, tokens_BME.shape), np.float32)

    model.engine.query_tokens = noisy  # type: ignore[method-assign]
    with Library.open(tmp_path / "l.db") as library:
        tagging = Tagging.from_words(
            model, choose_words(model, library.runs.kept(), min_score=0.02)
        )
        results = list(TagRun(tagging, library).results(walk([photos])))
        before = stored(library)
        assert sum(len(tags) for tags in before.values()) > 4
        library.execute("UPDATE photos SET selection = 'another'")
        assert retag(library, tagging).anew == len(before)
        assert stored(library) == before
        shown = {tag.label: tag.score for one in results for tag in one.tags}
        assert set(shown.values()) <= {tag.score for tags in before.values() for tag in tags}
