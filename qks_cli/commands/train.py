"""``qks train``: train a head on a data set, or the small model from nothing."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qks_cli.commands.datasets import Source, read_dataset
from qks_cli.commands.output import say
from qks_cli.errors import UsageError

if TYPE_CHECKING:
    from qks_cli.bundle import Bundle
    from qks_cli.training.head import HeadConfig

MINI = "mini"
NAMES = "mini, nuswide, openimages, coco, voc, folder, csv, jsonl, library"


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
        Path | None, typer.Option(help="mini: folder with photos.jsonl and its archives.")
    ] = None,
    teachers: Annotated[
        Path | None, typer.Option(help="mini: folder with what the teachers say.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="mini: a model to train on from.")] = None,
    wordnet: Annotated[
        Path, typer.Option(help="mini: WordNet's dict files (Debian: wordnet-base).")
    ] = Path("/usr/share/wordnet"),
    text_epochs: Annotated[
        float, typer.Option(help="mini: passes of the text tower's corpus.")
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

    if device not in ("cpu", "cuda"):
        raise UsageError(f"no device '{device}'", hint="one of cpu, cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("torch finds no cuda device here", hint="use --device cpu")
    if threads:
        torch.set_num_threads(threads)
    if dataset == MINI:
        if pool is None or teachers is None:
            raise UsageError("--dataset mini needs --pool and --teachers")
        _train_mini(pool, teachers, out, config, start, wordnet, text_epochs, device, model_version)
        return
    if not _has_onnx():
        raise UsageError(
            "a finished model is exported with onnx, which is missing",
            hint="pip install 'qks[train]'",
        )
    from qks_cli import settings
    from qks_cli.bundle import read_bundle
    from qks_cli.bundling.train_head import Plan, settle, train_head
    from qks_cli.inference.choose import open_engine
    from qks_cli.training.head import HeadConfig

    base = read_bundle(model)
    main, device = _processes(device)
    if resume and not (out / "config.json").is_file():
        raise UsageError(f"there is no run to resume in {out}")
    data = read_dataset(dataset, root, source)
    standard, own = _defaults(dataset), _read_config(config)
    heads = standard["head"] | own.get("head", {})
    made = settle(
        HeadConfig.from_dict(standard | own | {"head": heads}),
        base=base,
        kind=head,
        queries=queries,
        layers=layers,
        loss=loss,
        epochs=epochs,
        batch=batch,
        rate=rate,
        seed=seed,
        unknown=unknown,
        unfreeze=unfreeze or None,
    )
    _checked(made)
    keep = cache_tokens if cache_tokens is not None else device == "cpu" and not unfreeze
    if keep and unfreeze:
        raise UsageError("--unfreeze changes the tokens that --cache-tokens would keep")
    plan = Plan(
        data,
        base,
        open_engine(base, "cpu"),
        made,
        _templates(prompts, base),
        out,
        settings.cache_path(),
        device,
        keep,
        tokens,
        workers,
        model_version,
        main,
    )
    if main:
        seen = int(data.seen_C.sum())
        say(f"{len(data.train):,} photos, {seen:,} seen labels, base model {base.name}")
    with _Table(active=main) as table:
        folder = train_head(plan, table.row)
    if main:
        say(f"ready: qks tag PHOTOS --model {folder} --labels LABELS")
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


class _Table:
    """Rows as they come: a live table on a terminal, lines elsewhere."""

    SHOWN = 15

    def __init__(self, *, active: bool) -> None:
        self.rows: list[dict[str, Any]] = []
        self.active = active
        self.live: Any = None
        if active and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self.live = Live(console=Console(stderr=True), auto_refresh=False)

    def __enter__(self) -> _Table:
        if self.live is not None:
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.live is not None:
            self.live.stop()

    def row(self, row: dict[str, Any]) -> None:
        """An epoch's figures, or another word on how it goes."""
        if not self.active:
            return
        if self.live is None or "epoch" not in row:
            text = ", ".join(f"{name} {_figure(value)}" for name, value in row.items())
            if self.live is None:
                say(text)
            else:
                self.live.console.print(text, markup=False, highlight=False, soft_wrap=True)
            return
        from rich.table import Table

        self.rows.append(row)
        table = Table(*row)
        for one in self.rows[-self.SHOWN :]:
            table.add_row(*(_figure(value) for value in one.values()))
        self.live.update(table, refresh=True)


def _figure(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _has_onnx() -> bool:
    from importlib.util import find_spec

    return find_spec("onnx") is not None and find_spec("matplotlib") is not None


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
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return dict(data)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path} is not a training configuration: {error}") from error


def _checked(config: HeadConfig) -> None:
    if config.loss not in ("asl", "bce", "rank"):
        raise UsageError(f"no loss '{config.loss}'", hint="one of asl, bce, rank")
    if config.unknown not in ("masked", "absent"):
        raise UsageError(f"--unknown is masked or absent, not '{config.unknown}'")
    if config.head.kind not in ("reference", "compact", "linear"):
        raise UsageError(f"no head '{config.head.kind}'", hint="one of reference, compact, linear")


def _templates(prompts: str, base: Bundle) -> tuple[str, ...]:
    from qks_cli.vocabulary.prompts import POOL

    pools = {"model": base.templates, "paper": POOL, "one": ("a photo of a {}",)}
    if prompts not in pools:
        raise UsageError(f"no prompt pool '{prompts}'", hint=f"one of {', '.join(pools)}")
    return pools[prompts]


def _train_mini(
    pool: Path,
    teachers: Path,
    out: Path,
    config: Path | None,
    start: str | None,
    wordnet: Path,
    text_epochs: float,
    device: str,
    model_version: str,
) -> None:
    import numpy as np

    from qks_cli.bundle import read_bundle
    from qks_cli.bundling.assemble import assemble
    from qks_cli.training import mini
    from qks_cli.training.pool import read_photos
    from qks_cli.training.text_corpus import WordNet, make_corpus
    from qks_cli.training.text_tower import train_text_tower

    settings = mini.MiniConfig.read(config or Path(mini.__file__).with_name("mini.json"))
    out.mkdir(parents=True, exist_ok=True)
    with (out / "log.jsonl").open("a", encoding="utf-8") as log:

        def report(row: dict[str, Any]) -> None:
            log.write(json.dumps(row) + "\n")
            log.flush()
            say(", ".join(f"{name} {value:.5g}" for name, value in row.items()))

        mini.train(
            settings,
            pool=pool,
            teachers_folder=teachers,
            out=out / "image",
            start=read_bundle(start) if start else None,
            wordnet=wordnet,
            device=device,
            report=report,
        )
        space = np.load(out / "image" / "label_space.npz")
        captions = [caption for photo in read_photos(pool) for caption in photo.captions]
        words = WordNet.read(wordnet)
        corpus = make_corpus(words, space["names"].tolist(), captions, nouns=120_000, seed=1)
        train_text_tower(
            corpus,
            {"mean": space["mean"], "whiten": space["whiten"]},
            out / "text",
            epochs=text_epochs,
            report=report,
        )
    bundle = assemble(
        out / "image",
        out / "text",
        out / "bundle",
        pool=pool,
        teachers=teachers,
        version=model_version,
    )
    say(f"ready: qks tag PHOTOS --model {bundle} --labels LABELS")
