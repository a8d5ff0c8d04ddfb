"""``qks train``: train a head on a data set, or the small model from nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qks_cli.cli.datasets import Source, read_dataset
from qks_cli.cli.output import say
from qks_cli.cli.progress import RunTable
from qks_cli.errors import UsageError

if TYPE_CHECKING:
    from qks_cli.bundling.train_head import Base, Plan
    from qks_cli.model.bundle import Bundle
    from qks_cli.training.head.config import HeadConfig

MINI = "mini"
NAMES = "mini, nuswide, openimages, coco, voc, folder, csv, jsonl, webdataset, library"


def train(
    dataset: Annotated[str, typer.Option(help=f"One of {NAMES}.")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and the finished model.")],
    root: Annotated[Path | None, typer.Option(help="The data set's folder.")] = None,
    source: Source = "",
    model: Annotated[
        str, typer.Option(help="Name or folder of the base model, which stays frozen.")
    ] = "mini",
    config: Annotated[
        Path | None, typer.Option(help="JSON with any of the values in OUT/config.json.")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="asl, bce or rank. Default: asl.")] = None,
    head: Annotated[
        str | None, typer.Option(help="reference (the paper's), compact or linear.")
    ] = None,
    queries: Annotated[int | None, typer.Option(min=1, help="Query tokens M.")] = None,
    layers: Annotated[int | None, typer.Option(min=1, help="Decoder layers N.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs at most. Default: 60.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Photos a step. Default: 64.")] = None,
    rate: Annotated[float | None, typer.Option(help="Learning rate. Default: 0.00001.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of all random choices. Default: 1.")] = None,
    unknown: Annotated[
        str | None, typer.Option(help="What nobody judged: masked (default) or absent.")
    ] = None,
    prompts: Annotated[
        str, typer.Option(help="Prompt pool: model (its own), paper (85) or one.")
    ] = "model",
    cache_tokens: Annotated[
        bool | None,
        typer.Option(
            "--cache-tokens/--no-cache-tokens",
            help="Keep the backbone's image tokens on disk; no augmentation. Default: on a CPU.",
        ),
    ] = None,
    tokens: Annotated[
        Path | None, typer.Option(help="Folder of kept tokens, for several runs. Default: OUT.")
    ] = None,
    unfreeze: Annotated[
        bool, typer.Option("--unfreeze", help="Train the backbone too, at a tenth of the rate.")
    ] = False,
    precision: Annotated[
        str | None, typer.Option(help="fp32 (default, as the paper's release), bf16 or fp16.")
    ] = None,
    seeds: Annotated[
        list[int] | None,
        typer.Option("--seeds", min=0, help="A run for each seed, in OUT/seed-N; repeatable."),
    ] = None,
    refit: Annotated[
        bool,
        typer.Option("--refit", help="Train once more on what was kept out for the selection too."),
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Curves for TensorBoard in OUT/tensorboard.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in OUT, or stop if there is none.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 lets torch choose.")] = 0,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that read photos when tokens are not kept.")
    ] = 0,
    model_version: Annotated[str, typer.Option(help="Version of the finished model.")] = "1",
    pool: Annotated[
        list[Path] | None,
        typer.Option(help="mini: folder with photos.jsonl and its archives. May be repeated."),
    ] = None,
    teachers: Annotated[
        list[Path] | None,
        typer.Option(help="mini: folder with what the teachers say of a pool, one for each."),
    ] = None,
    start: Annotated[str | None, typer.Option(help="mini: a model to train on from.")] = None,
    wordnet: Annotated[
        Path, typer.Option(help="mini: WordNet's dict files (Debian: wordnet-base).")
    ] = Path("/usr/share/wordnet"),
    text_epochs: Annotated[
        float,
        typer.Option(
            min=0, help="mini: passes of the text tower's corpus; 0 keeps --start's tower."
        ),
    ] = 12.0,
) -> None:
    """Train a query decoder on a frozen model with a labelled data set, and make a model of it.

    Ends with OUT/model, which `qks tag --model OUT/model` takes at once, OUT/metrics.jsonl and
    plots. A run that was cut off goes on when the same command is run again. With `torchrun`
    several processes share the work.

    `--dataset mini` trains the small model from random weights instead: the image model
    (OUT/image), the text tower (OUT/text), the bundle (OUT/bundle).
    """
    import torch

    check_device(device)
    if threads:
        torch.set_num_threads(threads)
    if dataset == MINI:
        if not pool or not teachers:
            raise UsageError("--dataset mini needs --pool and --teachers")
        from qks_cli.bundling.train_mini import train_mini

        with RunTable(active=True) as table:
            folder = train_mini(
                pool,
                teachers,
                out,
                config=config,
                start=start,
                wordnet=wordnet,
                text_epochs=text_epochs,
                device=device,
                version=model_version,
                report=table.row,
            )
        _ready(folder)
        return
    _check_can_finish()
    from qks_cli import settings
    from qks_cli.bundling.train_head import Base, Plan

    base = Base.open(model)
    main, device = _processes(device)
    if resume:
        _check_begun(out, seeds)
    given = {
        "kind": head,
        "queries": queries,
        "layers": layers,
        "loss": loss,
        "epochs": epochs,
        "batch": batch,
        "rate": rate,
        "seed": seed,
        "unknown": unknown,
        "unfreeze": unfreeze or None,
        "precision": precision,
    }
    keep = cache_tokens if cache_tokens is not None else device == "cpu" and not unfreeze
    if keep and unfreeze:
        raise UsageError("--unfreeze changes the tokens that --cache-tokens would keep")
    plan = Plan(
        read_dataset(dataset, root, source),
        base,
        _settled(base, dataset, config, given),
        _templates(prompts, base.bundle),
        out,
        settings.cache_path(),
        device,
        keep,
        tokens,
        workers,
        model_version,
        main,
        root=None if root is None else root.expanduser(),
        refit=refit,
        tensorboard=tensorboard,
    )
    _run(plan, seeds)


def _run(plan: Plan, seeds: list[int] | None) -> None:
    """Train, saying how it goes; several seeds one after another."""
    import torch

    from qks_cli.bundling.train_head import train_head, train_seeds

    if plan.main:
        seen = int(plan.data.seen_C.sum())
        base = plan.base.bundle.name
        say(f"{len(plan.data.train):,} photos, {seen:,} seen labels, base model {base}")
    with RunTable(active=plan.main) as table:
        if seeds:
            folder = train_seeds(plan, list(dict.fromkeys(seeds)), table.row)[0]
        else:
            folder = train_head(plan, table.row)
    if plan.main:
        _ready(folder)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _settled(base: Base, dataset: str, config: Path | None, given: dict[str, Any]) -> HeadConfig:
    """The paper's values for the data set, then those of ``config``, then the options'."""
    from qks_cli.bundling.train_head import settle
    from qks_cli.training.head.config import HeadConfig

    standard, own = _defaults(dataset), _read_config(config)
    if isinstance(own.get("head"), dict):
        own["head"] = standard["head"] | own["head"]
    return settle(HeadConfig.from_dict(standard | own), base=base, **given)


def _check_begun(out: Path, seeds: list[int] | None) -> None:
    from qks_cli.training.run import RunFolder

    if not RunFolder(out / f"seed-{seeds[0]}" if seeds else out).begun:
        raise UsageError(f"there is no run to resume in {out}")


def check_device(device: str) -> None:
    """Raises ``UsageError`` for a device that is not there."""
    import torch

    if device not in ("cpu", "cuda"):
        raise UsageError(f"no device '{device}'", hint="one of cpu, cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("torch finds no cuda device here", hint="use --device cpu")


def _ready(folder: Path) -> None:
    say(f"ready: qks tag PHOTOS --model {folder} --labels LABELS")


def _check_can_finish() -> None:
    """Raises ``UsageError`` without what exports a model and draws its plots."""
    from importlib.util import find_spec

    if find_spec("onnx") is None or find_spec("matplotlib") is None:
        raise UsageError(
            "a finished model needs onnx and matplotlib, which are not both here",
            hint="pip install '.[train]' where qks came from",
        )


def _processes(device: str) -> tuple[bool, str]:
    """Whether this process speaks for all, and its own device; joins ``torchrun``'s others."""
    import torch

    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return True, device
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return torch.distributed.get_rank() == 0, device


def _defaults(dataset: str) -> dict[str, Any]:
    """The paper's query tokens, layers and loss for a data set that it speaks of."""
    from qks_cli.training.datasets import LAYOUTS

    layout = LAYOUTS.get(dataset, LAYOUTS["jsonl"])
    return {
        "head": {"queries": layout.queries, "layers": layout.layers},
        "loss": "bce" if dataset == "openimages" else "asl",
    }


def _read_config(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path} is not a training configuration: {error}") from error


def _templates(prompts: str, base: Bundle) -> tuple[str, ...]:
    from qks_cli.vocabulary.prompts import POOL

    pools = {"model": base.templates, "paper": POOL, "one": ("a photo of a {}",)}
    if prompts not in pools:
        raise UsageError(f"no prompt pool '{prompts}'", hint=f"one of {', '.join(pools)}")
    return pools[prompts]
