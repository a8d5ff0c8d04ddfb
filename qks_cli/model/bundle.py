"""A model bundle on disk: found, read and checked without importing torch.

A bundle is a folder with ``config.json``: what the model is, how photos are brought to it, its
prompt pool, and the SHA-256 of every other file. Nothing else reads a bundle's files.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qks_cli import settings
from qks_cli.errors import ModelError
from qks_cli.model import verified
from qks_cli.wording import did_you_mean

if TYPE_CHECKING:
    from qks_cli.network.config import ModelConfig

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
LABELS = "labels.txt"
PACKAGED = Path(__file__).parent.parent / "_models"
CHECKOUT = Path(__file__).parent.parent.parent / "models"


@dataclass(frozen=True)
class Bundle:
    """A bundle whose ``config.json`` was understood; files are checked when first asked for."""

    path: Path
    config: dict[str, Any]

    @cached_property
    def architecture(self) -> ModelConfig:
        """What the networks are made of. Raises ``ModelError`` where that is not understood."""
        from qks_cli.network.config import ModelConfig  # a search does without

        return ModelConfig.from_dict(self.config["model"])

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.config["model"]["name"])

    @property
    def version(self) -> str:
        """The bundle's version, written into everything that it tags."""
        return str(self.config["version"])

    @cached_property
    def hash(self) -> str:
        """SHA-256 over the configuration, which holds the hash of every file."""
        text = json.dumps(self.config, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def templates(self) -> tuple[str, ...]:
        """The prompt pool of this model."""
        return tuple(self.config["templates"])

    @property
    def context_length(self) -> int:
        """Text tokens that the text tower reads at most."""
        model = self.config["model"]
        text = model["text"] or model["clip"]["text_cfg"]
        return int(text.get("context_length", 77))

    @property
    def image_size(self) -> int:
        """Side of the square that photos are brought to, in pixels."""
        return int(self.config["model"]["image_size"])

    @property
    def resize(self) -> str:
        """How: ``squash`` (the whole photo) or ``crop`` (its middle square); see ``decode``."""
        return str(self.config["resize"])

    @property
    def label_length(self) -> float | None:
        """Length that label vectors are brought to (beside the constant), None to leave it."""
        length = self.config.get("label_length")
        return None if length is None else float(length)

    @property
    def queries(self) -> int:
        """M, query tokens a photo."""
        model = self.config["model"]
        return int((model.get("head") or model["decoder"])["queries"])

    @property
    def width(self) -> int:
        """E, width of the label space."""
        return int(self.config["model"]["label_width"])

    @property
    def labels_file(self) -> Path:
        """The labels that come with the model, or with ``mini`` where it brings none."""
        own = self.path / LABELS
        return own if own.is_file() else find_bundle("mini") / LABELS

    def has(self, name: str) -> bool:
        """Whether the bundle lists this file."""
        return name in self.config["files"]

    def file(self, name: str, *, anew: bool = False) -> Path:
        """A file of the bundle, its hash checked: ``anew`` also where it was found whole before and
        has not changed since.

        Raises ``ModelError`` where it is not listed, missing or not what the hash says.
        """
        path = self.path / name
        expected = self.config["files"].get(name)
        if expected is None or not path.is_file():
            raise ModelError(
                f"the model {self.name} lacks the file {name} (looked in {self.path})",
                hint="reinstall qks, or make the bundle again",
            )
        if not anew and verified.is_known(path, expected):
            return path
        if file_hash(path) != expected:
            raise ModelError(
                f"{path} is damaged: its hash is not the one in {CONFIG}",
                hint="reinstall qks, or make the bundle again",
            )
        verified.remember(path, expected)
        return path


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal text."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def search_folders() -> tuple[Path, ...]:
    """Where named bundles are looked for, first to last."""
    return (settings.models_path(), PACKAGED, CHECKOUT)


def find_bundle(name_or_folder: str) -> Path:
    """The folder of a bundle: a folder given as such, else a name in ``search_folders``.

    Raises ``ModelError`` naming every place that was looked in.
    """
    given = Path(name_or_folder).expanduser()
    if (given / CONFIG).is_file():
        return given
    if given.name == name_or_folder:
        for folder in search_folders():
            if (folder / name_or_folder / CONFIG).is_file():
                return folder / name_or_folder
    places = ", ".join(str(folder / name_or_folder) for folder in search_folders())
    raise ModelError(
        f"no model '{name_or_folder}' (looked for {CONFIG} in {places})",
        hint=_nearest(name_or_folder),
    )


def _nearest(name: str) -> str:
    """Names of models that are here and nearly so called."""
    here = {path.parent.name for folder in search_folders() for path in folder.glob(f"*/{CONFIG}")}
    all_of_them = "`qks models list` shows what is here"
    return did_you_mean(name, here, also=all_of_them, else_say=all_of_them)


def read_bundle(name_or_folder: str) -> Bundle:
    """Find and read a bundle. Raises ``ModelError`` where it is missing or not understood."""
    folder = find_bundle(name_or_folder)
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        bundle = Bundle(folder, config)
        _ = (bundle.name, bundle.version, bundle.templates, bundle.image_size, bundle.resize)
        _ = (bundle.queries, bundle.width, dict(config["files"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{folder / CONFIG} is not a model's configuration: {error!r}",
            hint="reinstall qks, or make the bundle again",
        ) from error
    return bundle


def list_bundles() -> list[Path]:
    """Every bundle's folder that a name finds, sorted by name."""
    found: dict[str, Path] = {}
    for folder in search_folders():
        if folder.is_dir():
            for entry in sorted(folder.iterdir()):
                if (entry / CONFIG).is_file():
                    found.setdefault(entry.name, entry)
    return [found[name] for name in sorted(found)]
