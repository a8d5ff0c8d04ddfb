"""Paths to photos: folders are walked in a stable order, each real file once."""

from __future__ import annotations

import fnmatch
import os
import stat
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from qks_cli.photos.readable import jxl_readable, raw_readable, videos_readable
from qks_cli.photos.stacking import LARGEST_LIVE, live_photos
from qks_cli.photos.suffixes import kind_of
from qks_cli.types import Photo

# Folders that photo programs and storage boxes keep for themselves.
SKIPPED_FOLDERS = frozenset(
    {"@eadir", ".thumbnails", "#recycle", "$recycle.bin", "lost+found", "__macosx"}
)

Problem = Callable[[Path, str], None]
Skip = Callable[[Path, str], None]
Name = Callable[[Path, Path], None]
Identity = tuple[int, int]  # device and inode
ALIASES = 8  # times that one folder is walked for the names that links give to its photos


def walk(
    paths: Iterable[Path],
    *,
    exclude: Sequence[str] = (),
    hidden: bool = False,
    only_photos: bool = False,
    on_problem: Problem = lambda path, reason: None,
    on_skip: Skip = lambda path, kind: None,
    on_name: Name = lambda path, name: None,
) -> Iterator[Photo]:
    """Photos below ``paths``, folders before their sub-folders, names in byte order.

    A file that is named itself is yielded whatever its suffix, unless ``only_photos``. Symbolic
    links are followed, loops cut, and a file that several paths lead to is yielded once, under its
    real path; ``on_name`` hears of its other names, with the path that it is yielded under first.
    ``exclude`` are globs against a name or a whole path. ``on_problem`` hears of what cannot
    be read, ``on_skip`` of files that are no photos by their names (the video of a live photo
    belongs to it and is yielded), with their kind (``raw``, ``jxl``, ``video``, ``other-video`` or
    ``other``; sidecars belong to their photos), and of pipes, sockets and devices with a photo's
    name (``special``).
    """
    walker = _Walker(exclude, hidden, only_photos, on_problem, on_skip, on_name)
    for path in paths:
        yield from walker.argument(path)


def absolute(path: Path) -> Path:
    """A path as the user means it: absolute, links as they were written."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links


def read_paths(stream: BinaryIO, *, nul: bool) -> Iterator[Path]:
    """Paths from a byte stream, one a line (or NUL-ended); names that are not UTF-8 survive."""
    return map(Path, read_names(stream, nul=nul))


def read_names(stream: BinaryIO, *, nul: bool = False) -> Iterator[str]:
    """As ``read_paths``, letter for letter: a URL is no path, which has no double slashes."""
    end = b"\0" if nul else b"\n"
    rest = b""
    while chunk := stream.read(65536):
        *whole, rest = (rest + chunk).split(end)
        yield from (_name(name, nul) for name in whole if name.strip(b"\r\n"))
    if rest.strip(b"\r\n"):
        yield _name(rest, nul)


def _name(name: bytes, nul: bool) -> str:
    return os.fsdecode(name if nul else name.removesuffix(b"\r"))


def kinds_read() -> frozenset[str]:
    """Kinds of files (suffixes.py) that are photos to qks: raw ones where rawpy is installed,
    JPEG XL where pillow-jxl-plugin is, videos where PyAV is."""
    also = {"raw": raw_readable(), "jxl": jxl_readable(), "video": videos_readable()}
    return frozenset({"photo", *(kind for kind, readable in also.items() if readable)})


class _Walker:
    def __init__(
        self,
        exclude: Sequence[str],
        hidden: bool,
        only_photos: bool,
        on_problem: Problem,
        on_skip: Skip,
        on_name: Name,
    ) -> None:
        self.exclude = exclude
        self.hidden = hidden
        self.only_photos = only_photos
        self.on_problem = on_problem
        self.on_skip = on_skip
        self.kinds = kinds_read()
        self.on_name = on_name
        self.files: dict[int, str] = {}  # by device and inode, where each was found first
        self.folders: Counter[Identity] = Counter()

    def argument(self, path: Path) -> Iterator[Photo]:
        """A path that the user gave."""
        path = absolute(path)
        try:
            status = path.stat()
            real = Path(os.path.realpath(path))
        except (OSError, ValueError) as error:
            self.on_problem(path, getattr(error, "strerror", None) or str(error))
            return
        if stat.S_ISDIR(status.st_mode):
            yield from self.folder(path, real, status)
        elif stat.S_ISREG(status.st_mode):
            kind = kind_of(path.name)
            if self.excluded(path) or (self.only_photos and self.is_hidden(path.name)):
                return
            if not self.only_photos or kind in self.kinds:
                yield from self.file(path, real, status)
                if self.only_photos and kind == "photo":
                    yield from self.live_videos(path)
            elif kind == "video" and _is_live(path.name, status.st_size, _names(path.parent)):
                yield from self.file(path, real, status)
            elif kind != "sidecar":
                self.on_skip(path, kind)
        else:
            self.on_problem(path, "neither a file nor a folder")

    def folder(self, folder: Path, real: Path, status: os.stat_result) -> Iterator[Photo]:
        """A folder's photos, then those of its sub-folders. Iterative: depth has no limit.

        A folder that was walked before is walked again where a link leads to it, for the names."""
        waiting = [(folder, real, status, frozenset[Identity]())]
        while waiting:
            folder, real, status, above = waiting.pop()
            identity = (status.st_dev, status.st_ino)
            times = self.folders[identity]
            if identity in above or (times and (folder == real or times >= ALIASES)):
                continue
            self.folders[identity] += 1
            above |= {identity}
            try:
                with os.scandir(folder) as found:
                    entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
            except OSError as error:
                self.on_problem(folder, error.strerror or str(error))
                continue
            deeper = []
            names: set[str] = set()  # in lower case, once a video asks for them
            straight = folder == real  # then a path that is no link itself is its own real path
            for entry in entries:
                if self.is_hidden(entry.name):
                    continue
                # Most entries are photos under their own path, of which no ``Path`` is made.
                if self.exclude and self.excluded(Path(entry.path)):
                    continue
                try:
                    plain = straight and not entry.is_symlink()
                    if entry.is_dir():
                        if entry.name.casefold() not in SKIPPED_FOLDERS:
                            path = Path(entry.path)
                            own = path if plain else _real(entry, real)
                            deeper.append((path, own, entry.stat(), above))
                        continue
                    kind = kind_of(entry.name)
                    if kind == "video" and kind not in self.kinds and not names:
                        names = {one.name.lower() for one in entries}
                    if kind in self.kinds or (
                        kind == "video" and _is_live(entry.name, entry.stat().st_size, names)
                    ):
                        status = entry.stat()
                        if not stat.S_ISREG(status.st_mode):
                            if not times:
                                self.on_skip(Path(entry.path), "special")
                        elif plain and _identity(status) not in self.files:
                            yield self.first(entry.path, status)
                        else:
                            path = Path(entry.path)
                            own = path if plain else _real(entry, real)
                            yield from self.file(path, own, status)
                    elif kind != "sidecar" and not times:
                        self.on_skip(Path(entry.path), kind)
                except OSError as error:
                    self.on_problem(Path(entry.path), error.strerror or str(error))
            waiting.extend(reversed(deeper))

    def first(
        self, path: Path | str, status: os.stat_result, found_as: Path | None = None
    ) -> Photo:
        """A file that no other path has led to."""
        size, time = status.st_size, status.st_mtime_ns
        photo = Photo(path, size, time, status.st_nlink, found_as)
        self.files[_identity(status)] = photo.text
        return photo

    def file(self, path: Path, real: Path, status: os.stat_result) -> Iterator[Photo]:
        """The file, unless another path led to it before."""
        before = self.files.get(_identity(status))
        if before is None:
            own = real if _says_what_it_is(path, real) else path
            yield self.first(own, status, None if own == path else path)
        else:
            own = Path(before)
        for name in {path, real} - {own}:
            self.on_name(own, name)

    def live_videos(self, photo: Path) -> Iterator[Photo]:
        """The video of a live photo, which may have come before it."""
        for suffix in (".mov", ".MOV", ".mp4", ".MP4"):
            for video in (photo.with_suffix(suffix), photo.with_name(photo.name + suffix)):
                if video.is_file():
                    yield from self.argument(video)

    def is_hidden(self, name: str) -> bool:
        """Whether files of this name are left out as hidden ones."""
        return not self.hidden and name.startswith(".")

    def excluded(self, path: Path) -> bool:
        """Whether a glob names this file or folder."""
        return any(
            fnmatch.fnmatchcase(path.name, glob) or fnmatch.fnmatchcase(path.as_posix(), glob)
            for glob in self.exclude
        )


def _identity(status: os.stat_result) -> int:
    """Device and inode in one number, which takes half the room of two."""
    return status.st_dev << 64 | status.st_ino


def _is_live(name: str, size: int, names: Container[str]) -> bool:
    """Whether a video is a live photo's, by the names in its folder (in lower case)."""
    return size <= LARGEST_LIVE and any(one in names for one in live_photos(name))


def _names(folder: Path) -> set[str]:
    try:
        return {one.name.lower() for one in folder.iterdir()}
    except OSError:
        return set()


def _real(entry: os.DirEntry[str], folder: Path) -> Path:
    """An entry's path without links, in a folder whose path has none."""
    return Path(os.path.realpath(entry.path)) if entry.is_symlink() else folder / entry.name


def _says_what_it_is(path: Path, real: Path) -> bool:
    """Whether a real path can stand for the link that led to it. Some programs keep files under
    names without a suffix in hidden folders, and show links to them (git-annex)."""
    if path == real:
        return True
    hidden = [part for part in real.parts if part.startswith(".") and part not in path.parts]
    return not hidden and kind_of(real.name) == kind_of(path.name)
