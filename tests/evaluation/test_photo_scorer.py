"""Photos as they come, by a training-free method: what `qks tag --scoring` asks for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from qks_cli.errors import UsageError
from qks_cli.evaluation.compare import score_photos
from qks_cli.evaluation.training_free import PhotoScorer, Setting, prepare
from qks_cli.evaluation.vectors import unit_vectors
from qks_cli.model.model import Model
from qks_cli.photos.loader import pixel_batches
from qks_cli.vocabulary.labels_file import Label, Vocabulary
from qks_cli.workflows.pipeline import LoadOptions
from qks_cli.workflows.scoring import LOOKS_FIRST, METHODS, PhotoScoring
from qks_cli.workflows.tag import Tagging
from tests.training import miniatures

WORDS = ("red", "green", "blue", "yellow", "white stripes", "black cat")


def test_what_cannot_be_scored() -> None:
    model = Model.open("mini", device="cpu")
    nothing = np.zeros((1, 8, 8, 3), np.uint8)
    alone = PhotoScoring("tagclip", model, Vocabulary((Label("dog"),)), [], LoadOptions())
    with pytest.raises(UsageError, match="it needs two or more"):
        alone(nothing)
    words = Vocabulary((Label("dog"), Label("cat")))
    with pytest.raises(UsageError, match="no scoring 'clip'"):
        Tagging.of(model, words).scored_by("clip")
    assert set(LOOKS_FIRST) < set(METHODS)


def test_a_model_that_does_not_tell_where_things_are(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model.open("mini")
    monkeypatch.setattr(model.engine, "attention", lambda pixels: None)
    setting = Setting(model, ["a"], np.ones((1, 2), np.float32), np.ones((1, 2), np.float32), 1, ())
    with pytest.raises(UsageError, match="tells of none where they are") as raised:
        prepare(["tagclip"], setting)
    assert "ViT" in str(raised.value.hint)


def test_photos_as_they_come_get_the_scores_that_eval_gives(tmp_path: Path) -> None:
    """The bundled model, whatever its weights say."""
    model = Model.open("mini", device="cpu")
    files = [miniatures.photo(tmp_path / f"{i}.jpg", i) for i in range(7)]
    labels = [Label(name) for name in WORDS]
    own_CE, base_CE = model.label_vectors(labels), unit_vectors(model, labels)
    setting = Setting(model, WORDS, own_CE, base_CE, len(files), files)
    every = prepare(METHODS, setting)
    scores = score_photos(model.bundle, files, own_CE, base_CE, watch=every.watch)
    bundle = model.bundle
    ((_, pixels, _),) = pixel_batches(files, size=bundle.image_size, resize=bundle.resize)
    expected = every.scorers(scores)
    titles = dict(zip(METHODS, ("SPARC", "PIAA", "TagCLIP re-scoring"), strict=True))
    for method in METHODS:
        found = PhotoScorer(method, model, labels, [pixels[:4], pixels[4:]])(pixels)
        whole = expected[titles[method]](np.arange(len(WORDS)))
        np.testing.assert_allclose(found, whole, rtol=2e-3, atol=2e-4, err_msg=method)
        assert found.std() > 0
    with pytest.raises(UsageError, match="piaa found no photo that it could read"):
        PhotoScorer("piaa", model, labels, [])
    assert not torch.is_inference_mode_enabled()
