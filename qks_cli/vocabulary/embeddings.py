"""Label embeddings: the mean over the prompt pool, cached by model, pool and label.

Axes: C labels, K templates, E label space.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

import numpy as np

from qks_cli.types import Float32Array
from qks_cli.vocabulary.labels_file import Label
from qks_cli.vocabulary.plurals import singular
from qks_cli.vocabulary.prompts import fill

EMBEDDINGS_FILE = "labels.npz"  # in a bundle: embeddings of its default vocabulary
Embed = Callable[[Sequence[str]], Float32Array]


def embed_labels(
    labels: Sequence[Label],
    *,
    templates: Sequence[str],
    embed: Embed,
    model_hash: str,
    cache: Path | None,
    length: float | None = None,
    known: Mapping[str, Float32Array] = MappingProxyType({}),
    as_written: bool = False,
) -> Float32Array:
    """Float32 [C, E]: for each label the mean of its un-normalised text embeddings.

    In ``templates`` a label is said in the singular, which is what tagging and searching want;
    ``as_written`` leaves it as it is, so that two labels of a data set never become one. In its
    own prompts, which replace ``templates``, a label always stands as it is written.

    ``length`` as in ``to_length``. ``known`` are the embeddings that the model brings along, by
    ``label_keys``. ``cache`` is a folder; only labels that are in neither are embedded, so
    ``embed`` may load its network when first called. A damaged cache is made anew, an unwritable
    one is done without.
    """
    texts = [_texts(label, templates, as_written=as_written) for label in labels]
    keys = [_key(own) for own in texts]
    found = {key: known[key] for key in keys if key in known}
    if cache is not None and len(found) < len(set(keys)):
        found |= _read(cache, model_hash, keys)
    missing = [row for row in range(len(labels)) if keys[row] not in found]
    if missing:
        unique = list(dict.fromkeys(text for row in missing for text in texts[row]))
        place = {text: index for index, text in enumerate(unique)}
        embedded = embed(unique)
        fresh: dict[str, Float32Array] = {}
        for row in missing:
            own = embedded[[place[text] for text in texts[row]]]
            fresh[keys[row]] = own.mean(axis=0, dtype=np.float32)
        if cache is not None:
            _write(cache, model_hash, fresh)
        found |= fresh
    return to_length(np.stack([found[key] for key in keys]), length)


def to_length(vectors_CE: Float32Array, length: float | None) -> Float32Array:
    """Label vectors as the model was trained with them.

    The bundled models' labels have one length in all coordinates but the last, a constant
    (training/label_space.py); the paper's keep their magnitude (``length`` None).
    """
    if length is None:
        return vectors_CE
    norms = np.linalg.norm(vectors_CE[:, :-1], axis=1, keepdims=True)
    scaled = vectors_CE[:, :-1] * (length / np.maximum(norms, 1e-6))
    return np.concatenate([scaled, np.ones_like(norms)], axis=1, dtype=np.float32)


def label_keys(labels: Sequence[Label], templates: Sequence[str]) -> list[str]:
    """What names a label's embedding: the texts that it is the mean of."""
    return [_key(_texts(label, templates)) for label in labels]


def write_known(path: Path, keys: Sequence[str], vectors_CE: Float32Array) -> None:
    """The embeddings that a model brings along, not yet brought to length."""
    np.savez(path, keys=np.array(keys), vectors=vectors_CE)


def read_known(path: Path) -> dict[str, Float32Array]:
    """What ``write_known`` wrote."""
    with np.load(path) as stored:
        return dict(zip(stored["keys"].tolist(), stored["vectors"], strict=True))


def _texts(label: Label, templates: Sequence[str], *, as_written: bool = False) -> list[str]:
    if label.prompts:
        return [fill(prompt, label.name) for prompt in label.prompts]
    said = label.name if as_written else singular(label.name)
    return [fill(template, said) for template in templates]


def _key(texts: Sequence[str]) -> str:
    return hashlib.sha256("\x00".join(texts).encode()).hexdigest()


def _file(cache: Path, model_hash: str) -> Path:
    return cache / f"labels-{model_hash[:16]}.sqlite"


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=5)
    connection.execute(
        "CREATE TABLE IF NOT EXISTS embeddings (key TEXT PRIMARY KEY, vector BLOB NOT NULL)"
    )
    return connection


def _read(cache: Path, model_hash: str, keys: Sequence[str]) -> dict[str, Float32Array]:
    path = _file(cache, model_hash)
    if not path.is_file():
        return {}
    try:
        with closing(_open(path)) as connection:
            wanted = set(keys)
            rows = connection.execute("SELECT key, vector FROM embeddings")
            found = {k: np.frombuffer(v, np.float32) for k, v in rows if k in wanted}
    except sqlite3.OperationalError:
        return {}  # held by another process or not readable: do without
    except sqlite3.DatabaseError:
        path.unlink(missing_ok=True)
        return {}
    widths = {len(vector) for vector in found.values()}
    return found if len(widths) <= 1 else {}


def _write(cache: Path, model_hash: str, fresh: dict[str, Float32Array]) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with closing(_open(_file(cache, model_hash))) as connection, connection:
            connection.executemany(
                "INSERT OR REPLACE INTO embeddings VALUES (?, ?)",
                [(key, vector.tobytes()) for key, vector in fresh.items()],
            )
    except (OSError, sqlite3.Error):
        return  # a cache that cannot be written only costs time
