"""The floor rises with the number of photos, and nonsense hardly reaches it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qks_cli.model.calibration import Calibration
from qks_cli.model.floor import NONSENSE, SIZES, Floor, measure


def directions(count: int, seed: int) -> np.ndarray:  # type: ignore[type-arg]
    found = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_half_of_what_fits_nothing_stays_below_it() -> None:
    bank_RME = directions(4000, 1).reshape(1000, 4, 16) * 3
    calibration = Calibration(bank_RME, np.array([-4, 1, 0, 1, 0], np.float32), 0.5)
    nonsense_KE = directions(len(NONSENSE), 2)
    floor = measure(calibration, nonsense_KE)
    assert list(floor.scores) == sorted(floor.scores)
    assert 0 < floor.of(1) == floor.of(10) < floor.of(100) < floor.of(700) < floor.of(10**7) < 1
    other_KE = directions(200, 3)
    stats = calibration.label_stats(other_KE)
    photos_NME = directions(1200, 4).reshape(300, 4, 16) * 3
    raw_NK = (photos_NME @ other_KE.T).max(1)
    best_K = calibration.probabilities(raw_NK, stats).max(0)
    assert 0.35 < (best_K < floor.of(300)).mean() < 0.65


def test_it_is_kept(tmp_path: Path) -> None:
    floor = Floor(tuple(number / 10 for number in range(len(SIZES))))
    floor.write(tmp_path / "deep" / "floor.json")
    assert Floor.read(tmp_path / "deep" / "floor.json") == floor
    for broken in ("", "[]", '{"photos_and_scores": [[1, "x"]]}', '{"photos_and_scores": 3}'):
        (tmp_path / "floor.json").write_text(broken)
        assert Floor.read(tmp_path / "floor.json") is None
    assert Floor.read(tmp_path / "none.json") is None
