"""Fetch an open_clip backbone and make a bundle of it that tags without training.

open_clip does the fetching. The head is training-free (``network/zero_shot.py``), the prompt pool
the paper's 85 templates. Scores are calibrated against reference photos: the user's own where they
are at hand, else parts of the example photos.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from qks_cli.errors import ModelError, PhotoError, UsageError
from qks_cli.model.bundle import read_bundle
from qks_cli.model.calibration import Calibration
from qks_cli.model.torch_engine import TorchEngine
from qks_cli.model.weights import write_config, write_weights
from qks_cli.network.config import BackboneConfig, DecoderConfig, ModelConfig
from qks_cli.network.zero_shot import ZeroShotImage
from qks_cli.photos.decode import decode
from qks_cli.types import Float32Array, UInt8Array
from qks_cli.vocabulary.prompts import POOL

REFERENCES = 500  # reference photos at most
VIEWS = 600  # what too few photos are cut into


def pull(
    name: str,
    folder: Path,
    *,
    references: Sequence[Path],
    device: str = "cpu",
    report: Callable[[str], None] = lambda text: None,
) -> Path:
    """Make the bundle ``folder``/ARCHITECTURE-WEIGHTS of ``name``, ARCHITECTURE/WEIGHTS.

    WEIGHTS is one of open_clip's tags, its first where left out, or a file. Raises ``UsageError``
    for a name that open_clip does not know, ``ModelError`` where it cannot be fetched or used.
    """
    architecture, weights = _parse(name)
    config = open_clip.get_model_config(architecture)
    if config.get("text_cfg", {}).get("hf_model_name"):
        raise ModelError(f"{architecture} has a text tower of another library, not supported yet")
    report(f"fetching {architecture} {weights}")
    # open_clip logs what it raises as well; the user is told once.
    logging.disable(logging.ERROR)
    try:
        clip, _, _ = open_clip.create_model_and_transforms(
            architecture, pretrained=weights, precision="fp32"
        )
    except Exception as error:  # every source has its own ways to fail
        raise ModelError(
            f"cannot fetch {architecture}/{weights}: {_reason(error)}",
            hint="nothing was changed",
        ) from error
    finally:
        logging.disable(logging.NOTSET)
    out = folder / f"{architecture}-{Path(weights).stem}".replace("/", "-")
    out.mkdir(parents=True, exist_ok=True)
    write_weights(out, clip=clip)
    convert_tokenizer(open_clip.get_tokenizer(architecture)).save(str(out / "tokenizer.json"))
    settings = open_clip.get_model_preprocess_cfg(clip)
    side = settings["size"][0] if isinstance(settings["size"], tuple) else settings["size"]
    model = ModelConfig(
        out.name,
        int(side),
        int(config["embed_dim"]),
        BackboneConfig(config["vision_cfg"], config["embed_dim"]),
        DecoderConfig("zero-shot", queries=ZeroShotImage(clip).queries),
        clip=config,
        mean=tuple(settings["mean"]),
        std=tuple(settings["std"]),
    )
    resize = "squash" if settings.get("resize_mode") == "squash" else "crop"

    def describe() -> None:
        write_config(out, model, version=weights, resize=resize, templates=POOL, label_length=None)

    describe()
    report(f"calibrating on {len(references)} photos")
    engine = TorchEngine(read_bundle(str(out)), device)
    bank_RME = _bank(engine, references, model.image_size, resize)
    Calibration.unfitted(bank_RME).write(out)
    describe()
    return out


def convert_tokenizer(tokenizer: Any) -> Tokenizer:
    """open_clip's tokenizer as a ``tokenizers`` one, which needs no open_clip to run.

    Raises ``ModelError`` for a kind that is not known.
    """
    if hasattr(tokenizer, "tokenizer") and hasattr(tokenizer.tokenizer, "backend_tokenizer"):
        return Tokenizer.from_str(tokenizer.tokenizer.backend_tokenizer.to_str())
    if not isinstance(tokenizer, open_clip.SimpleTokenizer):
        raise ModelError(f"a tokenizer of an unknown kind: {type(tokenizer).__name__}")
    start, end = "<start_of_text>", "<end_of_text>"
    merges = sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.__getitem__)
    made = Tokenizer(models.BPE(vocab=tokenizer.encoder, merges=merges, end_of_word_suffix="</w>"))
    made.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        special_tokens=[(start, tokenizer.sot_token_id), (end, tokenizer.eot_token_id)],
    )
    return made


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
            return sorted(path for path in folder.iterdir() if path.suffix in (".jpg", ".png"))
    return []
