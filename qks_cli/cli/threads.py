"""How many threads numpy may use."""

from __future__ import annotations

import os


def use_one_thread() -> None:
    """Keep numpy to one thread; call it before numpy is first imported. Idle threads of numpy would
    take the cores that decode photos."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
