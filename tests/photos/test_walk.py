from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from qks_cli.photos.suffixes import PHOTOS
from qks_cli.photos.walk import read_paths, walk


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def found(folder: Path, *paths: Path, **options: object) -> list[str]:
    walked = walk(paths or [folder], **options)  # type: ignore[arg-type]
    return [str(photo.path.relative_to(folder)) for photo in walked]


def test_order_is_by_bytes_and_only_photos_count(tmp_path: Path) -> None:
    make(tmp_path, "b.jpg", "a/z.JPEG", "a/b.png", "c.txt", "B.heic", "a/film.mts")
    assert found(tmp_path) == ["B.heic", "b.jpg", "a/b.png", "a/z.JPEG"]


def test_hidden_and_program_folders_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, ".h/a.jpg", "@eaDir/a.jpg", "#recycle/a.jpg", ".a.jpg", "k.jpg")
    assert found(tmp_path) == ["k.jpg"]
    assert found(tmp_path, hidden=True) == [".a.jpg", "k.jpg", ".h/a.jpg"]


def test_exclude_takes_names_and_paths(tmp_path: Path) -> None:
    make(tmp_path, "a/1.jpg", "b/1.jpg", "b/2.jpg")
    assert found(tmp_path, exclude=["a"]) == ["b/1.jpg", "b/2.jpg"]
    assert found(tmp_path, exclude=["*/b/1*"]) == ["a/1.jpg", "b/2.jpg"]


def test_link_loops_end_and_each_file_comes_once(tmp_path: Path) -> None:
    make(tmp_path, "a/1.jpg")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "again.jpg").symlink_to(tmp_path / "a" / "1.jpg")
    (tmp_path / "dead.jpg").symlink_to(tmp_path / "nowhere.jpg")
    problems: list[str] = []
    walked = list(walk([tmp_path, tmp_path], on_problem=lambda p, r: problems.append(p.name)))
    assert [photo.path.relative_to(tmp_path).as_posix() for photo in walked] == ["a/1.jpg"]
    assert walked[0].found_as == tmp_path / "again.jpg"
    assert set(problems) == {"dead.jpg"}


def test_a_file_is_yielded_under_its_real_path_and_names_are_told(tmp_path: Path) -> None:
    make(tmp_path, "disk/real/1.jpg", "disk/real/2.jpg", "disk/z.jpg")
    (tmp_path / "root").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "albums").mkdir()
    (tmp_path / "disk" / "albums" / "best.jpg").symlink_to("../real/2.jpg")
    (tmp_path / "disk" / "zoo").symlink_to("real")
    (tmp_path / "disk" / "hard.jpg").hardlink_to(tmp_path / "disk" / "real" / "1.jpg")
    names: dict[str, set[str]] = {}
    root = tmp_path / "root"

    def told(path: Path, name: Path) -> None:
        own = path.relative_to(tmp_path).as_posix()
        names.setdefault(own, set()).add(name.relative_to(tmp_path).as_posix())

    walked = list(walk([root], on_name=told))
    assert [photo.path.relative_to(tmp_path).as_posix() for photo in walked] == [
        "disk/hard.jpg",
        "disk/z.jpg",
        "disk/real/2.jpg",
    ]
    assert [photo.hard_links for photo in walked] == [2, 1, 1]
    assert names == {
        "disk/hard.jpg": {
            "root/hard.jpg",
            "root/real/1.jpg",
            "disk/real/1.jpg",
            "root/zoo/1.jpg",
        },
        "disk/z.jpg": {"root/z.jpg"},
        "disk/real/2.jpg": {"root/albums/best.jpg", "root/real/2.jpg", "root/zoo/2.jpg"},
    }


def test_a_link_into_a_store_of_hidden_files_stands_for_itself(tmp_path: Path) -> None:
    make(tmp_path, ".git/annex/SHA256E-s1--00.jpg", "blobs/0a1b")
    (tmp_path / "a.jpg").symlink_to(".git/annex/SHA256E-s1--00.jpg")
    (tmp_path / "b.jpg").symlink_to("blobs/0a1b")
    assert found(tmp_path) == ["a.jpg", "b.jpg"]


def test_a_named_file_counts_whatever_its_suffix(tmp_path: Path) -> None:
    make(tmp_path, "scan.dat")
    assert found(tmp_path, tmp_path / "scan.dat") == ["scan.dat"]


def test_what_is_no_photo_is_told_by_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("raw", "videos"):
        monkeypatch.setattr(f"qks_cli.photos.walk.{kind}_readable", lambda: False)
    make(tmp_path, "a.jpg", "b/a.CR2", "a.dng", "film.mov", "a.txt", "a", "a.jpg.xmp", ".h.mov")
    skipped: list[tuple[str, str]] = []
    walked = list(walk([tmp_path], on_skip=lambda p, kind: skipped.append((p.name, kind))))
    assert [photo.path.name for photo in walked] == ["a.jpg"]
    assert sorted(skipped) == [
        ("a", "other"),
        ("a.CR2", "raw"),
        ("a.dng", "raw"),
        ("a.txt", "other"),
        ("film.mov", "video"),
    ]


def test_pipes_and_sockets_with_a_photos_name_are_told(tmp_path: Path) -> None:
    import os

    make(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.png").symlink_to("pipe.jpg")
    (tmp_path / "null.jpg").symlink_to("/dev/null")
    skipped: list[tuple[str, str]] = []
    walked = list(walk([tmp_path], on_skip=lambda p, kind: skipped.append((p.name, kind))))
    assert [photo.path.name for photo in walked] == ["a.jpg"]
    assert skipped == [("link.png", "special"), ("null.jpg", "special"), ("pipe.jpg", "special")]


def test_every_photo_suffix_is_walked_in_any_case(tmp_path: Path) -> None:
    names = [f"a{suffix}" for suffix in sorted(PHOTOS)] + ["b.MPO", "b.Hif", "b.JPE", "b.Apng"]
    make(tmp_path, *names)
    assert sorted(found(tmp_path)) == sorted(names)
    assert {".mpo", ".hif", ".apng", ".jp2", ".dib", ".jpe"} <= PHOTOS


def test_missing_and_unreadable_are_reported(tmp_path: Path) -> None:
    make(tmp_path, "shut/a.jpg", "b.jpg")
    problems: list[tuple[str, str]] = []
    paths = [tmp_path / "none", tmp_path]
    walked = list(walk(paths, on_problem=lambda p, r: problems.append((p.name, r))))
    assert len(walked) == 2
    assert problems == [("none", "No such file or directory")]
    if os.geteuid() != 0:
        (tmp_path / "shut").chmod(0)
        list(walk([tmp_path], on_problem=lambda p, r: problems.append((p.name, r))))
        (tmp_path / "shut").chmod(0o700)
        assert problems[-1] == ("shut", "Permission denied")


def test_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    make(tmp_path, name)
    assert found(tmp_path) == [name]


@pytest.mark.parametrize(
    ("data", "nul", "paths"),
    [
        (b"a b.jpg\nc.jpg\r\n\n", False, ["a b.jpg", "c.jpg"]),
        (b"a\nb.jpg\0c.jpg\0", True, ["a\nb.jpg", "c.jpg"]),
        (b"\xff.jpg", False, [os.fsdecode(b"\xff.jpg")]),
        (b"x" * 70_000 + b"\ny", False, ["x" * 70_000, "y"]),
    ],
)
def test_paths_from_a_stream(data: bytes, nul: bool, paths: list[str]) -> None:
    assert [str(path) for path in read_paths(io.BytesIO(data), nul=nul)] == paths
