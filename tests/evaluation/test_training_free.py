"""SPARC, PIAA and TagCLIP's re-scoring on numbers made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from qks_cli.errors import UsageError
from qks_cli.evaluation import piaa, sparc, tagclip
from qks_cli.evaluation.measures import average_precision


def test_which_labels_a_compound_names() -> None:
    names = ["dog", "hot dog", "person", "dining table"]
    texts = ["Dogs and a person", "a hot dog on the dining table", "people", "hotdogs"]
    found = sparc.members(texts, names)
    assert [np.flatnonzero(row).tolist() for row in found] == [[0, 2], [1, 3], [2], []]


def test_labels_are_paired_with_their_neighbours() -> None:
    angles = np.array([0, 0.1, 0.2, 2.0, 2.1, 2.2, 2.3])
    labels = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    pairs = sparc.neighbour_pairs(list("abcdefg"), labels)
    assert "a and b" in pairs
    assert "a and g" not in pairs
    assert sparc.neighbour_pairs(["alone"], labels[:1]) == []


def test_compounds_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "compounds.txt"
    path.write_bytes(b"\xef\xbb\xbfa dog and a cat\n\na dog and a cat\n")
    assert sparc.read_compounds(path) == ["a dog and a cat"]
    with pytest.raises(UsageError, match="cannot be read"):
        sparc.read_compounds(tmp_path / "none.txt")


def test_sparc_takes_off_what_every_label_shares_and_hears_the_compounds() -> None:
    rng = np.random.default_rng(1)
    present = rng.random((300, 4)) < 0.3
    signal = present.astype(np.float32)
    bias = rng.normal(0, 3, (300, 1))
    own = (signal + bias + rng.normal(0, 1, signal.shape)).astype(np.float32)
    pairs = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1]], bool)
    compound = (signal @ pairs.T + bias + rng.normal(0, 1, (300, 4))).astype(np.float32)
    fused = sparc.fuse(own, own, compound, pairs)
    plain, better = (
        np.mean([average_precision(s[:, c], present[:, c]) for c in range(4)]) for s in (own, fused)
    )
    assert better > plain + 0.1
    alone = sparc.fuse(own, own, compound, np.zeros_like(pairs))
    standard = (own - own.mean(1, keepdims=True)) / own.std(1, keepdims=True)
    standard = (standard - standard.mean(0)) / standard.std(0)
    np.testing.assert_allclose(alone, standard, atol=1e-4)  # a label that no prompt names


def test_piaa_learns_where_labels_are_from_places_alone() -> None:
    torch.manual_seed(1)
    width, count = 16, 3
    truth = torch.nn.functional.normalize(torch.randn(count, width), dim=1)
    text = torch.nn.functional.normalize(truth + 0.1 * torch.randn(count, width), dim=1)
    which = torch.randint(0, count, (40, 6))
    noise = 0.1 * torch.randn(40, 6, width)
    places = torch.nn.functional.normalize(truth[which] + noise, dim=-1)
    bank = piaa.PatchBank(text, kept=50)
    for part in places.split(10):
        bank.add(part)
    assert len(bank.places_PE) <= 150
    classifier = bank.fit()
    assert torch.equal(classifier(places).argmax(-1), which)
    fused = piaa.fuse(np.array([[0.3, 0.2]], np.float32), np.array([[0.5, 0.6]], np.float32))
    assert fused.sum() == pytest.approx(1.0, rel=1e-5)
    assert fused[0, 1] > fused[0, 0]


def test_piaa_keeps_the_surest_places_of_each_label() -> None:
    text = torch.eye(2)
    bank = piaa.PatchBank(text, kept=1)
    bank.add(torch.tensor([[[0.8, 0.6], [0.0, 1.0], [1.0, 0.0], [0.6, 0.8]]]))
    assert bank.places_PE.tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_tagclip_reads_the_box_of_a_label_again() -> None:
    likely = torch.tensor([[0.0, 0.1, 0.0], [0.0, 0.9, 1.0], [0.0, 0.0, 0.2]])
    assert tagclip.box_of(likely) == (1, 1, 2, 3)
    labels = torch.eye(3)
    places = torch.zeros(1, 4, 3)
    places[0, :, 0] = torch.tensor([1.0, 0, 0, 0])
    places[0, 1:, 2] = 1.0
    pixels = torch.zeros(1, 4, 4, 3, dtype=torch.uint8)
    pixels[0, :2, :2] = 200
    seen = []

    def read(crops: torch.Tensor) -> torch.Tensor:
        seen.append(crops)
        # Nothing of what was expected.
        return (torch.eye(3)[torch.tensor([1] * len(crops))] * tagclip.SCALE).softmax(-1)

    likely = (places @ labels.T * tagclip.SCALE).softmax(-1)
    again = tagclip.rescore(likely, likely, pixels, (2, 2), read)
    assert seen[0].shape == (2, 4, 4, 3)
    bright = [int(crop.float().mean()) for crop in seen[0]]
    assert 200 in bright  # the first label's box is the bright corner alone
    assert again[0].tolist() == pytest.approx([0.5, 0.0, 0.5], abs=1e-3)
