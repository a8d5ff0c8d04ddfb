"""The public Python API: models, libraries, and what can be done with them.

Import its names from ``qks_cli``; nothing heavy is loaded before it is used. Methods have the names
and options of the commands; both call the same workflows (docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qks_cli.api.library import Library
from qks_cli.workflows import session

if TYPE_CHECKING:
    from qks_cli.model.model import Model
    from qks_cli.types import Float32Array
    from qks_cli.workflows.explain import Reason

__all__ = [
    "Library",
    "explain",
    "heat_map",
    "load_model",
    "open_library",
    "restore_library",
]


def load_model(name: str = "mini", *, device: str = "auto", threads: int = 0) -> Model:
    """Open a model by its name or its folder.

    ``device`` is auto, cpu, cuda or mps; ``threads`` 0 uses every core. The networks are loaded
    when they are first needed. Raises ``ModelError`` where the model is missing or damaged.
    """
    from qks_cli.model.model import Model

    return Model.open(name, device=device, threads=threads)


def explain(
    photo: Path | str,
    labels: Sequence[str] = (),
    model: Model | None = None,
    *,
    min_score: float | None = None,
    top: int = 20,
) -> list[Reason]:
    """Tell why a photo would have or lack each of ``labels`` (any words), best first. Without
    labels: the model's own labels that fit the photo, and the few that nearly do (docs/explain.md).
    ``Library.explain`` goes by the words of a library, and by what it learned.

    ``min_score`` is 0 to 1 (None: the model's cut-off), ``top`` the most tags per photo. Raises
    ``UsageError`` where the photo cannot be read, and for an empty label."""
    from qks_cli.workflows.explain import explain as reasons

    model = model or load_model()
    words = model.vocabulary()
    found = reasons(Path(photo), model, words, labels, min_score=min_score, top=top)
    return list(found.reasons)


def heat_map(
    photo: Path | str, label: str, model: Model | None = None, *, attention: bool = False
) -> Float32Array:
    """Compute where on a photo the score of a label comes from: float32 [G, G], 0 to 1, a grid over
    the photo (over its central square, for models that see only that). With ``attention``: the
    attention of the query token that fits the label best.

    Raises ``UsageError`` where the photo cannot be read, or the model has no such attention."""
    from qks_cli.workflows.heat import heat_map as heat

    return heat(model or load_model(), Path(photo), label, attention=attention)


def open_library(path: Path | str | None = None, *, create: bool = False) -> Library:
    """Open the library in the file ``path``, by default the one that ``qks`` uses: ``$QKS_DB``,
    else the one in the user's data folder.

    Raises ``LibraryError`` where the file does not exist (unless ``create``), is not a library, or
    was written by a newer version.
    """
    return Library(session.open_library(None if path is None else Path(path), create=create))


def restore_library(file: Path | str, path: Path | str | None = None) -> Path | None:
    """Put a backup (``Library.back_up``) in the place of the library ``path``, by default the one
    that ``qks`` uses. Returns where the library that was there is kept, None where none was.

    Raises ``LibraryError`` for what is no whole library."""
    from qks_cli.workflows.backup import restore

    return restore(Path(file), None if path is None else Path(path))
