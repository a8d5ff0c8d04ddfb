"""Which file is a photo's sidecar, and whose photo.xmp is.

``photo.jpg.xmp`` is one photo's alone. ``photo.xmp`` may be meant by every file called ``photo.*``:
it is the raw file's, as photo programs have it, else the first photo's by name, and a video's only
where there is no photo; the others get sidecars of the longer name. What the ledger says of a file
comes first.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from qks_cli.keywords.errors import Refusal
from qks_cli.photos.suffixes import JXL, PHOTOS, RAW, VIDEOS

XMP = ".xmp"
_PICTURES = PHOTOS | JXL | RAW
LONGEST = 255  # bytes of a name where the file system does not say

# Whether a sidecar holds keywords of this photo (True), of another one (False), or neither (None).
Claim = Callable[[Path], bool | None]


def unclaimed(file: Path) -> bool | None:
    """The claim of those who have no ledger."""
    return None


class Folders:
    """The names in folders, each folder read once: not again for each of its photos."""

    def __init__(self) -> None:
        self._stems: dict[Path, dict[str, list[str]]] = {}

    def named(self, folder: Path, stem: str) -> list[str]:
        """The names in a folder that are a stem, or a stem and a suffix; none where the folder
        cannot be read."""
        stems = self._stems.get(folder)
        if stems is None:
            stems = self._stems[folder] = {}
            try:
                for file in folder.iterdir():
                    stems.setdefault(file.stem, []).append(file.name)
            except OSError:
                pass  # then nothing else is known to be there
        return stems.get(stem, [])


def path_of(photo: Path, style: str = "ext") -> Path:
    """The sidecar of a photo: the one that is there, under either name, else by ``style``."""
    return locate(photo, style)[0]


def locate(
    photo: Path, style: str = "ext", *, folders: Folders | None = None, claim: Claim = unclaimed
) -> tuple[Path, bool]:
    """The sidecar of a photo, and whether it is there.

    ``style`` names a new one: ``ext`` photo.jpg.xmp, ``adobe`` photo.xmp if that is this photo's.
    Suffixes of any case are found. ``folders`` spares reading a folder for each photo. Raises
    ``Refusal`` where there is none and its name would be too long.
    """
    free: list[Path] = []
    for file, is_there in _mine(photo, style, folders or Folders(), claim):
        if is_there:
            return file, True
        free.append(file)
    if not free:
        raise Refusal("its sidecars' names are taken by other photos", sidecar=False)
    if len(os.fsencode(free[0].name)) > longest_name(photo.parent):
        raise Refusal(
            f"its name is too long for a sidecar ({len(os.fsencode(photo.name))} bytes)",
            sidecar=False,
        )
    return free[0], False


def existing(
    photo: Path, *, folders: Folders | None = None, claim: Claim = unclaimed
) -> Path | None:
    """The sidecar of a photo that would be written to, if it has one."""
    try:
        return next(iter(every(photo, folders=folders, claim=claim)), None)
    except Refusal:
        return None


def every(photo: Path, *, folders: Folders | None = None, claim: Claim = unclaimed) -> list[Path]:
    """All sidecars of a photo, the one that would be written to first: programs with different
    habits leave photo.jpg.xmp and photo.xmp. Raises ``Refusal`` where that cannot be told."""
    own = _mine(photo, "ext", folders or Folders(), claim)
    return [file for file, is_there in own if is_there]


def _mine(photo: Path, style: str, folders: Folders, claim: Claim) -> Iterator[tuple[Path, bool]]:
    """The sidecars that are, or would be, this photo's, and whether they are there."""
    order = [photo.name + XMP, photo.stem + XMP]
    if style == "adobe":
        order.reverse()
    for name in order:
        file = _there(photo.parent, name, folders)
        claimed = claim(file or photo.with_name(name))
        if claimed if claimed is not None else _is_mine(photo, name, folders):
            yield file or photo.with_name(name), file is not None


def longest_name(folder: Path) -> int:
    """Bytes that a name in this folder may have."""
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError):
        return LONGEST


def _there(folder: Path, name: str, folders: Folders) -> Path | None:
    """The file of this name, its suffix in any case; None where there is none."""
    if _exists(folder / name):
        return folder / name
    stem = Path(name).stem
    for other in sorted(folders.named(folder, stem)):
        if Path(other).suffix.lower() == XMP and _exists(folder / other):
            return folder / other
    return None


def _exists(file: Path) -> bool:
    """Whether there is such a file. Raises ``Refusal`` where that cannot be told."""
    try:
        return bool(file.stat())
    except (FileNotFoundError, NotADirectoryError):
        return file.is_symlink()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise Refusal(error.strerror or str(error), sidecar=False) from error


def _is_mine(photo: Path, name: str, folders: Folders) -> bool:
    """Whether a sidecar of this name would be this photo's and no other's."""
    if name == photo.name + XMP:
        return True
    if Path(photo.stem).suffix.lower() in _PICTURES and photo.stem in folders.named(
        photo.parent, Path(photo.stem).stem
    ):
        return False  # beside a.jpg.png, a.jpg.xmp is a.jpg's
    sharing = [
        other
        for other in folders.named(photo.parent, photo.stem)
        if other == photo.name or Path(other).suffix.lower() in _PICTURES
    ]
    return min([photo.name, *sharing], key=_rank) == photo.name


def _rank(name: str) -> tuple[int, str]:
    suffix = Path(name).suffix.lower()
    return (1 if suffix == ".dng" else 0 if suffix in RAW else 3 if suffix in VIDEOS else 2), name
