from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qks_cli.errors import TrainingError
from qks_cli.model.bundle import read_bundle
from qks_cli.model.weights import load_image_model, write_config, write_weights
from qks_cli.network.config import ModelConfig
from qks_cli.network.model import build_model
from qks_cli.training.mini.config import MiniConfig, Phase
from qks_cli.training.mini.pool import kept_apart, read_photos
from qks_cli.training.mini.teachers import Teachers
from qks_cli.training.mini.train import averaged_weights, first_model, train
from tests.training.mini.pools import make_pool, write_label_space

MODEL: dict[str, Any] = {
    "name": "small",
    "image_size": 64,
    "label_width": 12,
    "backbone": {
        "vision": {
            "timm_model_name": "mobilenetv4_conv_small_050",
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "none",
            "image_size": 64,
        },
        "embed_dim": 12,
        "levels": [3, 4],
    },
    "decoder": {
        "kind": "compact",
        "queries": 3,
        "width": 16,
        "layers": 1,
        "heads": 2,
        "ffn_ratio": 2.0,
    },
}


def config(steps: int) -> MiniConfig:
    phase = Phase(32, 8 * steps, 1e-3, 1e-3, mosaics=0.25)
    return MiniConfig(MODEL, (phase,), batch=8)


def run(
    folder: Path, name: str, pool: Path, teachers: Path, *lengths: int
) -> dict[str, torch.Tensor]:
    out = folder / name / "image"
    write_label_space(out, teachers, pool, 12)
    for steps in lengths:
        train(config(steps), pools=[pool], teachers=[teachers], out=out)
    return averaged_weights(out / "last")


def test_a_resumed_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    pool, teachers = make_pool(tmp_path)
    straight = run(tmp_path, "straight", pool, teachers, 5)
    resumed = run(tmp_path, "resumed", pool, teachers, 2, 5)
    assert straight.keys() == resumed.keys()
    for name, value in straight.items():
        torch.testing.assert_close(resumed[name], value, rtol=1e-4, atol=1e-5)


def lite(steps: int) -> MiniConfig:
    """A folded EfficientNet whose first two stages stay as they are."""
    vision = MODEL["backbone"]["vision"] | {"timm_model_name": "tf_efficientnet_lite0"}
    model = MODEL | {"backbone": MODEL["backbone"] | {"vision": vision}}
    phase = Phase(32, 8 * steps, 1e-3, 1e-3)
    return MiniConfig(model, (phase,), batch=8, frozen_stages=2, backbone_rate=0.5)


def test_a_folded_run_resumes_and_is_made_whole_again(tmp_path: Path) -> None:
    pool, teachers = make_pool(tmp_path)
    ends = []
    for name, lengths in (("straight", (4,)), ("resumed", (2, 4))):
        out = tmp_path / name / "image"
        write_label_space(out, teachers, pool, 12)
        for steps in lengths:
            train(lite(steps), pools=[pool], teachers=[teachers], out=out)
        ends.append(averaged_weights(out / "last"))
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, rtol=1e-3, atol=1e-4)
    build_model(ModelConfig.from_dict(lite(1).model)).load_state_dict(ends[0])


def test_two_pools_are_one(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    pools, teachers = zip(*(make_pool(tmp_path / name) for name in ("one", "two")), strict=True)
    out = tmp_path / "run"
    write_label_space(out, teachers[0], pools[0], 12)
    train(config(2), pools=pools, teachers=teachers, out=out)
    assert len(np.load(tmp_path / "packed" / "table.npy")) == 96
    assert Teachers(*teachers).boxes(np.array([95]), np.array([3])).shape == (1, 4)


def test_training_learns_and_reports(tmp_path: Path) -> None:
    pool, teachers = make_pool(tmp_path)
    write_label_space(tmp_path / "run", teachers, pool, 12)
    rows: list[dict[str, float]] = []
    train(config(100), pools=[pool], teachers=[teachers], out=tmp_path / "run", report=rows.append)
    assert [row["step"] for row in rows] == [50, 100]
    assert rows[1]["total"] < 0.9 * rows[0]["total"]
    assert (tmp_path / "run" / "config.json").is_file()


def test_a_trained_model_may_be_given_a_neck(tmp_path: Path) -> None:
    model = ModelConfig.from_dict(MODEL)
    write_weights(tmp_path, image=build_model(model))
    write_config(tmp_path, model, version="1", resize="squash", templates=["{}"], label_length=1.0)
    start = read_bundle(str(tmp_path))
    pixels = torch.randn(1, 3, 64, 64)
    necked = first_model(MiniConfig(MODEL | {"neck": 2}, ()), start).eval()
    with torch.inference_mode():
        torch.testing.assert_close(necked(pixels), load_image_model(start)(pixels))
    other = MODEL | {"decoder": MODEL["decoder"] | {"queries": 9}}
    with pytest.raises(TrainingError, match="not built as"):
        first_model(MiniConfig(other, ()), start)
    backbone = MODEL["backbone"] | {"levels": [2, 4]}
    with pytest.raises(TrainingError, match="another backbone"):
        first_model(MiniConfig(MODEL | {"backbone": backbone}, ()), start)


def test_a_pool_that_lacks_a_photo(tmp_path: Path) -> None:
    pool, teachers = make_pool(tmp_path)
    listing = pool / "photos.jsonl"
    listing.write_text(listing.read_text().replace("natural/7.webp", "natural/lost.webp"))
    write_label_space(tmp_path / "run", teachers, pool, 12)
    with pytest.raises(TrainingError, match=r"natural/lost\.webp"):
        train(config(2), pools=[pool], teachers=[teachers], out=tmp_path / "run")


def test_photos_kept_apart_are_never_drawn(tmp_path: Path) -> None:
    from qks_cli.training.mini.train import _chances

    pool, _ = make_pool(tmp_path, photos=200)
    photos = read_photos(pool)
    apart = [kept_apart(photo) for photo in photos]
    assert any(apart)
    weighted = replace(config(1), source_weights={"natural": 0.5})
    assert [chance == 0 for chance in _chances(photos, weighted)] == apart
