"""What a trained bundle says about its training, so that an evaluation knows what it was shown."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from qks_cli.errors import ModelError
from qks_cli.model.bundle import Bundle

RECORD_FILE = "training.json"


@dataclass(frozen=True, slots=True)
class Record:
    """``trained`` are the keys of the labels that the weights saw, ``held_out`` those of the labels
    that the run was selected by (in ``trained`` too after a refit)."""

    dataset: str
    trained: tuple[str, ...]
    held_out: tuple[str, ...]
    refit: bool = False


def write(folder: Path, record: Record) -> None:
    """Into a bundle's folder."""
    text = json.dumps(asdict(record), indent=2, ensure_ascii=False)
    (folder / RECORD_FILE).write_text(text + "\n", encoding="utf-8")


def read(bundle: Bundle) -> Record | None:
    """None for a bundle that was not trained on a data set. Raises ``ModelError``."""
    if not bundle.has(RECORD_FILE):
        return None
    path = bundle.file(RECORD_FILE)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Record(
            str(data["dataset"]),
            tuple(data["trained"]),
            tuple(data["held_out"]),
            refit=bool(data["refit"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is not a record of a training: {error!r}") from error
