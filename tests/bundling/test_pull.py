from __future__ import annotations

import json
from pathlib import Path

import open_clip
import pytest
import torch

from qks_cli.bundling.pull import pull
from qks_cli.bundling.tokenizing import convert_tokenizer
from qks_cli.errors import ModelError, UsageError
from qks_cli.model.bundle import read_bundle
from qks_cli.model.weights import load_image_model
from tests.conftest import Qks

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {
        "context_length": 77,
        "vocab_size": 49408,
        "width": 16,
        "heads": 2,
        "layers": 1,
    },
}


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A randomly initialised small open_clip model, saved as weights are."""
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", dict(open_clip.factory._MODEL_CONFIGS))
    (tmp_path / "ViT-tiny-test.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(tmp_path / "ViT-tiny-test.json")
    torch.manual_seed(1)
    model = open_clip.create_model("ViT-tiny-test")
    torch.save(model.state_dict(), tmp_path / "random.pt")
    return tmp_path / "random.pt"


def test_a_pulled_backbone_tags_and_searches(
    weights: Path, photos: Path, tmp_path: Path, qks: Qks
) -> None:
    found = sorted(path for path in photos.rglob("*.jpg"))
    folder = pull(f"ViT-tiny-test/{weights}", tmp_path / "models", references=found)
    bundle = read_bundle("ViT-tiny-test-random")
    assert bundle.path == folder
    assert (bundle.queries, bundle.width, bundle.resize) == (10, 16, "crop")
    done = qks("tag", photos, "--model", folder.name, "--min-score", "0", "--top", "3")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [len([t for t in row["tags"] if not t["implied"]]) for row in rows] == [3] * 4
    assert all(0 <= tag["score"] <= 1 for row in rows for tag in row["tags"])
    hits = qks(
        "search", "cat", "--model", folder.name, "--semantic-only", "--min-score", "0", "--weak"
    )
    assert hits.returncode == 0, hits.stderr
    assert len(hits.stdout.splitlines()) == 4


TEXTS = [
    "a photo of a dog.",
    "It's  the CAFÉ's 42nd día!",
    "naïve",
    "cafe\u0301, re\u0301sume\u0301",  # composed before they are cut
    "漢字 emoji 🐶",
    "",
    "a " * 200,
]


def test_the_converted_tokenizer_says_the_same() -> None:
    original = open_clip.get_tokenizer("ViT-B-32")
    converted = convert_tokenizer(original)
    converted.enable_truncation(77)
    for text in TEXTS:
        ids = original(text)[0].tolist()
        assert ids[: len(converted.encode(text).ids)] == converted.encode(text).ids, text
        assert not any(ids[len(converted.encode(text).ids) :])


def test_names_that_open_clip_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no architecture 'nothing'"):
        pull("nothing/openai", tmp_path, references=[])
    with pytest.raises(UsageError, match="no weights 'nothing'"):
        pull("ViT-B-32/nothing", tmp_path, references=[])


def test_without_a_network_it_is_one_line(
    tmp_path: Path, qks: Qks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    # Another model is kept, so that it is looked for; with none it ends sooner (test_reach.py).
    (tmp_path / "hub" / "hub" / "models--another--one").mkdir(parents=True)
    done = qks("models", "pull", "ViT-B-32/laion2b_s34b_b79k")
    assert done.returncode == 2
    assert b"cannot fetch ViT-B-32/laion2b_s34b_b79k" in done.stderr
    assert b"cannot be reached; check the network connection" in done.stderr
    assert b"ERROR" not in done.stderr
    assert b"Traceback" not in done.stderr
    assert not (tmp_path / "models").exists()


def test_a_text_tower_of_another_library_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not supported"):
        pull("roberta-ViT-B-32/laion2b_s12b_b32k", tmp_path, references=[])


def test_a_model_of_open_clip_on_a_hub(
    weights: Path, photos: Path, tmp_path: Path, qks: Qks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository as hubs keep it, here in the cache of an earlier fetch, with its own mean and
    way of resizing."""
    from huggingface_hub import constants
    from safetensors.torch import save_file

    stored = tmp_path / "hub" / "models--someone--tiny"
    (stored / "refs").mkdir(parents=True)
    (stored / "refs" / "main").write_text("0" * 40)
    snapshot = stored / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    preprocessing = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7], "resize_mode": "squash"}
    config = {"model_cfg": TINY | {"quick_gelu": True}, "preprocess_cfg": preprocessing}
    (snapshot / "open_clip_config.json").write_text(json.dumps(config))
    save_file(torch.load(weights), snapshot / "open_clip_model.safetensors")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("qks_cli.bundling.reach.reachable", lambda: True)
    done = qks("models", "pull", "hf-hub:someone/tiny", "--photos", photos)
    assert done.returncode == 0, done.stderr
    bundle = read_bundle("someone-tiny")
    assert (bundle.resize, bundle.width, bundle.queries) == ("squash", 16, 10)
    assert bundle.architecture.mean == (0.1, 0.2, 0.3)
    assert bundle.architecture.backbone.quick_gelu
    pulled = load_image_model(bundle).state_dict()
    original = torch.load(weights)
    for name in ("visual.proj", "visual.class_embedding", "visual.ln_post.weight"):
        torch.testing.assert_close(pulled[name].float(), original[name], rtol=1e-3, atol=1e-4)
    done = qks("models", "pull", "hf-hub:someone/else")
    assert done.returncode == 2
    assert b"cannot fetch hf-hub:someone/else" in done.stderr
    assert b"Traceback" not in done.stderr
    assert not list(bundle.path.parent.glob("someone-else*"))
