"""Commands are tested with the fake model, unless a test module says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def model(fake_model: Path) -> Path:
    """The folder of the model that commands take."""
    return fake_model
