"""``qks train``: train a head on a data set, or the small model from nothing."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qks_cli.cli.datasets import LAYOUTS, SourceOption
from qks_cli.cli.options import TrainingDevice
from qks_cli.cli.output import say
from qks_cli.cli.progress import RunTable
from qks_cli.escape import shown

if TYPE_CHECKING:
    from qks_cli.workflows.train import HeadRequest

MINI = "mini"


class Loss(StrEnum):
    """Losses of a head."""

    asl = "asl"
    bce = "bce"
    rank = "rank"


class Head(StrEnum):
    """Query decoders: the paper's, a small one, a linear map."""

    reference = "reference"
    compact = "compact"
    linear = "linear"


class Unknown(StrEnum):
    """What becomes of labels that nobody judged."""

    masked = "masked"
    absent = "absent"


class Prompts(StrEnum):
    """Prompt pools."""

    model = "model"
    paper = "paper"
    one = "one"


class Precision(StrEnum):
    """Floating-point numbers of the training."""

    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


Dataset = Annotated[str, typer.Option(help=f"One of {', '.join([MINI, *LAYOUTS])}.")]
Out = Annotated[Path, typer.Option(help="Folder for checkpoints and the finished model.")]
Root = Annotated[Path | None, typer.Option(help="The data set's folder.")]
BaseModel = Annotated[
    str, typer.Option(help="Name or folder of the base model, which stays frozen.")
]
Config = Annotated[
    Path | None, typer.Option(help="JSON with any of the values in OUT/config.json.")
]
LossOption = Annotated[Loss | None, typer.Option(help="The loss. Default: asl.")]
HeadOption = Annotated[Head | None, typer.Option(help="The query decoder. Default: the paper's.")]
Queries = Annotated[int | None, typer.Option(min=1, help="Query tokens M.")]
Layers = Annotated[int | None, typer.Option(min=1, help="Decoder layers N.")]
Epochs = Annotated[int | None, typer.Option(min=1, help="Epochs at most. Default: 60.")]
Batch = Annotated[int | None, typer.Option(min=1, help="Photos per step. Default: 64.")]
Rate = Annotated[
    float | None,
    typer.Option("--learning-rate", "--rate", help="The learning rate. Default: 0.00001."),
]
Seed = Annotated[int | None, typer.Option(help="Seed of all random choices. Default: 1.")]
UnknownOption = Annotated[
    Unknown | None,
    typer.Option(help="How unjudged labels count. Default: masked, left out of the loss."),
]
PromptsOption = Annotated[
    Prompts, typer.Option(help="Prompt pool: the model's own, the paper's 85, or one.")
]
CacheTokens = Annotated[
    bool | None,
    typer.Option(
        "--cache-tokens/--no-cache-tokens",
        help="Keep the backbone's image tokens on disk; no augmentation. Default: on a CPU.",
    ),
]
Tokens = Annotated[
    Path | None, typer.Option(help="Folder of kept tokens, for several runs. Default: OUT.")
]
Unfreeze = Annotated[
    bool, typer.Option("--unfreeze", help="Train the backbone too, at a tenth of the rate.")
]
PrecisionOption = Annotated[
    Precision | None,
    typer.Option(help="Floating-point format. Default: fp32, as in the paper's release."),
]
Seeds = Annotated[
    list[int] | None,
    typer.Option("--seeds", min=0, help="A run for each seed, in OUT/seed-N; repeatable."),
]
Refit = Annotated[
    bool,
    typer.Option("--refit", help="Train once more on what was kept out for the selection too."),
]
Tensorboard = Annotated[
    bool, typer.Option("--tensorboard", help="Curves for TensorBoard in OUT/tensorboard.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the run in OUT, or stop if there is none.")
]
Device = Annotated[TrainingDevice, typer.Option(help="Where it is trained.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 lets torch choose.")]
Workers = Annotated[
    int, typer.Option(min=0, help="Processes that read photos when tokens are not kept.")
]
StreamOption = Annotated[
    bool,
    typer.Option("--stream", help="webdataset: read shards from beginning to end."),
]
ModelVersion = Annotated[str, typer.Option(help="Version of the finished model.")]
Pool = Annotated[
    list[Path] | None,
    typer.Option(help="mini: folder with photos.jsonl and its archives. May be repeated."),
]
Teachers = Annotated[
    list[Path] | None,
    typer.Option(help="mini: folder with what the teachers say of a pool, one for each."),
]
Start = Annotated[str | None, typer.Option(help="mini: a model to train on from.")]
WordNet = Annotated[Path, typer.Option(help="mini: WordNet's dict files (Debian: wordnet-base).")]
TextEpochs = Annotated[
    float,
    typer.Option(min=0, help="mini: passes of the text tower's corpus; 0 keeps --start's tower."),
]


def train(
    dataset: Dataset,
    out: Out,
    root: Root = None,
    source: SourceOption = "",
    model: BaseModel = "mini",
    config: Config = None,
    loss: LossOption = None,
    head: HeadOption = None,
    queries: Queries = None,
    layers: Layers = None,
    epochs: Epochs = None,
    batch: Batch = None,
    rate: Rate = None,
    seed: Seed = None,
    unknown: UnknownOption = None,
    prompts: PromptsOption = Prompts.model,
    cache_tokens: CacheTokens = None,
    tokens: Tokens = None,
    unfreeze: Unfreeze = False,
    precision: PrecisionOption = None,
    seeds: Seeds = None,
    refit: Refit = False,
    tensorboard: Tensorboard = False,
    resume: Resume = False,
    device: Device = TrainingDevice.cpu,
    threads: Threads = 0,
    workers: Workers = 0,
    stream: StreamOption = False,
    model_version: ModelVersion = "1",
    pool: Pool = None,
    teachers: Teachers = None,
    start: Start = None,
    wordnet: WordNet = Path("/usr/share/wordnet"),
    text_epochs: TextEpochs = 12.0,
) -> None:
    """Train a query decoder on a frozen model with a labelled data set.

    The result is OUT/model, which `qks tag --model OUT/model` takes at once, with OUT/metrics.jsonl
    and plots. An interrupted run goes on when the same command is run again. With `torchrun`
    several processes share the work.

    `--dataset mini` trains the small model that ships with qks instead: the image model
    (OUT/image), the text tower (OUT/text), the bundle (OUT/bundle).
    """
    from qks_cli.workflows import train as workflow

    workflow.use_threads(threads)
    if dataset == MINI:
        _train_mini(pool, teachers, out, config, start, wordnet, text_epochs, device, model_version)
        return
    given: dict[str, object] = {"kind": head, "queries": queries, "layers": layers, "loss": loss}
    given |= {"epochs": epochs, "batch": batch, "rate": rate, "seed": seed, "unknown": unknown}
    given |= {"unfreeze": unfreeze or None, "precision": precision}
    data = workflow.DataSource(dataset, root, source)
    means = workflow.Means(device, workers, cache_tokens, tokens, tensorboard, stream)
    request = workflow.HeadRequest(
        data, out, model, config, given, prompts, means, seeds or (), refit, resume, model_version
    )
    _train_head(request)


def _train_mini(
    pools: list[Path] | None, teachers: list[Path] | None, out: Path, *options: Any
) -> None:
    from qks_cli.workflows.train import MiniRequest, train_mini

    with RunTable(active=True) as table:
        _ready(train_mini(MiniRequest(pools or (), teachers or (), out, *options), table.row))


def _train_head(request: HeadRequest) -> None:
    from qks_cli.workflows.report import Report
    from qks_cli.workflows.train import HeadTraining

    training = HeadTraining(request, Report(note=say))
    if training.main:
        say(training.summary())
    with RunTable(active=training.main) as table:
        folder = training.run(table.row)
    if training.main:
        _ready(folder)


def _ready(folder: Path) -> None:
    say(f"ready: qks tag PHOTOS --model {shown(folder)} --labels LABELS")
