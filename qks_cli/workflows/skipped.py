"""Files of a folder that are no photos to qks: counted by kind and suffix, and named."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from qks_cli.errors import install_extra
from qks_cli.escape import shown

_WORDS = {
    "raw": ("RAW", "RAW"),
    "jxl": ("JPEG XL", "JPEG XL"),
    "video": ("video", "videos"),
    "other-video": ("video of another kind", "videos of other kinds"),
    "special": ("pipe or device", "pipes or devices"),
    "other": ("other", "other"),
}
# What would help, by kind.
_HINTS = {
    "raw": "`pip install rawpy` reads RAW",
    "jxl": f"to read JPEG XL, {install_extra('jxl')}",
    "video": f"to read videos, {install_extra('video')}",
    "other-video": "`ffmpeg -i FILE -c copy NEW.mkv` makes videos of other kinds readable "
    "(`apt-get install ffmpeg`)",
}
SUFFIXES = 5  # that are named of a kind


class Skipped:
    """What a walk skipped. ``add`` is an ``on_skip`` of ``photos.walk``."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, path: Path, kind: str) -> None:
        """Count one file."""
        self._counts[kind, path.suffix.lower()] += 1

    def add_meant(self, path: Path, kind: str) -> None:
        """Count one file unless it is of a kind that no camera writes: programs come and go with
        their own files beside photos that are watched."""
        if kind in ("raw", "jxl", "video", "other-video"):
            self.add(path, kind)

    def line(self) -> str:
        """``skipped, not photos that qks reads: 3 RAW (.cr2), 1 video (.mov)``; what to do about
        files that only need a package."""
        parts = []
        for kind, (one, many) in _WORDS.items():
            found = Counter({suffix: n for (x, suffix), n in self._counts.items() if x == kind})
            if found:
                names = [suffix or "no suffix" for suffix, _ in found.most_common(SUFFIXES)]
                more = ", …" if len(found) > len(names) else ""
                word = one if found.total() == 1 else many
                parts.append(f"{found.total():,} {word} ({shown(', '.join(names))}{more})")
        kinds = {kind for kind, _ in self._counts}
        hints = [hint for kind, hint in _HINTS.items() if kind in kinds]
        return "; ".join([f"skipped, not photos that qks reads: {', '.join(parts)}", *hints])
