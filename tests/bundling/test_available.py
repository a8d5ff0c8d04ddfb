"""The list of backbones that are worth fetching says what open_clip says of them."""

from __future__ import annotations

import json

import open_clip
import pytest
import torch

from qks_cli.bundling.available import AVAILABLE, Available
from qks_cli.bundling.pull import find_backbone
from qks_cli.network.zero_shot import build_clip
from tests.conftest import Qks


@pytest.mark.parametrize("one", AVAILABLE, ids=lambda one: one.name)
def test_a_backbone_of_the_list_is_what_open_clip_makes(one: Available) -> None:
    backbone = find_backbone(one.name)
    assert backbone.weights in open_clip.list_pretrained_tags_by_model(backbone.identifier)
    assert backbone.config["vision_cfg"]["image_size"] == one.pixels
    with torch.device("meta"):
        made = build_clip(backbone.config)
    count = sum(parameter.numel() for parameter in made.parameters())
    assert count / 1e6 == pytest.approx(one.parameters, abs=0.1)
    assert 0.5 < one.imagenet < 1 and 0 < one.seconds < 60
    assert one.licence and one.note


def test_the_list_is_printed(qks: Qks) -> None:
    done = qks("models", "list", "--available", "--format", "jsonl")
    assert done.returncode == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["name"] for row in rows] == [one.name for one in AVAILABLE]
    first = AVAILABLE[0]
    assert rows[0] == {
        "name": first.name,
        "size_mb": round(first.parameters * 2),
        "pixels": first.pixels,
        "licence": first.licence,
        "imagenet": first.imagenet,
        "seconds": first.seconds,
        "note": first.note,
    }


def test_a_pull_of_nothing_offers_the_list(qks: Qks) -> None:
    done = qks("models", "pull")
    assert done.returncode == 2
    names = [json.loads(line)["name"] for line in done.stdout.splitlines()]
    assert names == [one.name for one in AVAILABLE]
    assert b"qks models pull NAME" in done.stderr
