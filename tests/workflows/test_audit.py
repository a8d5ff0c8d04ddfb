from __future__ import annotations

import numpy as np

from qks_cli.workflows.audit import audit

LABELS = np.array([[1, 0, 1], [0, 1, 1], [0.7, -0.7, 1]], np.float32)


def test_better_cutoffs_are_proposed() -> None:
    rng = np.random.default_rng(1)
    scores = np.zeros((100, 3), np.float32)
    scores[:, 0] = rng.uniform(0.001, 0.01, 100)
    scores[:5, 0] = (0.2, 0.19, 0.187, 0.1, 0.1)  # never fires; its best three reach 0.187
    scores[:, 1] = rng.uniform(0.5, 0.6, 100)  # fires everywhere; ten photos stand out
    scores[:10, 1] = rng.uniform(0.97, 0.99, 10)
    scores[:, 2] = 0.001  # fits nothing
    found = audit(["cup", "wall", "yeti"], scores, scores >= 0.3, LABELS)
    by_label = {x.label: x for x in found}
    assert (by_label["cup"].kind, by_label["cup"].cutoff) == ("never", 0.18)
    assert (by_label["wall"].kind, by_label["wall"].photos) == ("everywhere", 100)
    wall = by_label["wall"].cutoff
    assert wall is not None
    assert int((scores[:, 1] >= wall).sum()) == 10
    assert (by_label["yeti"].kind, by_label["yeti"].cutoff) == ("never", None)


def test_a_label_that_says_the_same_of_all_photos_has_no_better_cutoff() -> None:
    scores = np.full((4, 3), 0.9, np.float32)
    found = audit(["a", "b", "c"], scores, scores >= 0.3, LABELS)
    assert [x.cutoff for x in found if x.kind == "everywhere"] == [None] * 3
    assert audit(["a"], scores[:0, :1], scores[:0, :1] > 0, LABELS[:1])[0].cutoff is None
