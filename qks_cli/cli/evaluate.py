"""``qks eval``: mAP and F1 of a model on a labelled data set, beside training-free baselines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qks_cli.cli.datasets import Source, read_dataset
from qks_cli.cli.options import Model, RecordFormat
from qks_cli.cli.output import Format, Records, say
from qks_cli.errors import UsageError
from qks_cli.escape import shown

if TYPE_CHECKING:
    from qks_cli.evaluation.compare import Scores
    from qks_cli.model.bundle import Bundle
    from qks_cli.training.datasets.labelled import DataSet, Split


class Protocol(StrEnum):
    """Which photos count: those with a positive of the subset (as the paper), or all of them."""

    filtered = "filtered"
    unfiltered = "unfiltered"
    both = "both"


def evaluate(
    dataset: Annotated[str, typer.Option(help="As `qks datasets list` names it.")],
    root: Annotated[Path, typer.Option(help="The data set's folder.")],
    source: Source = "",
    model: Model = "mini",
    protocol: Annotated[
        Protocol, typer.Option(help="Photos with a label of the subset, all photos, or both.")
    ] = Protocol.filtered,
    k: Annotated[
        list[int] | None,
        typer.Option("--k", min=1, help="K of F1@K; repeatable. Default: 3, 5; openimages 10, 20."),
    ] = None,
    unknown: Annotated[
        str, typer.Option(help="What nobody judged: masked (left out) or absent.")
    ] = "masked",
    bootstrap: Annotated[
        int, typer.Option(min=0, help="Resamples for intervals; 0: none (large sets take hours).")
    ] = 200,
    limit: Annotated[int, typer.Option(min=0, help="Test photos at most; 0: all.")] = 0,
    plots: Annotated[
        Path | None, typer.Option(help="Folder for precision/recall and reliability plots.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    format: RecordFormat = None,
) -> None:
    """Measure a model on a data set's test photos: SEEN, ZSL (unseen labels), GZSL (all of them).

    Class-token cosine, the same standardised per photo, patch pooling and fusion are measured on
    the same photos with the same prompt pool. Intervals are 95 % bootstrap intervals over photos.
    """
    ks = k or ([10, 20] if dataset == "openimages" else [3, 5])
    figures_named = ["map", *(f"f1@{one}" for one in ks)]
    columns = ["subset", "protocol", "method", "photos", "labels"]
    for name in figures_named:
        columns += [name, f"{name}_low", f"{name}_high"] if bootstrap else [name]
    if format is not Format.jsonl:
        columns = [name for name in columns if not name.startswith("f1") or "_" not in name]
    writer = Records(format, columns)
    if unknown not in ("masked", "absent"):
        raise UsageError(f"--unknown is masked or absent, not '{unknown}'")
    import numpy as np

    from qks_cli import settings
    from qks_cli.evaluation.compare import METHODS, figures, score_photos
    from qks_cli.model.bundle import read_bundle
    from qks_cli.model.model import Model as OpenModel
    from qks_cli.vocabulary.labels_file import Label

    bundle = read_bundle(model)
    data = read_dataset(dataset, root, source)
    test = data.test
    if limit and limit < len(test):
        test = test.take(np.sort(np.random.default_rng(1).permutation(len(test))[:limit]))
    if not len(test):
        raise UsageError(f"the data set {dataset} has no test photos in {shown(root)}")
    labels = [Label(name) for name in data.names]
    labels_CE = OpenModel(bundle, cache=settings.cache_path()).label_vectors(labels)
    say(f"{len(test):,} test photos, {len(data.labels):,} labels, model {bundle.name}")
    scored = score_photos(
        bundle, test.files, labels_CE, device=device, keep_tokens=plots is not None
    )
    unreadable = np.flatnonzero(~scored.read_N)
    for index in unreadable[:20]:
        say(f"qks: {shown(str(test.files[index]))}: cannot be read, left out")
    good = np.flatnonzero(scored.read_N)
    if not len(good):
        raise UsageError("none of the test photos could be read")
    subsets = _subsets(data)
    protocols = {
        Protocol.filtered: (True,),
        Protocol.unfiltered: (False,),
        Protocol.both: (True, False),
    }[protocol]
    rows = []
    for name, chosen in subsets.items():
        present, known = test.labels(chosen).rows(good)
        masked = None if known.all() or unknown == "absent" else known
        if not present.any():
            say(f"qks: no test photo carries a label of {name}")
            continue
        for filtered in protocols:
            for method in METHODS:
                row: dict[str, Any] = dict.fromkeys(columns)
                row |= {
                    "subset": name,
                    "protocol": "filtered" if filtered else "unfiltered",
                    "method": method,
                }
                row |= figures(
                    scored.of(method, chosen)[good],
                    present,
                    masked,
                    ks=ks,
                    filtered=filtered,
                    repeats=bootstrap,
                )
                rows.append({key: row[key] for key in columns})
    writer.write(rows)
    if plots is not None:
        _plot(plots.expanduser(), bundle, test, scored, labels_CE, subsets, good)


def _subsets(data: DataSet) -> dict[str, Any]:
    """Columns by name: seen, unseen, all, and what the data set adds."""
    import numpy as np

    every = {
        "SEEN": np.flatnonzero(data.seen_C),
        "ZSL": np.flatnonzero(~data.seen_C),
        "GZSL": np.arange(len(data.labels)),
    }
    if data.seen_C.all():
        every = {"SEEN": every["SEEN"]}
    every |= {f"ZSL, {name}": np.flatnonzero(chosen) for name, chosen in data.subsets.items()}
    return {name: columns for name, columns in every.items() if len(columns)}


def _plot(
    folder: Path,
    bundle: Bundle,
    test: Split,
    scored: Scores,
    labels_CE: Any,
    subsets: dict[str, Any],
    good: Any,
) -> None:
    """Precision/recall of every method; reliability and default cut-off of the calibrated scores,
    per subset."""
    from qks_cli.evaluation import plots
    from qks_cli.evaluation.compare import METHODS
    from qks_cli.model.calibration import Calibration
    from qks_cli.model.scoring import score

    folder.mkdir(parents=True, exist_ok=True)
    calibration = Calibration.read(bundle)
    said_NC = calibration.probabilities(
        score(scored.qks_tokens_NME[good], labels_CE), calibration.label_stats(labels_CE)
    )
    reliable: dict[str, Any] = {}
    shown_at: dict[str, dict[str, float]] = {}
    for name, chosen in subsets.items():
        present, known = test.labels(chosen).rows(good)
        if not present.any():
            continue
        methods = {method: scored.of(method, chosen)[good] for method in METHODS}
        file = name.lower().replace(", ", "-").replace(" ", "-")
        plots.precision_recall(methods, present, known, folder / f"precision-recall-{file}.png")
        reliable[name] = plots.reliability(said_NC[:, chosen], present, known)
        fired = (said_NC[:, chosen] >= calibration.cutoff) & known
        shown_at[name] = {
            "cutoff": round(calibration.cutoff, 4),
            "precision": round(float((fired & present).sum() / max(1, fired.sum())), 4),
            "tags_per_photo": round(float(fired.sum(1).mean()), 4),
            "photos_with_tag": round(float(fired.any(1).mean()), 4),
        }
    plots.reliability_plot(reliable, folder / "reliability.png")
    text = json.dumps({"default_cutoff": shown_at, "reliability": reliable}, indent=2)
    (folder / "calibration.json").write_text(text + "\n", encoding="utf-8")
    _tell(shown_at)


def _tell(shown_at: dict[str, dict[str, float]]) -> None:
    for name, row in shown_at.items():
        figures: Sequence[str] = [f"{key} {value}" for key, value in row.items()]
        say(f"{name} at the default cut-off: {', '.join(figures)}")
