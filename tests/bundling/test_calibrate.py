from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qks_cli.bundling.calibrate import cutoff_for, known_truth
from qks_cli.errors import TrainingError
from qks_cli.training.mini.batches import TrueLabels
from qks_cli.training.mini.pool import read_photos
from qks_cli.training.mini.teachers import Teachers
from tests.training.mini.pools import make_pool


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


def test_what_is_known_of_a_photo(tmp_path: Path) -> None:
    pool, teachers = make_pool(tmp_path)
    photos = read_photos(pool)
    rows = np.arange(6)
    known = known_truth(Teachers(teachers), TrueLabels(photos), rows)
    column = {name: index for index, name in enumerate(known.names)}
    assert not (known.present_NC & known.absent_NC).any()
    for row in rows:  # a single-label source: its own label is there, the other two are not
        own = photos[row].labels[0]
        for colour in ("red", "green", "blue"):
            assert known.present_NC[row, column[colour]] == (colour == own)
            assert known.absent_NC[row, column[colour]] == (colour != own)
    assert known.absent_NC[:, column["ball"]].all()  # the detector found nothing
    assert known.absent_NC[:, column["kind 19"]].all()
    # Its two classes have a sixteenth each, together less than the lower threshold.
    assert known.absent_NC[:, column["group one"]].all()
