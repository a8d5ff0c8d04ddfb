"""Where things live, and what this machine has."""

from __future__ import annotations

import os

import pytest

from qks_cli import settings


def test_processors_are_those_this_process_may_use() -> None:
    assert settings.processors() == len(os.sched_getaffinity(0))


def test_a_system_without_affinities_counts_its_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")  # macOS and Windows have none
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert settings.processors() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert settings.processors() == 1
