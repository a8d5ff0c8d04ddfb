"""`qks train` on every layout, and what comes of it in `qks tag` and `qks eval`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from qks_cli.app import app
from qks_cli.bundling.pull import pull
from qks_cli.errors import QksError, UsageError
from qks_cli.model.bundle import read_bundle
from qks_cli.model.onnx_engine import OnnxEngine
from qks_cli.model.torch_engine import TorchEngine
from qks_cli.training.run import read_metrics
from qks_cli.vocabulary.labels_file import read_labels
from qks_cli.vocabulary.prompts import POOL
from tests.bundling.test_pull import weights  # noqa: F401 - a fixture
from tests.conftest import Qks
from tests.training import miniatures

SMALL = "--head compact --queries 2 --layers 1 --epochs 2 --batch 8 --rate 1e-3".split()


@pytest.fixture(autouse=True)
def model() -> None:
    """These tests are about the shipped model, whatever it says."""


def run(*arguments: object) -> None:
    """The command line in this process: torch is imported once for all tests."""
    app([str(one) for one in arguments], standalone_mode=False)


@pytest.mark.parametrize("name", sorted(miniatures.MAKERS))
def test_a_model_is_trained_and_tags(
    name: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    root = miniatures.MAKERS[name](tmp_path / "data")
    photos = miniatures.photo(tmp_path / "new" / "photo.jpg", 7).parent
    data = ("--dataset", name, "--root", root)
    refit = ("--refit",) if name == "coco" else ()
    run("train", *data, "--out", tmp_path / "out", *SMALL, *refit)
    said = capfdbinary.readouterr().err
    assert b"map_trained" in said
    assert b"ready: qks tag PHOTOS --model" in said
    model = tmp_path / "out" / "model"
    assert b"labels_with_own_cutoffs" in said
    assert read_labels(tmp_path / "out" / "labels.txt")[0].labels
    for made in ("training.png", "labels.png"):
        assert (tmp_path / "out" / made).read_bytes().startswith(b"\x89PNG")
    options = ("--labels", model / "labels.txt", "--min-score", "0", "--top", "2")
    run("tag", photos, "--model", model, *options, "--device", "cpu")
    (row,) = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert len(row["tags"]) == 2
    run("eval", *data, "--model", model, "--bootstrap", "5", "--format", "jsonl")
    rows = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert {row["method"] for row in rows} >= {"QKS", "class token", "patch max", "QKS + z"}
    assert all(row["map_low"] <= row["map"] <= row["map_high"] for row in rows)
    assert {row["subset"] for row in rows} >= ({"SEEN"} if name == "library" else {"SEEN", "ZSL"})


def test_a_head_on_a_pulled_backbone(
    weights: Path,  # noqa: F811
    photos: Path,
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    found = sorted(photos.rglob("*.jpg"))
    base = pull(f"ViT-tiny-test/{weights}", tmp_path / "models", references=found)
    root = miniatures.coco(tmp_path / "data")
    data = ("--dataset", "coco", "--root", root)
    (tmp_path / "config.json").write_text('{"validation_labels": 0.3}')
    options = (*SMALL, "--head", "reference", "--config", tmp_path / "config.json")
    run("train", *data, "--model", base, "--out", tmp_path / "out", *options)
    bundle = read_bundle(str(tmp_path / "out" / "model"))
    assert (bundle.queries, bundle.width, bundle.templates) == (2, 16, POOL)
    pixels = np.random.default_rng(1).integers(0, 255, (3, 64, 64, 3)).astype(np.uint8)
    onnx, eager = OnnxEngine(bundle), TorchEngine(bundle, "cpu")
    np.testing.assert_allclose(
        onnx.query_tokens(pixels), eager.query_tokens(pixels), rtol=0.02, atol=0.02
    )
    texts = ["a photo of a dog", "red"]
    vectors = onnx.text_embeddings(texts)
    np.testing.assert_allclose(vectors, eager.text_embeddings(texts), rtol=0.02, atol=0.02)
    lengths = np.linalg.norm(vectors, axis=1)
    assert not np.allclose(lengths, 1, atol=1e-2)  # magnitude takes part in matching
    capfdbinary.readouterr()
    more = ("--method", "sparc", "--method", "piaa", "--method", "tagclip")
    files = ("--save", tmp_path / "saved", "--fit-cutoffs", tmp_path / "own.txt")
    run("eval", *data, "--model", bundle.path, "--bootstrap", "0", *more, *files)
    said = capfdbinary.readouterr()
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert {row["protocol"] for row in rows} == {"filtered", "unfiltered"}
    assert {row["method"] for row in rows} >= {"SPARC", "PIAA", "TagCLIP re-scoring"}
    held_out = (tmp_path / "out" / "held-out.txt").read_text().split()
    assert len(held_out) == 1
    subsets = {row["subset"]: row["labels"] for row in rows}
    assert (subsets["SEEN"], subsets["SEEN, trained"], subsets["SEEN, held out"]) == (4, 3, 1)
    assert b"of 6 labels with a cut-off of its own" in said.err
    assert len(read_labels(tmp_path / "own.txt")[0].labels) == 6
    with np.load(tmp_path / "saved" / "scores.npz") as stored:
        assert stored["scores: QKS"].shape == stored["present"].shape == (16, 6)
        assert stored["image_vectors"].shape == (16, 16)
    table = (tmp_path / "saved" / "labels.csv").read_text().splitlines()
    assert table[0].startswith("key,name,seen,present,known,class token,")
    assert len(table) == 7
    run("eval", *data, "--model", base, "--bootstrap", "0")
    plain = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert baselines(plain, "SEEN") == pytest.approx(baselines(rows, "SEEN"), abs=0.02)


def baselines(rows: list[dict[str, object]], subset: str) -> dict[str, object]:
    """What does not depend on the head."""
    return {
        f"{row['protocol']} {row['method']}": row["map"]
        for row in rows
        if row["subset"] == subset and row["method"] in ("class token", "patch max")
    }


def test_photos_are_read_in_every_epoch_where_tokens_are_not_kept(tmp_path: Path) -> None:
    root = miniatures.folder(tmp_path / "data")
    data = ("--dataset", "folder", "--root", root, "--out", tmp_path / "out")
    run("train", *data, *SMALL, "--epochs", "1", "--no-cache-tokens")
    assert not (tmp_path / "out" / "tokens").exists()
    assert read_bundle(str(tmp_path / "out" / "model")).has("image.onnx")


def test_plots_of_an_evaluation(tmp_path: Path) -> None:
    root = miniatures.coco(tmp_path / "data")
    run("eval", "--dataset", "coco", "--root", root, "--bootstrap", "0", "--plots", tmp_path / "p")
    names = {path.name for path in (tmp_path / "p").iterdir()}
    assert names >= {"reliability.png", "precision-recall-seen.png", "calibration.json"}
    stored = json.loads((tmp_path / "p" / "calibration.json").read_text())
    assert set(stored["default_cutoff"]) == {"SEEN", "ZSL", "GZSL"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--dataset", "imagenet", "--root", "."), "no data set 'imagenet'"),
        (("--dataset", "coco"), "needs --root"),
        (("--dataset", "mini"), "needs --pool and --teachers"),
        (
            ("--dataset", "mini", "--pool", ".", "--teachers", ".", "--text-epochs", "0"),
            "--start, which is not given",
        ),
        (("--dataset", "folder", "--root", "ROOT", "--resume"), "no run to resume"),
        (
            ("--dataset", "folder", "--root", "ROOT", "--unfreeze", "--cache-tokens"),
            "--unfreeze changes",
        ),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    root = miniatures.folder(tmp_path / "data")
    given = [str(root) if one == "ROOT" else one for one in options]
    with pytest.raises((UsageError, QksError), match=message):
        run("train", *given, "--out", tmp_path / "out")


@pytest.mark.parametrize(
    ("option", "value", "choices"),
    [
        ("--device", "tpu", b"'cpu', 'cuda'"),
        ("--loss", "hinge", b"'asl', 'bce', 'rank'"),
        ("--head", "deep", b"'reference', 'compact', 'linear'"),
        ("--prompts", "some", b"'model', 'paper', 'one'"),
    ],
)
def test_a_choice_that_there_is_not_names_those_that_there_are(
    tmp_path: Path, qks: Qks, option: str, value: str, choices: bytes
) -> None:
    done = qks("train", "--dataset", "coco", "--out", tmp_path / "out", option, value)
    assert done.returncode == 2
    assert choices in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_evaluation_that_cannot_be(tmp_path: Path, qks: Qks) -> None:
    done = qks("eval", "--dataset", "voc", "--root", tmp_path)
    assert done.returncode == 2
    assert b"lacks ImageSets/Main/trainval.txt" in done.stderr
    assert b"Pascal VOC page" in done.stderr


def test_several_seeds_in_one_command_with_curves(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    out = tmp_path / "out"
    data = ("--dataset", "coco", "--root", miniatures.coco(tmp_path / "data"))
    options = (*SMALL, "--seeds", "3", "--seeds", "5", "--seeds", "3", "--tensorboard")
    command = ("train", *data, "--out", out, *options)
    run(*command)
    assert sorted(path.name for path in out.iterdir()) == [
        "seed-3",
        "seed-5",
        "seeds.json",
        "tokens",
    ]
    stored = json.loads((out / "seeds.json").read_text())
    best = []
    for seed, row in zip((3, 5), stored["seeds"], strict=True):
        folder = out / f"seed-{seed}"
        assert read_bundle(str(folder / "model")).has("image.onnx")
        assert json.loads((folder / "config.json").read_text())["seed"] == seed
        rows = read_metrics(folder / "metrics.jsonl")
        best.append(max(rows, key=lambda one: one["selection"]))
        assert row == best[-1] | {"seed": seed}
        curves = accumulator.EventAccumulator(str(folder / "tensorboard"))
        curves.Reload()
        for name in ("loss", "map_trained", "rate"):
            drawn = [(event.step, event.value) for event in curves.Scalars(name)]
            assert drawn == [(one["epoch"], pytest.approx(one[name])) for one in rows]
    chosen = [row["selection"] for row in best]
    assert stored["selection"]["mean"] == pytest.approx(sum(chosen) / 2)
    assert stored["selection"]["deviation"] == pytest.approx(abs(chosen[0] - chosen[1]) / 2**0.5)
    heads = [(out / f"seed-{seed}" / "best" / "state.pt").read_bytes() for seed in (3, 5)]
    assert heads[0] != heads[1]
    run(*command, "--resume")  # nothing is left to do
    assert json.loads((out / "seeds.json").read_text()) == stored
    assert [(out / f"seed-{n}" / "best" / "state.pt").read_bytes() for n in (3, 5)] == heads
    capfdbinary.readouterr()


def test_curves_without_their_package_are_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tensorboard" else found(name)
    )
    with pytest.raises(UsageError, match="needs the package tensorboard") as raised:
        run(
            "train",
            "--dataset",
            "folder",
            "--root",
            tmp_path,
            "--out",
            tmp_path / "out",
            "--tensorboard",
        )
    assert raised.value.hint == "pip install tensorboard"
    assert not (tmp_path / "out").exists()
