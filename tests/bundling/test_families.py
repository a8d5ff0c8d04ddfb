"""Every family of open_clip models, tiny and random: read as open_clip reads it, able to carry a
head, exported."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import open_clip
import pytest
import torch

from qks_cli.bundling import pull as pulling
from qks_cli.bundling.pull import find_backbone, pull, resize_of
from qks_cli.errors import ModelError
from qks_cli.export.graphs import export_image, export_text
from qks_cli.model.bundle import read_bundle
from qks_cli.model.tokenizer import TextTokenizer
from qks_cli.model.weights import load_image_model
from qks_cli.network.config import BackboneConfig, DecoderConfig, ModelConfig
from qks_cli.network.head import ClipSource, HeadedModel, build_head
from qks_cli.network.pixels import Normalise
from qks_cli.network.zero_shot import ZeroShotImage, ZeroShotText, build_clip
from tests.training import tiny


def _script() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "families.py"
    spec = importlib.util.spec_from_file_location("families", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["families"] = module
    spec.loader.exec_module(module)
    return module


families = _script()


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """Random weights of every family, which open_clip knows of while these tests run."""
    work = tmp_path_factory.mktemp("families")
    with pytest.MonkeyPatch.context() as patch:
        configs, tags = open_clip.factory._MODEL_CONFIGS, open_clip.pretrained._PRETRAINED
        patch.setattr(open_clip.factory, "_MODEL_CONFIGS", dict(configs))
        patch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", [])
        patch.setattr(open_clip.pretrained, "_PRETRAINED", dict(tags))
        patch.setattr(pulling, "VIEWS", 4)
        yield work, dict(families.register(work))


@pytest.mark.parametrize("family", list(families.TINY))
def test_a_family_gives_what_open_clip_gives(
    family: str, registered: tuple[Path, dict[str, str]]
) -> None:
    work, names = registered
    found = families.compare(names[family], work)
    assert found.agrees, found
    assert found.images_without_mean > 0.95, found
    assert found.texts > 0.9999, found


# One family that reads texts in its own way, and one that reads photos so; every family is run by
# ``benchmarks/families.py --used``.
@pytest.mark.parametrize("family", ["SigLIP", "MobileCLIP"])
def test_the_commands_run_on_a_family(
    family: str, registered: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pulled from a file of weights; tags and finds, then once more with a head trained on it."""
    work, names = registered
    for variable in (
        "QKS_DB",
        "QKS_CACHE",
        "QKS_MODELS",
    ):  # the script sets them; undone afterwards
        monkeypatch.setenv(variable, str(work))
    architecture = names[family].split("/")[0]
    folder = families.pulled(f"{architecture}/{work / architecture}.pt", work)
    assert families.used(work, folder.name)


def clip_of(family: str) -> torch.nn.Module:
    torch.manual_seed(1)
    made = build_clip(families.TINY[family])
    families._spread(made)
    return made.eval()


@pytest.mark.parametrize("family", list(families.TINY))
def test_a_head_reads_all_tokens_of_every_family(family: str) -> None:
    clip: Any = clip_of(family)
    source = ClipSource(clip)
    side = families.TINY[family]["vision_cfg"]["image_size"]
    pixels = torch.randn(2, 3, side, side)
    with torch.inference_mode():
        memory, image, places = source.read(pixels)
        expected = clip.encode_image(pixels, normalize=True)
        torch.testing.assert_close(
            torch.nn.functional.normalize(image, dim=-1), expected, rtol=1e-3, atol=1e-4
        )
        torch.testing.assert_close(source(pixels), memory)
    assert memory.shape == (2, source.tokens, source.width)
    assert source.tokens > 1
    assert places.shape[::2] == (2, image.shape[1])
    heads = 4 if source.width % 4 == 0 else 1
    config = DecoderConfig(queries=2, width=source.width, layers=1, heads=heads, ffn_ratio=1.0)
    head = build_head(config, source, image.shape[1])
    clues = head(memory.clone())
    assert clues.shape == (2, 2, image.shape[1])
    clues.sum().backward()


@pytest.mark.parametrize("family", ["SigLIP", "CoCa", "EVA", "ConvNeXt", "ResNet"])
def test_a_headed_model_of_a_family_is_exported(family: str, tmp_path: Path) -> None:
    import onnxruntime

    config = families.TINY[family]
    source = ClipSource(clip_of(family))
    side = config["vision_cfg"]["image_size"]
    decoder = DecoderConfig("compact", queries=2, width=8, layers=1, heads=1, ffn_ratio=1.0)
    model = HeadedModel(source, build_head(decoder, source, 16)).eval()
    whole = ModelConfig(
        family, side, 16, BackboneConfig(config["vision_cfg"], 16), clip=config, head=decoder
    )
    export_image(model, whole, tmp_path / "image.onnx")
    pixels = np.random.default_rng(1).integers(0, 255, (3, side, side, 3)).astype(np.uint8)
    session = onnxruntime.InferenceSession(str(tmp_path / "image.onnx"))
    (found,) = session.run(["tokens"], {"pixels": pixels})
    with torch.inference_mode():
        expected = model(Normalise(whole)(torch.from_numpy(pixels))).query_BME.numpy()
    np.testing.assert_allclose(found, expected, rtol=0.02, atol=0.02 * np.abs(expected).max())


@pytest.mark.parametrize("family", ["SigLIP", "CoCa"])
def test_texts_of_a_headed_model_are_exported(family: str, tmp_path: Path) -> None:
    """Whatever the size of the vocabulary, as long as they come."""
    import onnxruntime

    length = families.TEXT["context_length"]
    tower = ZeroShotText(clip_of(family), normalize=False)
    export_text(tower, tmp_path / "text.onnx", length=length)
    ids = torch.randint(1, 40, (3, length))
    ids[1, 5:] = 1
    session = onnxruntime.InferenceSession(str(tmp_path / "text.onnx"))
    (found,) = session.run(["vectors"], {"ids": ids.numpy()})
    with torch.inference_mode():
        expected = tower(ids).numpy()
    np.testing.assert_allclose(found, expected, rtol=0.01, atol=0.01 * np.abs(expected).max())


def test_class_token_and_patches_go_through_norm_and_projection() -> None:
    """Without the final norm, or with another projection, this is not what the model says."""
    clip: Any = tiny.clip()
    source = ClipSource(clip)
    pixels = torch.randn(3, 3, 32, 32)
    with torch.inference_mode():
        memory, image, places = source.read(pixels)
        torch.testing.assert_close(image, clip.encode_image(pixels), rtol=1e-4, atol=1e-5)
        clip.visual.output_tokens = True
        _, patches = clip.visual(pixels)
    torch.testing.assert_close(memory[:, 1:], patches, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(places, patches @ clip.visual.proj, rtol=1e-4, atol=1e-5)
    assert source.grid == (2, 2)
    assert ZeroShotImage(clip).queries == 10


def test_quick_gelu_is_that_of_the_tag(registered: tuple[Path, dict[str, str]]) -> None:
    work, names = registered
    for family, quick in (("ViT, quick GELU by its tag", True), ("ViT", False)):
        assert find_backbone(names[family]).config["quick_gelu"] is quick
        folder = pull(names[family], work / "quick", references=[_photo(work)])
        model = load_image_model(read_bundle(str(folder)))
        kinds = {type(module).__name__ for module in model.modules()}
        assert ("QuickGELU" in kinds) is quick
    for name, tag in (("ViT-B-32", "openai"), ("ViT-B-16", "metaclip_400m"), ("ViT-B-16", "dfn2b")):
        assert find_backbone(f"{name}/{tag}").config["quick_gelu"]
    assert not find_backbone("ViT-B-32/laion2b_s34b_b79k").config["quick_gelu"]


def _photo(work: Path) -> Path:
    from tests.training import miniatures

    return miniatures.photo(work / "photo.png", 1)


def test_preprocessing_is_the_models_own(registered: tuple[Path, dict[str, str]]) -> None:
    work, names = registered
    expected = {
        "SigLIP": ((0.5,) * 3, (0.5,) * 3, "squash", 160),
        "MobileCLIP": ((0.0,) * 3, (1.0,) * 3, "crop:bilinear", 128),
        "ViT": (None, None, "crop", 64),
    }
    for family, (mean, std, resize, side) in expected.items():
        folder = pull(names[family], work / "own", references=[_photo(work)])
        bundle = read_bundle(str(folder))
        config = ModelConfig.from_dict(bundle.config["model"])
        assert (bundle.resize, bundle.image_size) == (resize, side)
        if mean is not None:
            assert (config.mean, config.std) == (mean, std)
    with pytest.raises(ModelError, match="not supported yet: longest"):
        resize_of({"resize_mode": "longest", "interpolation": "bicubic"})


def test_texts_are_cleaned_and_padded_as_siglips_are(
    registered: tuple[Path, dict[str, str]],
) -> None:
    work, names = registered
    folder = pull(names["SigLIP"], work / "texts", references=[_photo(work)])
    ours = TextTokenizer(read_bundle(str(folder)))
    theirs = open_clip.get_tokenizer(names["SigLIP"].split("/")[0])
    texts = [*families.TEXTS, "A  Hot-Dog_stand!", "", "dog " * 40]
    assert ours(texts).tolist() == theirs(texts).tolist()
    assert ours.pad_id == 1


def test_a_pull_that_fails_leaves_nothing_behind(
    registered: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, names = registered
    models = tmp_path / "models"
    with pytest.raises(Exception, match="none of the reference photos"):
        pull(names["ViT"], models, references=[])
    assert not models.exists()
    good = pull(names["ViT"], models, references=[_photo(tmp_path)])
    before = (good / "config.json").read_bytes()
    with pytest.raises(Exception, match="none of the reference photos"):
        pull(names["ViT"], models, references=[])
    assert [path.name for path in models.iterdir()] == [good.name]
    assert (good / "config.json").read_bytes() == before
