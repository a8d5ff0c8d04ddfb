from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qks_cli.errors import ModelError, UsageError
from qks_cli.model.bundle import find_bundle, list_bundles, read_bundle
from qks_cli.model.engine import open_engine
from qks_cli.model.model import Model
from qks_cli.model.onnx_engine import OnnxEngine, adds_exactly
from qks_cli.model.torch_engine import TorchEngine
from qks_cli.vocabulary.labels_file import read_labels

TEXTS = ["a dog", "Café au lait", "x" * 500, "", "two people riding bicycles on the beach"]


def test_both_engines_give_nearly_the_same_scores() -> None:
    from skimage import data

    bundle = read_bundle("mini")
    side = bundle.image_size
    pictures = [data.chelsea(), data.coffee(), data.astronaut()]
    photos = [Image.fromarray(picture).resize((side, side)) for picture in pictures]
    pixels = np.stack([np.asarray(photo) for photo in photos])
    onnx, torch = OnnxEngine(bundle), TorchEngine(bundle, "cpu")
    np.testing.assert_allclose(onnx.text_embeddings(TEXTS), torch.text_embeddings(TEXTS), atol=2e-4)
    one, two = onnx.query_tokens(pixels), torch.query_tokens(pixels)
    # Most of the graph's backbone computes in 8-bit integers, torch in floating point.
    cosines = (one * two).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(two, axis=-1)
    assert cosines.min() > 0.99
    vocabulary, _ = read_labels(bundle.path / "labels.txt")
    tagger = Model(bundle, engine=onnx).tagger(vocabulary)
    np.testing.assert_allclose(tagger.scores(one), tagger.scores(two), atol=0.08)


def test_scores_do_not_depend_on_the_batch() -> None:
    bundle = read_bundle("mini")
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 255, (5, bundle.image_size, bundle.image_size, 3), dtype=np.uint8)
    engine = OnnxEngine(bundle)
    together = engine.query_tokens(pixels)
    for size in (1, 2, 3):
        parts = [engine.query_tokens(pixels[at : at + size]) for at in range(0, 5, size)]
        np.testing.assert_array_equal(together, np.concatenate(parts))


def copy_of_mini(folder: Path) -> Path:
    return Path(shutil.copytree(find_bundle("mini"), folder / "mini"))


def test_a_damaged_bundle_names_the_file(tmp_path: Path) -> None:
    folder = copy_of_mini(tmp_path)
    with (folder / "image.onnx").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ModelError, match=r"image\.onnx is damaged"):
        OnnxEngine(read_bundle(str(folder))).query_tokens(np.zeros((1, 8, 8, 3), np.uint8))
    (folder / "text.onnx").unlink()
    with pytest.raises(ModelError, match=r"lacks the file text\.onnx"):
        OnnxEngine(read_bundle(str(folder))).text_embeddings(["x"])
    (folder / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="not a model's configuration"):
        read_bundle(str(folder))


def test_the_users_models_come_first(tmp_path: Path) -> None:
    folder = copy_of_mini(tmp_path / "models")
    assert find_bundle("mini") == folder
    assert folder in list_bundles()
    with pytest.raises(ModelError, match="no model 'nothing'"):
        find_bundle("nothing")


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no device 'abacus'"):
        open_engine(read_bundle("mini"), "abacus")


@pytest.mark.parametrize(
    ("flags", "exact"),
    [
        ("flags\t\t: fpu avx512f avx512_vnni sse4_2\n", True),
        ("flags\t\t: fpu avx2 avx_vnni\n", True),
        ("flags\t\t: fpu avx2 avx512f avx512_bf16\n", False),
        (None, False),  # the system has no such file
    ],
)
def test_only_processors_that_say_so_add_8_bit_products_exactly(
    tmp_path: Path, flags: str | None, exact: bool
) -> None:
    file = tmp_path / "cpuinfo"
    if flags is not None:
        file.write_text(flags)
    assert adds_exactly(file) is exact
