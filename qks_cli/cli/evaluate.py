"""``qks eval``: mAP and F1 of a model on a labelled data set, beside training-free baselines."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli.cli.datasets import LAYOUTS, SourceOption
from qks_cli.cli.options import Model, RecordFormat, TrainingDevice
from qks_cli.cli.output import Format, Records, say
from qks_cli.escape import shown
from qks_cli.wording import count_of

if TYPE_CHECKING:
    from qks_cli.model.cutoffs import CutoffReport
    from qks_cli.workflows.evaluate import Evaluation


class ProtocolChoice(StrEnum):
    """Which photos count: those with a positive of the subset (as the paper), or all of them."""

    filtered = "filtered"
    unfiltered = "unfiltered"
    both = "both"


class F1(StrEnum):
    """What unjudged labels count as in F1."""

    published = "published"
    judged = "judged"


class Unjudged(StrEnum):
    """What unjudged labels count as in average precision."""

    masked = "masked"
    absent = "absent"


class MethodName(StrEnum):
    """Training-free methods to compare with."""

    sparc = "sparc"
    piaa = "piaa"
    tagclip = "tagclip"


Dataset = Annotated[str, typer.Option(help=f"One of {', '.join(LAYOUTS)}.")]
Root = Annotated[Path, typer.Option(help="The data set's folder.")]
ProtocolOption = Annotated[
    ProtocolChoice, typer.Option(help="Photos with a label of the subset, all photos, or both.")
]
Ks = Annotated[
    list[int] | None,
    typer.Option(
        "--k",
        min=1,
        help="K of F1@K, labels per photo; repeatable. Default: 3, 5; openimages 10, 20.",
    ),
]
F1Option = Annotated[
    F1,
    typer.Option(help="published: unjudged labels count as absent; judged: they are left out."),
]
Unknown = Annotated[
    Unjudged, typer.Option(help="What nobody judged, for mAP: masked (left out) or absent.")
]
Method = Annotated[
    list[MethodName] | None, typer.Option(help="A further training-free method; repeatable.")
]
Compounds = Annotated[
    Path | None, typer.Option(help="sparc: prompts that name several labels, a line each.")
]
Bootstrap = Annotated[
    int, typer.Option(min=0, help="Resamples for intervals; 0: none (large sets take hours).")
]
Limit = Annotated[int, typer.Option(min=0, help="Test photos at most; 0: all.")]
Save = Annotated[
    Path | None,
    typer.Option(help="Folder for labels.csv (precision of each label) and scores.npz."),
]
FitCutoffs = Annotated[
    Path | None,
    typer.Option(help="Labels file to write, each label with the cut-off of the best F1."),
]
Plots = Annotated[
    Path | None, typer.Option(help="Folder for precision/recall and reliability plots.")
]
Device = Annotated[TrainingDevice, typer.Option(help="Where it runs.")]


def evaluate(
    dataset: Dataset,
    root: Root,
    source: SourceOption = "",
    model: Model = "mini",
    protocol: ProtocolOption = ProtocolChoice.both,
    k: Ks = None,
    f1: F1Option = F1.published,
    unknown: Unknown = Unjudged.masked,
    method: Method = None,
    compounds: Compounds = None,
    bootstrap: Bootstrap = 200,
    limit: Limit = 0,
    save: Save = None,
    fit_cutoffs: FitCutoffs = None,
    plots: Plots = None,
    device: Device = TrainingDevice.cpu,
    format: RecordFormat = None,
) -> None:
    """Measure a model on the test photos of a data set: seen labels, unseen ones, all.

    The rows are SEEN, ZSL (unseen labels) and GZSL (all). Class-token cosine, the same standardised
    per photo, patch pooling and fusion are measured on the same photos and prompts. Intervals are
    95 % bootstrap intervals over photos; map_gain is the paired difference to QKS.
    """
    from qks_cli import settings
    from qks_cli.model.bundle import read_bundle
    from qks_cli.workflows import evaluate as workflow
    from qks_cli.workflows.datasets import read_dataset
    from qks_cli.workflows.report import Report
    from qks_cli.workflows.train import check_device

    check_device(device)
    request = workflow.Request(
        read_bundle(model),
        read_dataset(dataset, root, source, Report(note=say)),
        tuple(k or ([10, 20] if dataset == "openimages" else [3, 5])),
        tuple(workflow.PROTOCOLS) if protocol is ProtocolChoice.both else (protocol.value,),
        unknown,
        f1,
        bootstrap,
        limit,
        device,
        settings.cache_path(),
        tuple(method or ()),
        None if compounds is None else compounds.expanduser(),
        keep=any(one is not None for one in (plots, save, fit_cutoffs)),
    )
    columns = _columns(workflow.columns_of(request), format)
    writer = Records(format, columns)
    found = workflow.evaluate(request, lambda text: say(shown(text)))
    for name in found.empty():
        say(f"qks: no test photo carries a label of {name}")
    writer.write({name: row[name] for name in columns} for row in found.rows())
    if save is not None:
        workflow.save(found, save.expanduser())
    if fit_cutoffs is not None:
        _tell_cutoffs(workflow.save_cutoffs(found, fit_cutoffs.expanduser()))
    if plots is not None:
        _draw(found, plots.expanduser())


def _columns(columns: list[str], format: Format | None) -> list[str]:
    """The ends of an interval of F1 are for programs."""
    if format is Format.jsonl:
        return columns
    return [name for name in columns if not name.startswith("f1") or "_" not in name]


def _draw(found: Evaluation, folder: Path) -> None:
    from qks_cli.workflows.evaluate import draw

    for name, row in draw(found, folder).items():
        figures = ", ".join(f"{key} {value}" for key, value in row.items())
        say(f"{name} at the default cut-off: {figures}")


def _tell_cutoffs(report: CutoffReport) -> None:
    labels = count_of(len(report.cutoffs_C), "label")
    say(
        f"{report.fitted:,} of {labels} with a cut-off of its own; F1 on photos that it was not "
        f"fitted on: {report.f1_own:.4f}, with one cut-off for all {report.f1_default:.4f}"
    )
