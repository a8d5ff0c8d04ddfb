"""Decides what the package depends on: everything, or with QKS_LIGHT=1 all but torch.

A package cannot offer its users fewer dependencies than it declares, and pip has no option to leave
some out. So the choice is made when the package is built, which `pip install .`, `pipx install .`
and `uv tool install .` do on the user's machine.
"""

from __future__ import annotations

import os
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class LightOrWhole(MetadataHookInterface):
    """Fills in the dependencies from the two lists in pyproject.toml."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by hatchling with the `project` table, before it is written out."""
        light = os.environ.get("QKS_LIGHT", "").strip().lower() in ("1", "true", "yes", "on")
        wanted = self.config["light"] + ([] if light else self.config["heavy"])
        metadata["dependencies"] = sorted(wanted)
