"""Every command on a damaged library: exit code 2, and the way to `qks doctor`."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from qks_cli import app
from qks_cli.library.store import Library
from qks_cli.model.bundle import read_bundle
from qks_cli.types import Photo, Tag, TaggedPhoto

PAGE = 4096


@pytest.fixture
def damaged(fake_model: Path, photos: Path) -> Path:
    """A library of many photos that opens, but whose pages after the first are noise."""
    path, bundle = Path(os.environ["QKS_DB"]), read_bundle("mini")
    with Library.open(path) as library:
        model = library.models.id_of(
            bundle.name, bundle.version, bundle.hash, bundle.queries, bundle.width
        )
        words = library.vocabularies.id_of("d", "cat\n")
        tokens_ME = np.ones((bundle.queries, bundle.width), np.float16)
        rows = [
            TaggedPhoto(Photo(photos / f"{number}.jpg", 1, 1), (Tag("cat", 0.9, 0),), tokens_ME)
            for number in range(300)
        ]
        with library.runs.recorded("tag", model, words):
            library.save(rows, (), model_id=model, vocabulary_id=words, selection="s")
    content = bytearray(path.read_bytes())
    schema = 12 * PAGE  # the schema itself stays readable
    content[schema:] = np.random.default_rng(1).bytes(len(content) - schema)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "command",
    [
        "search cat",
        "search name:cat",
        "search has:gps",
        "tag PHOTOS",
        "retag",
        "similar PHOTOS/cat.jpg",
        "duplicates",
        "duplicates --near 0.9",
        "clusters",
        "stats --by year",
        "status PHOTOS",
        "write PHOTOS",
        "untag PHOTOS",
        "verify PHOTOS",
        "import PHOTOS",
        "prune",
        "tags list",
        "tags rename cat tiger --yes",
        "tags reject cat PHOTOS/cat.jpg",
        "labels versions",
        "diff 1 now",
        "backup COPY",
    ],
)
def test_every_command_says_so(
    command: str,
    damaged: Path,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    line = command.replace("PHOTOS", str(photos)).replace("COPY", str(damaged) + ".copy")
    monkeypatch.setattr(sys, "argv", ["qks", *line.split()])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(SystemExit) as end:
        app.main()
    said = capfd.readouterr().err
    assert end.value.code == 2, said
    assert str(damaged) in said
    assert "qks doctor" in said
    assert "Traceback" not in said
