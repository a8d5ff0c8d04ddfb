"""Where things live for this user: index, cache, models. Environment variables come first."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

APP = "qks"


def index_path() -> Path:
    """The default index: ``$QKS_DB``, else ``library.db`` in the platform's data folder."""
    named = os.environ.get("QKS_DB")
    return Path(named).expanduser() if named else platformdirs.user_data_path(APP) / "library.db"


def config_path() -> Path:
    """The configuration file: ``$QKS_CONFIG``, else in the platform's config folder."""
    named = os.environ.get("QKS_CONFIG")
    return Path(named).expanduser() if named else platformdirs.user_config_path(APP) / "config.toml"


def cache_path() -> Path:
    """Folder for things that can be made again: ``$QKS_CACHE`` or the platform's cache folder."""
    named = os.environ.get("QKS_CACHE")
    return Path(named).expanduser() if named else platformdirs.user_cache_path(APP)


def models_path() -> Path:
    """Folder of models the user pulled or trained: ``$QKS_MODELS`` or in the data folder."""
    named = os.environ.get("QKS_MODELS")
    return Path(named).expanduser() if named else platformdirs.user_data_path(APP) / "models"


def socket_path() -> Path:
    """Where `qks serve` listens: ``$QKS_SOCKET``, else in the platform's folder for sockets."""
    named = os.environ.get("QKS_SOCKET")
    return Path(named).expanduser() if named else platformdirs.user_runtime_path(APP) / "qks.sock"


def processors() -> int:
    """How many processors this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):  # Linux; it knows of taskset and containers
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
