"""A trained head and its base model become one bundle that `qks tag --model` takes.

Axes: N photos, C labels, M query tokens, E label space.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from qks_cli.bundling.calibrate import Truth, fit_calibration
from qks_cli.errors import TrainingError
from qks_cli.export.graphs import export_image, export_text
from qks_cli.model.bundle import Bundle, read_bundle
from qks_cli.model.calibration import Calibration
from qks_cli.model.engine import Engine
from qks_cli.model.torch_engine import TorchEngine
from qks_cli.model.weights import (
    load_source,
    load_text_tower,
    round_to_half,
    write_config,
    write_weights,
)
from qks_cli.network.config import DecoderConfig
from qks_cli.network.head import ClipSource, HeadedModel, build_head
from qks_cli.network.zero_shot import ZeroShotText, build_clip
from qks_cli.training.head.loop import load_best
from qks_cli.types import Float32Array, IntArray
from qks_cli.vocabulary.embeddings import embed_labels
from qks_cli.vocabulary.labels_file import Label

REFERENCES = 1000  # photos of the bank at most


def label_embeddings(
    base: Bundle, engine: Engine, names: Sequence[str], templates: Sequence[str], cache: Path | None
) -> Float32Array:
    """What a head of ``base`` is trained against [C, E]: the mean of un-normalised embeddings over
    the prompt pool (arXiv 2401.01181, section 3), brought to the base's own length where it has
    one. Labels stand in the prompts as they are written: on NUS-WIDE 32 of the 81 unseen concepts
    differ from a seen tag in nothing but the plural."""
    raw = base.config["model"].get("clip") is not None
    return embed_labels(
        [Label(name) for name in names],
        templates=templates,
        embed=_raw_text(base, engine) if raw else engine.text_embeddings,
        model_hash=base.hash + ("raw" if raw else ""),
        cache=cache,
        length=base.label_length,
        as_written=True,
    )


def make_bundle(
    base: Bundle,
    head_config: DecoderConfig,
    run: Path,
    out: Path,
    *,
    name: str,
    version: str,
    templates: Sequence[str],
    cached: bool,
) -> Path:
    """Write the bundle without its calibration (``calibrate`` adds it); returns its folder."""
    config = base.architecture
    source = load_source(base)
    head = build_head(head_config, source, config.label_width)
    model = HeadedModel(source, head)
    load_best(run, head if cached else model)
    out.mkdir(parents=True, exist_ok=True)
    for old in ("image.onnx", "text.onnx"):
        (out / old).unlink(missing_ok=True)
    round_to_half(model)
    if isinstance(source, ClipSource):
        write_weights(out, clip=source.clip, head=head)
    else:
        write_weights(out, image=source.model, text=load_text_tower(base), head=head)
    headed = replace(config, name=name, head=head_config)
    export_image(model.eval(), headed, out / "image.onnx")
    if config.clip is not None:
        tower = ZeroShotText(build_clip(config.clip), normalize=False)
        assert isinstance(source, ClipSource)
        tower.clip.load_state_dict(source.clip.state_dict(), strict=False)
        export_text(tower, out / "text.onnx", length=base.context_length)
    else:
        export_text(load_text_tower(base), out / "text.onnx")
    if base.has("tokenizer.json"):
        shutil.copyfile(base.file("tokenizer.json"), out / "tokenizer.json")
    write_config(
        out,
        headed,
        version=version,
        resize=base.resize,
        templates=templates,
        label_length=base.label_length,
        extra={"base": {"name": base.name, "version": base.version, "hash": base.hash}},
    )
    return out


def calibrate(
    folder: Path,
    tokens: Callable[[IntArray], Float32Array],
    embed: Callable[[Sequence[str]], Float32Array],
    truth: Truth,
    bank: IntArray,
) -> bool:
    """Fit the calibration on photos kept out of training (``truth``, whose rows ``tokens`` knows as
    0 … N-1) with ``bank`` rows as references. Returns False where those say too little and each
    label's own distribution over the bank has to do."""
    rows = np.arange(len(truth.present_NC))
    try:
        fitted, enough = fit_calibration(tokens, embed, lambda _: truth, rows, bank), True
    except (TrainingError, ValueError):
        bank_RME = tokens(bank).astype(np.float16).astype(np.float32)
        fitted, enough = Calibration.unfitted(bank_RME), False
    _write_calibration(folder, fitted)
    return enough


def replace_bank(folder: Path, bank_RME: Float32Array) -> None:
    """Give a calibrated bundle whose weights were trained on other references of its own.

    The fit stays: it was made on photos that the new weights have seen, and reads scores as they
    stand among the references."""
    fitted = Calibration.read(read_bundle(str(folder)))
    rounded = bank_RME.astype(np.float16).astype(np.float32)
    _write_calibration(folder, replace(fitted, bank_RME=rounded))


def _write_calibration(folder: Path, fitted: Calibration) -> None:
    fitted.write(folder)
    bundle = read_bundle(str(folder))
    write_config(
        folder,
        bundle.architecture,
        version=bundle.version,
        resize=bundle.resize,
        templates=bundle.templates,
        label_length=bundle.label_length,
        extra={"base": bundle.config["base"]},
    )


def _raw_text(base: Bundle, engine: Engine) -> Callable[[Sequence[str]], Float32Array]:
    """An open_clip text tower's embeddings as they come, not brought to unit length."""
    from qks_cli.model.tokenizer import TextTokenizer

    def embed(texts: Sequence[str]) -> Float32Array:
        tower: nn.Module = load_text_tower(base)
        assert isinstance(tower, ZeroShotText)
        tower.normalize = False
        ids_NT = torch.from_numpy(TextTokenizer(base)(texts))
        device = engine.device if isinstance(engine, TorchEngine) else torch.device("cpu")
        tower.to(device)
        parts: list[Tensor] = []
        with torch.inference_mode():
            for at in range(0, len(ids_NT), 512):
                parts.append(tower(ids_NT[at : at + 512].to(device)).float().cpu())
        return np.asarray(torch.cat(parts).numpy(), np.float32)

    return embed
