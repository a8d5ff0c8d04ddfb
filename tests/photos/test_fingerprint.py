from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qks_cli.photos.fingerprint import EDGE, fingerprint


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(min_size=1, max_size=300), at=st.integers(0, 299))
def test_any_changed_byte_of_a_small_file_shows(tmp_path: Path, data: bytes, at: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(data)
    before = fingerprint(path)
    assert before == fingerprint(path)
    changed = bytearray(data)
    changed[at % len(data)] ^= 1
    path.write_bytes(changed)
    assert fingerprint(path) != before


def test_head_tail_and_size_count(tmp_path: Path) -> None:
    path = tmp_path / "a"
    data = bytes(range(256)) * (4 * EDGE // 256)
    seen = set()
    for at in (0, EDGE - 1, len(data) - EDGE, len(data) - 1):
        changed = bytearray(data)
        changed[at] ^= 1
        path.write_bytes(changed)
        seen.add(fingerprint(path))
    path.write_bytes(data)
    seen.add(fingerprint(path))
    path.write_bytes(data + b"x")
    seen.add(fingerprint(path))
    assert len(seen) == 6
    with pytest.raises(OSError):
        fingerprint(tmp_path / "gone")
