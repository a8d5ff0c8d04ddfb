"""Whether every family of open_clip models gives here what it gives there.

    python benchmarks/families.py                     # tiny random models of every family
    python benchmarks/families.py ViT-B-32/openai ViT-B-16-SigLIP/webli   # real ones, fetched
    python benchmarks/families.py --used              # tiny ones, and the commands run on them
    python benchmarks/families.py --whole [RN50]      # whole architectures with random weights

Each model is made into a bundle as `qks models pull` makes it; image vectors of ten photos and
vectors of thirty texts are compared with open_clip's own ``encode_image`` and ``encode_text`` on
the same photos (decoded in full) and texts. The least cosine has to be 0.999. Random models see
little difference between photos, so the cosine of what is left without the mean is told too, and
their weights are numbers that half precision has.

``--used`` and ``--whole`` also run the commands on each: `qks tag` and `qks search` with the model
as it was pulled, `qks train` of a head on it, `qks tag` and `qks search` with that. They tell how
many photos had a tag and were found. Tokenizers that lie on a hub are replaced by a tiny one.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import open_clip
import torch
from open_clip import factory, pretrained
from PIL import Image
from torch.nn import functional

from qks_cli.app import app
from qks_cli.bundling import pull as pulling
from qks_cli.bundling.pull import example_photos, find_backbone, pull
from qks_cli.model.bundle import read_bundle
from qks_cli.model.torch_engine import TorchEngine
from qks_cli.photos.decode import decode

LEAST = 0.999
PHOTOS = 18  # that a head is trained on and that are tagged
HEAD_OPTIONS = "--head compact --queries 2 --layers 1 --epochs 1 --batch 8 --threads 1".split()
SPREAD = 2.0  # of random weights, over what a model starts with
TEXTS = [
    f"{start} {thing}{end}"
    for start, end in (("a photo of a", "."), ("There is The", " in the scene!"), ("", ""))
    for thing in (
        "dog",
        "red bus",
        "café",
        "hot-dog stand",
        "people, smiling",
        "sunset over_the sea",
        "T-shirt",
        "two cats",
        "piñata",
        "building",
    )
]
VIT = {"image_size": 64, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16}
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
TINY: dict[str, dict[str, Any]] = {
    "ViT": {"embed_dim": 16, "vision_cfg": VIT, "text_cfg": TEXT},
    "ViT, quick GELU by its tag": {"embed_dim": 16, "vision_cfg": VIT, "text_cfg": TEXT},
    "CoCa": {
        "embed_dim": 16,
        "custom_text": True,
        "vision_cfg": VIT
        | {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
        "text_cfg": TEXT | {"embed_cls": True, "output_tokens": True},
        "multimodal_cfg": TEXT | {"attn_pooler_heads": 2},
    },
    "SigLIP": {
        "embed_dim": 64,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 160,
            "timm_model_name": "test_vit",
            "timm_model_pretrained": False,
            "timm_pool": "map",
            "timm_proj": "none",
        },
        "text_cfg": TEXT
        | {
            "vocab_size": 200,
            "hf_tokenizer_name": "TOKENIZER",
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
        },
    },
    "EVA": {
        "embed_dim": 16,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 224,
            "timm_model_name": "eva02_tiny_patch14_224",
            "timm_model_pretrained": False,
            "timm_pool": "token",
            "timm_proj": None,
        },
        "text_cfg": TEXT,
    },
    "PE": {
        "embed_dim": 16,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 384,
            "timm_model_name": "vit_pe_core_tiny_patch16_384",
            "timm_model_pretrained": False,
            "timm_pool": "map",
            "timm_proj": None,
        },
        "text_cfg": TEXT,
    },
    "ViTamin": {
        "embed_dim": 16,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 224,
            "timm_model_name": "vitamin_small_224",
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
        },
        "text_cfg": TEXT,
    },
    "MobileCLIP": {
        "embed_dim": 16,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 128,
            "timm_model_name": "fastvit_mci0",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": None,
        },
        "text_cfg": TEXT | {"no_causal_mask": True},
    },
    "ConvNeXt": {
        "embed_dim": 16,
        "vision_cfg": {
            "image_size": 160,
            "timm_model_name": "test_convnext",
            "timm_model_pretrained": True,
            "timm_pool": "",
            "timm_proj": "linear",
        },
        "text_cfg": TEXT,
    },
    "ResNet": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
        "text_cfg": TEXT,
    },
}
# What a tag of each family says of photos.
TAGS: dict[str, dict[str, Any]] = {
    "ViT, quick GELU by its tag": {"quick_gelu": True},
    "SigLIP": {"mean": (0.5,) * 3, "std": (0.5,) * 3, "resize_mode": "squash"},
    "MobileCLIP": {"mean": (0.0,) * 3, "std": (1.0,) * 3, "interpolation": "bilinear"},
}

# One architecture of each family, the smallest that open_clip has weights of, or nearly.
WHOLE = (
    "ViT-B-32",
    "coca_ViT-B-32",
    "ViT-B-16-SigLIP",
    "ViT-B-32-SigLIP2-256",
    "EVA02-B-16",
    "PE-Core-T-16-384",
    "ViTamin-S",
    "MobileCLIP-S1",
    "MobileCLIP-B",
    "convnext_base",
    "RN50",
)


class Agreement(NamedTuple):
    """Least cosines: of image vectors, of these without their mean, of text vectors."""

    model: str
    images: float
    images_without_mean: float
    texts: float

    @property
    def agrees(self) -> bool:
        """Whether both reach ``LEAST``."""
        return min(self.images, self.texts) >= LEAST


def main() -> None:
    """Print one line a model; exits with 1 where one does not agree."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", help="ARCHITECTURE/WEIGHTS; none: tiny random ones")
    parser.add_argument("--whole", action="store_true", help="whole architectures, random weights")
    parser.add_argument("--used", action="store_true", help="run the commands on each, too")
    given = parser.parse_args()
    pulling.VIEWS = 16  # the calibration is not looked at
    print(f"{'model':34} {'images':>8} {'no mean':>8} {'texts':>8}", flush=True)
    if given.whole:
        good = [whole(name) for name in given.models or WHOLE]
    else:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            names = given.models or [name for _, name in register(work)]
            good = []
            for name in names:
                good.append(told(compare(name, work)))
                if given.used:
                    good.append(used(work, name.replace("/", "-")))
    raise SystemExit(0 if all(good) else 1)


def told(one: Agreement) -> bool:
    """Print a line; whether it agrees."""
    name = one.model.split("/")[0]
    figures = f"{one.images:8.5f} {one.images_without_mean:8.5f} {one.texts:8.5f}"
    print(f"{name:34} {figures}", flush=True)
    return one.agrees


def whole(architecture: str) -> bool:
    """Pull an architecture with random weights, compare it, tag and search, give it a head."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        config = json.loads(json.dumps(open_clip.get_model_config(architecture)))
        if config["text_cfg"].get("hf_tokenizer_name"):
            config["text_cfg"]["hf_tokenizer_name"] = str(_tiny_tokenizer(work / "tokenizer"))
        (work / f"random-{architecture}.json").write_text(json.dumps(config), encoding="utf-8")
        open_clip.add_model_config(work / f"random-{architecture}.json")
        torch.manual_seed(1)
        model = open_clip.create_model(f"random-{architecture}")
        _round(model)
        torch.save(model.state_dict(), work / "weights.pt")
        del model
        agrees = told(compare(f"random-{architecture}/{work / 'weights.pt'}", work))
        (work / "weights.pt").unlink()
        return agrees and used(work, f"random-{architecture}-weights")


def used(work: Path, name: str) -> bool:
    """Run the commands; whether every photo was tagged and found, before and after a head."""
    photos = _coloured(work / "made")
    base, run = str(work / "models" / name), work / f"head-{name}"
    head = str(run / "model")
    data = ("--dataset", "folder", "--root", str(photos))
    _qks("train", *data, "--model", base, "--out", str(run), *HEAD_OPTIONS)
    good = True
    for said, model in (("as pulled", base), ("with a head", head)):
        os.environ |= {"QKS_DB": f"{model}.db", "QKS_CACHE": str(work / "cache")}
        tagging = ("--labels", str(Path(head) / "labels.txt"), "--min-score", "0", "--top", "1")
        tagged = _qks("tag", str(photos), "--model", model, *tagging).splitlines()
        having = sum(bool(json.loads(line)["tags"]) for line in tagged)
        asked = ("--semantic-only", "--min-score", "0", "--weak")
        found = _qks("search", "red", "--model", model, *asked).splitlines()
        print(f"    {said}: {having} photos tagged, {len(found)} found", flush=True)
        good &= having == len(found) == PHOTOS
    return good


def _qks(*arguments: str) -> str:
    """What a command prints, run in this process: torch is imported once."""
    printed = io.BytesIO()
    with contextlib.redirect_stdout(io.TextIOWrapper(printed, write_through=True)) as out:
        app(list(arguments), standalone_mode=False)
        out.flush()
        return printed.getvalue().decode()


def _coloured(folder: Path) -> Path:
    """Noise in three colours, a folder each."""
    rng = np.random.default_rng(1)
    for number in range(PHOTOS):
        channel = number % 3
        pixels = rng.integers(0, 90, (96, 96, 3)).astype(np.uint8)
        pixels[..., channel] += 150
        path = folder / ("red", "green", "blue")[channel] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


def register(work: Path) -> Iterator[tuple[str, str]]:
    """Make random weights of every tiny family and tell open_clip of them; yields families and
    names that `qks models pull` takes."""
    tokenizer = _tiny_tokenizer(work / "tokenizer")
    for number, (family, config) in enumerate(TINY.items()):
        name = f"tiny{number}-{family.split(',')[0]}"
        text = json.dumps(config).replace("TOKENIZER", str(tokenizer))
        (work / f"{name}.json").write_text(text, encoding="utf-8")
        open_clip.add_model_config(work / f"{name}.json")
        tag = {"file": str(work / f"{name}.pt"), "quick_gelu": False} | TAGS.get(family, {})
        pretrained._PRETRAINED[name] = {"random": tag}
        torch.manual_seed(number)
        model = open_clip.create_model(name, force_quick_gelu=bool(tag["quick_gelu"]))
        _spread(model)
        _round(model)
        torch.save(model.state_dict(), work / f"{name}.pt")
        yield family, f"{name}/random"


def _spread(model: torch.nn.Module) -> None:
    """Weights that are not all alike, so that photos and texts differ."""
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1 and not name.startswith("logit"):
            torch.nn.init.normal_(parameter, 0.4, 0.4)
        elif parameter.dim() > 1:
            parameter.data.mul_(SPREAD)


def _round(model: torch.nn.Module) -> None:
    """To what a bundle stores: photos differ so little to random weights that rounding these is
    more than the difference."""
    for parameter in model.parameters():
        parameter.data.copy_(parameter.data.half())


def _tiny_tokenizer(folder: Path) -> Path:
    """A tokenizer as SigLIP's is kept: word pieces, an end token, a padding id that is not 0."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = sorted({piece for text in TEXTS for piece in text.lower().split()})
    vocab = {word: row for row, word in enumerate(["</s>", "<pad>", "<unk>", *words])}
    made = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 0)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    fast.save_pretrained(str(folder))
    return folder


def compare(name: str, work: Path) -> Agreement:
    """Pull a model into ``work`` and hold it against open_clip."""
    photos = _whole_photos(work / "photos")
    bundle = read_bundle(str(pulled(name, work)))
    engine = TorchEngine(bundle, "cpu")
    side = bundle.image_size
    pixels = np.zeros((len(photos), side, side, 3), np.uint8)
    for row, photo in enumerate(photos):
        decode(photo, bundle.resize, pixels[row])
    images = torch.from_numpy(engine.query_tokens(pixels)[:, 0])
    texts = torch.from_numpy(engine.text_embeddings(TEXTS))
    expected_images, expected_texts = _expected(name, photos)
    centre = expected_images.mean(0)
    return Agreement(
        name,
        _least(images, expected_images),
        _least(images - centre, expected_images - centre),
        _least(texts, expected_texts),
    )


def pulled(name: str, work: Path) -> Path:
    """The folder of a model that is pulled into ``work`` and calibrated on the photos there: by the
    command where its weights are a file. For those of a tag that would ask for a network."""
    models, photos = work / "models", _whole_photos(work / "photos")
    if not Path(name.partition("/")[2]).is_file():
        return pull(name, models, references=photos)
    models.mkdir(exist_ok=True)
    os.environ["QKS_MODELS"] = str(models)
    before = {*models.iterdir()}
    _qks("models", "pull", name, "--photos", str(work / "photos"))
    (made,) = {*models.iterdir()} - before
    return made


@torch.inference_mode()
def _expected(name: str, photos: list[Path]) -> tuple[torch.Tensor, torch.Tensor]:
    """What open_clip itself says: unit vectors of photos and texts."""
    backbone = find_backbone(name)
    tag = pretrained.get_pretrained_cfg(backbone.identifier, backbone.weights) or {}
    model, _, preprocess = open_clip.create_model_and_transforms(
        backbone.identifier,
        pretrained=backbone.weights or None,
        force_quick_gelu=bool(tag.get("quick_gelu")),
    )
    model.eval()
    batch = torch.stack(
        [preprocess(Image.open(photo, formats=("JPEG", "PNG")).convert("RGB")) for photo in photos]
    )
    tokens = factory.get_tokenizer(backbone.identifier)(TEXTS)
    return (
        functional.normalize(model.encode_image(batch), dim=-1),
        functional.normalize(model.encode_text(tokens), dim=-1),
    )


def _least(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(functional.cosine_similarity(one, other, dim=-1).min())


def _whole_photos(folder: Path) -> list[Path]:
    """Ten example photos as PNG: a JPEG would be read at a smaller scale here."""
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for photo in example_photos()[:10]:
        path = folder / f"{photo.stem}.png"
        if not path.is_file():
            Image.open(photo, formats=("JPEG", "PNG")).convert("RGB").save(path)
        out.append(path)
    return out


if __name__ == "__main__":
    main()
