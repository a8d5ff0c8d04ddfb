"""What tells one state of a data set from another: hashes of its lists, photos and truth."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from qks_cli.model.bundle import file_hash
from qks_cli.photos.suffixes import PHOTOS
from qks_cli.training.datasets import LAYOUTS
from qks_cli.training.datasets.labelled import DataSet, Split
from qks_cli.training.datasets.paths import TarEntry


def describe(data: DataSet, root: Path | None) -> dict[str, Any]:
    """For a run's manifest: the lists of the data set by their hashes, and what was read of them.

    A data set may lie elsewhere when a run is resumed; its photos, truth and lists may not differ.
    """
    return {
        "name": data.name,
        "lists": {} if root is None else list_hashes(data.name, root),
        "photos": len(data.train),
        "missing": len(data.missing),
        "digest": split_digest(data.train),
    }


def list_hashes(name: str, root: Path) -> dict[str, str]:
    """SHA-256 of every file of the layout that is no photo, by its path below the root."""
    found: dict[str, str] = {}
    if name not in LAYOUTS:
        return found
    for part in LAYOUTS[name].parts:
        path = part.find(root)
        if path is not None and path.is_file() and path.suffix.lower() not in PHOTOS:
            found[str(path.relative_to(root))] = file_hash(path)
    return found


def split_digest(split: Split) -> str:
    """SHA-256 over the photos' names and sizes in their order, and the truth."""
    digest = hashlib.sha256()
    for file in split.files:
        digest.update(stamp(file))
    matrix = split.truth.tocsr()
    matrix.sort_indices()
    for values, kind in (
        (matrix.data, np.int8),
        (matrix.indices, np.int64),
        (matrix.indptr, np.int64),
    ):
        digest.update(np.ascontiguousarray(values, kind).tobytes())
    digest.update(bytes([split.unlisted_absent]))
    return digest.hexdigest()


def stamp(file: Any) -> bytes:
    """A photo's name and size, of an archive's entry its checksum; another photo under the same
    name differs in them almost always. One that is gone has no size."""
    if isinstance(file, TarEntry):
        return os.fsencode(f"{file.name}\0{file.offset}\0{file.size}\n")
    try:
        size = file.stat().st_size if isinstance(file, Path) else file.root.getinfo(file.at).CRC
    except (OSError, KeyError):
        size = -1
    return os.fsencode(f"{file.name}\0{size}\n")
