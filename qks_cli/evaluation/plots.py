"""Plots of training and evaluation as PNG files, with matplotlib (the ``train`` extra).

Axes: N photos, C labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qks_cli.errors import UsageError, install_extra
from qks_cli.types import BoolArray, Float32Array

BINS = 10
POINTS = 2000  # of a curve: more cannot be seen


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise UsageError(
            "plots need matplotlib",
            hint=f"{install_extra('train')}, or leave the plots out",
        ) from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def training_curves(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Loss and validation mAP per epoch."""
    pyplot = _pyplot()
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4))
    epochs = [row["epoch"] for row in rows]
    left.plot(epochs, [row["loss"] for row in rows], marker=".")
    left.set(xlabel="epoch", ylabel="loss")
    for name, label in (("map_trained", "labels trained on"), ("map_held_out", "labels kept out")):
        right.plot(epochs, [row[name] for row in rows], marker=".", label=label)
    right.set(xlabel="epoch", ylabel="mAP on photos kept out")
    right.legend()
    _finish(pyplot, figure, path)


def label_precisions(names: Sequence[str], values_C: Float32Array, path: Path) -> None:
    """Average precision of each label, best first; the best and worst are named."""
    pyplot = _pyplot()
    order = [c for c in np.argsort(-np.nan_to_num(values_C, nan=-1)) if values_C[c] == values_C[c]]
    shown = order if len(order) <= 60 else [*order[:30], *order[-30:]]
    figure, axis = pyplot.subplots(figsize=(7, 0.22 * len(shown) + 1))
    axis.barh([names[c] for c in shown][::-1], [float(values_C[c]) for c in shown][::-1])
    axis.set(xlabel="average precision", xlim=(0, 1))
    _finish(pyplot, figure, path)


def precision_recall(
    methods: Mapping[str, Float32Array], present_NC: BoolArray, known_NC: BoolArray, path: Path
) -> None:
    """One curve a method over all photos and labels together."""
    from sklearn.metrics import precision_recall_curve

    pyplot = _pyplot()
    figure, axis = pyplot.subplots(figsize=(6, 5))
    for name, scores_NC in methods.items():
        precision, recall, _ = precision_recall_curve(present_NC[known_NC], scores_NC[known_NC])
        step = max(1, len(recall) // POINTS)
        axis.plot(recall[::step], precision[::step], label=name)
    axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1))
    axis.legend(fontsize=8)
    _finish(pyplot, figure, path)


def reliability(
    said_NC: Float32Array, present_NC: BoolArray, known_NC: BoolArray
) -> list[dict[str, float]]:
    """Of the calibrated scores in each tenth: how many, their mean, the share that is right."""
    said, right = said_NC[known_NC], present_NC[known_NC]
    bins = np.minimum((said * BINS).astype(int), BINS - 1)
    return [
        {
            "from": b / BINS,
            "scores": int((bins == b).sum()),
            "mean": float(said[bins == b].mean()),
            "right": float(right[bins == b].mean()),
        }
        for b in range(BINS)
        if (bins == b).any()
    ]


def reliability_plot(parts: Mapping[str, list[dict[str, float]]], path: Path) -> None:
    """Share that is right over calibrated score, for several choices of labels."""
    pyplot = _pyplot()
    figure, axis = pyplot.subplots(figsize=(5, 5))
    axis.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    for name, rows in parts.items():
        axis.plot(
            [row["mean"] for row in rows], [row["right"] for row in rows], marker="o", label=name
        )
    axis.set(xlabel="calibrated score", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
    axis.legend()
    _finish(pyplot, figure, path)


def _finish(pyplot: Any, figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
