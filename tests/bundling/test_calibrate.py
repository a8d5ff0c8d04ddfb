from __future__ import annotations

import numpy as np
import pytest

from qks_cli.bundling.calibrate import cutoff_for
from qks_cli.errors import TrainingError


def test_the_cutoff_keeps_the_wanted_precision() -> None:
    rng = np.random.default_rng(1)
    said = rng.random(20_000).astype(np.float32)
    right = rng.random(20_000) < said  # perfectly calibrated
    cutoff = cutoff_for(said, right, 0.8)
    assert right[said >= cutoff].mean() >= 0.8
    assert right[said >= cutoff - 0.05].mean() < 0.8
    assert cutoff == pytest.approx(0.6, abs=0.03)  # the mean of what lies above it is 0.8


def test_a_precision_out_of_reach_is_said() -> None:
    said = np.linspace(0, 1, 1000, dtype=np.float32)
    with pytest.raises(TrainingError, match=r"0\.8"):
        cutoff_for(said, np.zeros(1000, bool), 0.8)
