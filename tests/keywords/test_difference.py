"""The older file comes back from the newer one, to the byte."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qks_cli.keywords import difference as module
from qks_cli.keywords.difference import difference, undone

pieces = st.lists(st.binary(max_size=300), max_size=5)


@given(pieces, pieces, st.binary(max_size=2000))
def test_any_file_comes_back(old: list[bytes], new: list[bytes], shared: bytes) -> None:
    older, newer = shared.join(old), shared.join(new)
    assert undone(newer, difference(older, newer)) == older


def test_what_only_moved_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART", 1 << 18)
    monkeypatch.setattr(module, "REACH", 1 << 14)
    picture = np.random.default_rng(1).bytes(1_500_000)
    old = b"II*\0" + b"directory" * 40 + picture
    new = b"II*\0" + b"<x:xmpmeta/>" * 300 + b"directory" * 40 + picture
    stored = difference(old, new)
    assert len(stored) < 20_000
    assert undone(new, stored) == old


def test_another_file_is_told() -> None:
    old, new = b"older" * 1000, b"newer" * 1000
    stored = difference(old, new)
    for broken in (stored[:-3], stored[:2], b"\0" * 40):
        try:
            assert undone(new, broken) != old
        except ValueError as error:
            assert "difference" in str(error)
