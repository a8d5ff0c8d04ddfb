"""Commands are tested with the fake model, unless a test module says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.run import Here, run


@pytest.fixture(autouse=True)
def model(fake_model: Path) -> Path:
    """The folder of the model that commands take."""
    return fake_model


@pytest.fixture
def here(model: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Here:
    """Runs the command line in this process."""
    return lambda *line: run(monkeypatch, capfd, *line)
