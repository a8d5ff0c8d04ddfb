"""What the installed packages can read beyond the formats that always can be."""

from __future__ import annotations

import importlib.util
from functools import cache


@cache
def raw_readable() -> bool:
    """Whether rawpy is installed, without importing it."""
    return importlib.util.find_spec("rawpy") is not None


@cache
def videos_readable() -> bool:
    """Whether PyAV is installed, without importing it."""
    return importlib.util.find_spec("av") is not None


@cache
def jxl_readable() -> bool:
    """Whether pillow-jxl-plugin is installed, without importing it."""
    return importlib.util.find_spec("pillow_jxl") is not None
