"""Labels in the order of another method: `qks tag --scoring`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from qks_cli.cli.tag import Scoring
from qks_cli.library.store import Library
from qks_cli.model.fake import Picture, write_fake_bundle
from qks_cli.model.model import Model
from qks_cli.model.tagger import in_order_of
from qks_cli.photos.walk import walk
from qks_cli.types import Float32Array, UInt8Array
from qks_cli.workflows.report import Report
from qks_cli.workflows.scoring import METHODS, PhotoScoring
from qks_cli.workflows.tag import Tagging, TagRun, retag
from tests.conftest import LABELS, SEEN


def test_the_command_offers_every_method() -> None:
    assert [str(one) for one in Scoring] == ["own", *METHODS]


def test_scores_stay_and_their_order_is_the_others() -> None:
    own = np.array([[0.9, 0.1, 0.5, 0.7], [0.2, 0.3, 0.4, 0.8]], np.float32)
    order = np.array([[1.0, 3.0, 2.0], [9.0, 8.0, 7.0]], np.float32)
    found = in_order_of(own, order)
    np.testing.assert_array_equal(
        found, np.array([[0.1, 0.9, 0.5, 0.7], [0.4, 0.3, 0.2, 0.8]], np.float32)
    )
    assert own[0, 0] == np.float32(0.9)


class Backwards:
    """A method that likes most what stands last in the vocabulary."""

    looked: ClassVar[list[int]] = []  # at so many photos beforehand

    def __init__(self, scoring: PhotoScoring) -> None:
        self.count = len(scoring.vocabulary.labels)
        self.looked.append(sum(map(len, scoring._sample())))

    def __call__(self, pixels: UInt8Array) -> Float32Array:
        return np.tile(np.arange(self.count, dtype=np.float32), (len(pixels), 1))

    @classmethod
    def of(cls, scoring: PhotoScoring) -> Backwards:
        """Made once, as ``PhotoScoring`` makes its own."""
        if "made" not in vars(scoring):
            vars(scoring)["made"] = cls(scoring)
        made: Backwards = vars(scoring)["made"]
        return made


@pytest.fixture
def model(
    pictures: dict[str, UInt8Array], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Model:
    known = [Picture(pixels, SEEN[name]) for name, pixels in pictures.items()]
    monkeypatch.setattr(PhotoScoring, "_scorer", property(Backwards.of))
    monkeypatch.setattr(Backwards, "looked", [])
    return Model.open(str(write_fake_bundle(tmp_path / "fake", known, LABELS)))


def test_tags_go_by_the_method_and_the_run_tells(
    photos: Path, model: Model, tmp_path: Path
) -> None:
    vocabulary = model.vocabulary(["coffee", "cup", "cat", "beach", "dog"])
    own = Tagging.of(model, vocabulary, min_score=0.3)
    said: list[str] = []
    with Library.open(tmp_path / "l.db") as library:

        def tagged(tagging: Tagging) -> dict[str, dict[str, float]]:
            run = TagRun(tagging, library, report=Report(note=said.append))
            return {
                str(one.photo.path): {tag.label: tag.score for tag in one.tags}
                for one in run.results(walk([photos]))
                if one.status in ("tagged", "retagged", "unchanged")
            }

        before = tagged(own)
        assert sum(map(len, before.values())) > 2
        scored = own.scored_by("piaa")
        after = tagged(scored)
        assert after.keys() == before.keys()
        changed = 0
        for path, tags in before.items():
            assert sorted(after[path].values()) == sorted(tags.values())
            if tags:
                best = max(after[path], key=lambda name: after[path][name])
                assert best == vocabulary.names[-1]
                changed += best not in tags
        assert changed
        assert Backwards.looked == [4]
        assert any("piaa first looks at 4 photos" in one for one in said)
        kept = library.runs.kept()
        assert kept is not None
        assert kept.chosen.scoring == "piaa"
        known = library.photos.known([Path(path) for path in before])
        assert {row.selection for row in known.values()} == {
            "min-score 0.3000, top 20, scoring piaa"
        }
        assert tagged(scored) == after  # nothing is read again
        assert Backwards.looked == [4]
        said.clear()
        plain = Tagging.open(str(model.bundle.path), kept=kept, report=Report(note=said.append))
        assert any("in the order of piaa" in one and "--scoring piaa" in one for one in said)
        assert plain.chosen.scoring is None
        assert retag(library, own).anew == len(before)
        assert tagged(own) == before


def test_a_raw_file_shares_the_tags_that_its_photo_got(
    photos: Path, model: Model, tmp_path: Path
) -> None:
    found = sorted(photos.rglob("*.jpg"))[0]
    found.with_suffix(".nef").write_bytes(b"not read")
    vocabulary = model.vocabulary(["coffee", "cup", "cat", "beach", "dog"])
    tagging = Tagging.of(model, vocabulary, min_score=0.3).scored_by("sparc")
    with Library.open(tmp_path / "l.db") as library:
        results = {
            one.photo.path: one for one in TagRun(tagging, library).results(walk([found.parent]))
        }
    raw, lead = results[found.with_suffix(".nef")], results[found]
    assert raw.status == "shared"
    assert [tag.label for tag in raw.tags] == [tag.label for tag in lead.tags]
