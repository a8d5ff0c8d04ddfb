"""Bundles of ours: written ready for a hub, taken from a folder or a repository."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from qks_cli.bundling.share import push, take
from qks_cli.errors import ModelError, UsageError
from qks_cli.model.bundle import Bundle, file_hash, read_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """No model, but a bundle whose hashes are right."""
    folder = tmp_path / "birds"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "labels.txt").write_text("wren\n")
    config: dict[str, Any] = {
        "version": "3",
        "resize": "crop",
        "templates": ["{}"],
        "files": {"model.safetensors": file_hash(folder / "model.safetensors")},
        "model": {"name": "birds", "image_size": 8, "label_width": 4, "decoder": {"queries": 1}},
    }
    (folder / "config.json").write_text(json.dumps(config))
    return read_bundle(str(folder))


def said(text: str) -> None:
    """Nobody listens."""


def test_a_pushed_bundle_is_taken_as_it_is(bundle: Bundle, tmp_path: Path) -> None:
    out = push(bundle, tmp_path / "hub")
    assert (out / "README.md").read_text().startswith("---\nlibrary_name: qks\n")
    with pytest.raises(UsageError, match="is not empty"):
        push(bundle, out)
    taken = take(str(out), tmp_path / "models", said)
    assert taken == tmp_path / "models" / "hub"
    assert read_bundle(str(taken)).hash == bundle.hash
    assert (taken / "labels.txt").read_text() == "wren\n"


def test_a_damaged_bundle_is_not_taken(bundle: Bundle, tmp_path: Path) -> None:
    (bundle.path / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(ModelError, match="damaged"):
        take(str(bundle.path), tmp_path / "models", said)
    assert not (tmp_path / "models").exists()
    config = json.loads((bundle.path / "config.json").read_text())
    config["files"] = {"../birds/model.safetensors": "0"}
    (bundle.path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="outside its folder"):
        take(str(bundle.path), tmp_path / "models", said)


def test_a_repository_with_a_bundle_of_ours(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError

    hub = push(bundle, tmp_path / "hub")

    def snapshot(repository: str, allow_patterns: list[str]) -> str:
        out = tmp_path / "cache"
        out.mkdir()
        for name in allow_patterns:
            if (hub / name).is_file():
                shutil.copyfile(hub / name, out / name)
        return str(out)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repo, name: str(hub / name))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    taken = take("hf-hub:someone/birds", tmp_path / "models", said)
    assert taken == tmp_path / "models" / "someone-birds"
    assert read_bundle(str(taken)).hash == bundle.hash
    (hub / "config.json").write_text('{"architecture": "another library\'s"}')
    assert take("hf-hub:someone/else", tmp_path / "models", said) is None

    def missing(repository: str, name: str) -> str:
        raise EntryNotFoundError("404")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", missing)
    assert take("hf-hub:someone/else", tmp_path / "models", said) is None
    assert take("ViT-B-32/openai", tmp_path / "models", said) is None
