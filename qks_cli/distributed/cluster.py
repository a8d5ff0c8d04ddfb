"""The Ray cluster that jobs run on: one that is there, or this machine alone.

Nothing leaves the machine by itself: usage statistics and the dashboard are off. Ray listens on all
network addresses, so a cluster of this machine alone answers only to a random token.
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qks_cli.errors import UsageError

STORE = 256 << 20  # bytes of shared memory of a cluster of this machine alone
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # it would write to stderr what is nothing to users
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_niceness": "0",  # as `qks tag`; Ray would put its workers behind everything else
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a cluster has: processors and GPUs, both at least partly free."""

    cpus: int
    gpus: int

    @property
    def models(self) -> int:
        """Actors that hold a model: one a GPU, else one for every two processors."""
        return self.gpus or max(1, self.cpus // 2)


@contextmanager
def cluster(address: str | None = None, workers: int = 0) -> Iterator[Sizes]:
    """A connection to the cluster at ``address``, or a cluster of this machine with ``workers``
    processors (0: all), which ends with the block. One that is connected already is taken as it is.

    Raises ``UsageError`` where it cannot be reached."""
    os.environ.update({name: os.environ.get(name, value) for name, value in _QUIET.items()})
    # Ray reads these once, when it is imported; its processes inherit them.
    if address is None and "ray" not in sys.modules:
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    import ray

    own = not ray.is_initialized()
    if own:
        try:
            with _no_native_lines():
                _connect(ray, address, workers)
        except Exception as error:  # Ray raises all kinds, also bare ones
            raise UsageError(f"no Ray cluster: {' '.join(str(error).split())}") from error
    context: Any = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        found = ray.cluster_resources()
        yield Sizes(int(found.get("CPU", 1)), int(found.get("GPU", 0)))
    finally:
        if own:
            ray.shutdown()


@contextmanager
def failures_told() -> Iterator[None]:
    """What ends a job as ``UsageError``: its last line, which says what happened on which machine;
    what was written before is kept."""
    try:
        yield
    except Exception as error:  # of Ray, or of what ran in a worker; both wrap one another
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise UsageError(
            f"the Ray job ended: {lines[-1] if lines else type(error).__name__}",
            hint="what was written is kept; the same command goes on from there",
        ) from error


@contextmanager
def _no_native_lines() -> Iterator[None]:
    """Ray's own library says on stderr, whatever is asked, which log level it was asked for. What
    goes wrong is an exception."""
    try:
        kept = os.dup(2)
    except OSError:  # stderr is closed
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _connect(ray: Any, address: str | None, workers: int) -> None:
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is not None:
        ray.init(address=address, **common)
        return
    # Workers inherit these: they import the same qks, and one thread each is faster than many.
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    ray.init(
        address="local",  # else it would take a Ray that somebody started here
        num_cpus=workers or None,
        include_dashboard=False,
        object_store_memory=STORE,
        **common,
    )
