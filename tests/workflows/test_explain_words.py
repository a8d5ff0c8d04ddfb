"""What an explanation says of the label itself: the taught words that it is near to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qks_cli.model.bundle import CONFIG, file_hash, read_bundle
from qks_cli.model.calibration import CALIBRATION_FILE, Calibration
from qks_cli.model.fake import Picture, write_fake_bundle
from qks_cli.model.model import Model
from qks_cli.types import UInt8Array
from qks_cli.workflows.explain import Reason, explain


@pytest.fixture
def model(tmp_path: Path, pictures: dict[str, UInt8Array]) -> Model:
    """It was taught three words; labelled photos say that cats are four times as likely."""
    folder = tmp_path / "taught"
    known = [Picture(pictures["cat.jpg"], {"cat": 1.0})]
    write_fake_bundle(folder, known, ["cat"], taught=["cat", "wild cat", "dog"])
    plain = Calibration.read(read_bundle(str(folder)))
    offsets = np.array([np.log(4), 0, 0], np.float32)
    replace(plain, offsets_T=offsets).write(folder)
    config = folder / CONFIG
    text = config.read_text(encoding="utf-8")
    was = read_bundle(str(folder)).config["files"][CALIBRATION_FILE]
    config.write_text(text.replace(was, file_hash(folder / CALIBRATION_FILE)), encoding="utf-8")
    return Model.open(str(folder))


def test_what_the_model_was_taught_is_said(model: Model, photos: Path) -> None:
    labels = ["cat", "tame cat", "steam engine"]
    found = explain(photos / "cat.jpg", model, model.vocabulary(), labels)
    reasons = {reason.label: reason for reason in found.reasons}
    cat, tame, engine = (reasons[label] for label in labels)
    assert [word for word, _ in cat.nearest_taught] == ["cat", "wild cat"]
    assert cat.nearest_taught[0][1] == pytest.approx(1, abs=1e-3)
    assert cat.trust == 1
    assert cat.labelled == pytest.approx(4, rel=1e-3)
    assert cat.sentence.endswith("cut-off 0.50; labelled photos multiply its odds by 4")
    assert {word for word, _ in tame.nearest_taught} == {"cat", "wild cat"}
    assert "the model was not taught it, its nearest taught words are cat (0." in tame.sentence
    assert "far from every word" in engine.sentence
    assert engine.labelled < 1.25
    assert engine.trust < tame.trust < 1


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({}, "cut-off 0.50"),
        ({"nearest_taught": (("kitten", 0.97),)}, "; the model was taught it as kitten"),
        ({"labelled": 0.5}, "; labelled photos multiply its odds by 0.5"),
        ({"labelled": 1.1}, "cut-off 0.50"),
        ({"implied_by": "kitten", "labelled": 3.0}, "follows from kitten"),
    ],
)
def test_only_what_matters_is_said(changes: dict[str, object], end: str) -> None:
    reason = Reason("cat", 0.9, 0.5, shown=True, token=0, above=0.9)
    assert replace(reason, **changes).sentence.endswith(end)  # type: ignore[arg-type]
