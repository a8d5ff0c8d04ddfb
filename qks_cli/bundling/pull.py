"""Fetch an open_clip backbone and make a bundle of it that tags without training.

open_clip does the fetching. The head is training-free (``network/zero_shot.py``), the prompt pool
the paper's 85 templates. Scores are calibrated against reference photos: the user's own where they
are at hand, else parts of the example photos.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
from open_clip import factory, pretrained
from torch import nn

from qks_cli.bundling import share
from qks_cli.bundling.tokenizing import convert_tokenizer
from qks_cli.errors import ModelError, PhotoError, UsageError
from qks_cli.model.bundle import read_bundle
from qks_cli.model.calibration import Calibration
from qks_cli.model.torch_engine import TorchEngine
from qks_cli.model.weights import write_config, write_weights
from qks_cli.network.config import BackboneConfig, DecoderConfig, ModelConfig
from qks_cli.network.zero_shot import ZeroShotImage
from qks_cli.photos.decode import decode
from qks_cli.photos.suffixes import PHOTOS
from qks_cli.types import Float32Array, UInt8Array
from qks_cli.vocabulary.prompts import POOL
from qks_cli.wording import count_of

REFERENCES = 500  # reference photos at most
VIEWS = 600  # what too few photos are cut into
HUB = "hf-hub:"
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Backbone:
    """An open_clip model as it is named: ``config`` is open_clip's own, with what the pretrained
    tag changes; ``weights`` a tag or a file, '' on a hub."""

    identifier: str
    weights: str
    config: dict[str, Any]

    @property
    def folder(self) -> str:
        """What the bundle is called."""
        plain = self.identifier.removeprefix(HUB)
        last = f"-{Path(self.weights).stem}" if self.weights else ""
        return f"{plain}{last}".replace("/", "-")


def pull(
    name: str,
    folder: Path,
    *,
    references: Sequence[Path],
    device: str = "cpu",
    report: Report = lambda text: None,
) -> Path:
    """Make a bundle in ``folder`` of ``name``: ARCHITECTURE/WEIGHTS, ``hf-hub:`` and a repository,
    or a folder or repository with a bundle of ours, which is taken as it is.

    WEIGHTS is one of open_clip's tags, its first where left out, or a file. A pull that fails
    leaves nothing behind. Raises ``UsageError`` for a name that open_clip does not know,
    ``ModelError`` where it cannot be fetched or used.
    """
    ours = share.take(name, folder, report)
    if ours is not None:
        return ours
    backbone = find_backbone(name)
    with share.new_folder(folder, backbone.folder) as partial:
        partial.mkdir()
        _make(backbone, partial, references, device, report)
    return folder / backbone.folder


def _make(
    backbone: Backbone, out: Path, references: Sequence[Path], device: str, report: Report
) -> None:
    report(f"fetching {backbone.identifier} {backbone.weights}".rstrip())
    clip = _fetch(backbone)
    write_weights(out, clip=clip)
    tokenizer = open_clip.get_tokenizer(backbone.identifier)
    convert_tokenizer(tokenizer).save(str(out / "tokenizer.json"))
    settings = open_clip.get_model_preprocess_cfg(clip)
    side = settings["size"][0] if isinstance(settings["size"], tuple | list) else settings["size"]
    config = backbone.config
    model = ModelConfig(
        out.name,
        int(side),
        int(config["embed_dim"]),
        BackboneConfig(
            config["vision_cfg"], config["embed_dim"], quick_gelu=bool(config.get("quick_gelu"))
        ),
        DecoderConfig("zero-shot", queries=ZeroShotImage(clip).queries),
        clip=config,
        mean=tuple(settings["mean"]),
        std=tuple(settings["std"]),
    )
    resize = resize_of(settings)

    def describe() -> None:
        write_config(
            out,
            model,
            version=backbone.weights or "hub",
            resize=resize,
            templates=POOL,
            label_length=None,
        )

    describe()
    report(f"calibrating on {count_of(len(references), 'photo')}")
    engine = TorchEngine(read_bundle(str(out)), device)
    bank_RME = _bank(engine, references, model.image_size, resize)
    Calibration.unfitted(bank_RME).write(out)
    describe()


def find_backbone(name: str) -> Backbone:
    """Raises ``UsageError`` for a name that open_clip does not know, ``ModelError`` for a model
    that cannot be used."""
    if name.startswith(HUB):
        try:
            config = dict(factory._get_hf_config(name.removeprefix(HUB))["model_cfg"])
        except Exception as error:  # every hub has its own ways to fail
            raise ModelError(f"cannot fetch {name}: {_reason(error)}") from error
        backbone = Backbone(name, "", config)
    else:
        architecture, weights = _parse(name)
        config = dict(open_clip.get_model_config(architecture))
        # Some tags were trained with another activation than their architecture names.
        tag = pretrained.get_pretrained_cfg(architecture, weights) or {}
        config["quick_gelu"] = bool(config.get("quick_gelu") or tag.get("quick_gelu"))
        backbone = Backbone(architecture, weights, config)
    if backbone.config.get("text_cfg", {}).get("hf_model_name"):
        raise ModelError(f"{name} has a text tower of another library, not supported yet")
    return backbone


def _fetch(backbone: Backbone) -> nn.Module:
    # open_clip logs what it raises as well; the user is told once.
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clip, _, _ = open_clip.create_model_and_transforms(
                backbone.identifier,
                pretrained=backbone.weights or None,
                precision="fp32",
                force_quick_gelu=bool(backbone.config.get("quick_gelu")),
                require_pretrained=True,
            )
    except Exception as error:  # every source has its own ways to fail
        raise ModelError(
            f"cannot fetch {backbone.identifier}/{backbone.weights}: {_reason(error)}",
            hint="nothing was changed",
        ) from error
    finally:
        logging.disable(logging.NOTSET)
    made: nn.Module = clip.eval()
    return made


def resize_of(settings: dict[str, Any]) -> str:
    """How photos are brought to the model, as ``photos/decode.py`` understands it.

    Raises ``ModelError`` for a way that it does not know."""
    modes = {"shortest": "crop", "squash": "squash"}
    mode = modes.get(settings.get("resize_mode") or "shortest")
    kind = settings.get("interpolation") or "bicubic"
    if mode is None or kind not in ("bicubic", "bilinear"):
        raise ModelError(
            f"photos are resized in a way that is not supported yet: "
            f"{settings.get('resize_mode')}, {kind}"
        )
    return mode if kind == "bicubic" else f"{mode}:{kind}"


def _reason(error: Exception) -> str:
    """The cause in a few words: without a network, hubs say so at length and in many ways."""
    text = " ".join(str(error).split())
    if any(word in text.lower() for word in ("connection", "network", "resolve", "offline")):
        return "its source cannot be reached; check the network connection"
    return text[:200] or type(error).__name__


def _parse(name: str) -> tuple[str, str]:
    architecture, _, weights = name.partition("/")
    if architecture not in open_clip.list_models():
        raise UsageError(
            f"open_clip knows no architecture '{architecture}'",
            hint="for instance ViT-B-32/laion2b_s34b_b79k",
        )
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if not weights and tags:
        return architecture, str(tags[0])
    if weights not in tags and not Path(weights).is_file():
        raise UsageError(
            f"open_clip has no weights '{weights}' for {architecture}",
            hint=f"it has: {', '.join(tags) or 'none'}",
        )
    return architecture, weights


def _bank(engine: TorchEngine, paths: Sequence[Path], side: int, resize: str) -> Float32Array:
    """Query tokens [R, M, E] of reference photos; few photos are cut into many views."""
    rng = np.random.default_rng(1)
    read: list[UInt8Array] = []
    cut = len(paths) < REFERENCES // 4
    for path in paths:
        pixels = np.empty((side * 2, side * 2, 3) if cut else (side, side, 3), np.uint8)
        try:
            decode(path, "squash" if cut else resize, pixels)
        except PhotoError:
            continue
        read.append(pixels)
    if not read:
        raise UsageError("none of the reference photos could be read", hint="give --photos FOLDER")
    views = read
    if cut:
        views = []
        for number in range(VIEWS):
            corner = rng.integers(0, side + 1, 2)
            pixels = read[number % len(read)]
            views.append(pixels[corner[0] : corner[0] + side, corner[1] : corner[1] + side])
    parts = [engine.query_tokens(np.stack(views[at : at + 16])) for at in range(0, len(views), 16)]
    return np.concatenate(parts)


def example_photos() -> list[Path]:
    """The example photos that come with qks."""
    root = Path(__file__).parent.parent
    for folder in (root / "_examples", root.parent / "examples" / "photos"):
        if folder.is_dir():
            return sorted(path for path in folder.iterdir() if path.suffix in PHOTOS)
    return []
