"""Stacks in a library: found as photos come, sound as they go, and read once."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from qks_cli import open_library
from qks_cli.api import Library as Api
from qks_cli.errors import UsageError
from qks_cli.keywords.choices import Backend, Style, Target
from qks_cli.keywords.xmp import Packet
from qks_cli.library import presence, verdicts
from qks_cli.library import stacks as storage
from qks_cli.library.store import Library
from qks_cli.photos.walk import walk
from qks_cli.types import Details, Photo, StackRole, TaggedPhoto
from qks_cli.workflows import duplicates
from qks_cli.workflows import stacks as work
from qks_cli.workflows import tags as judge
from qks_cli.workflows.photo_writer import Options
from qks_cli.workflows.prune import find_gone, forget
from qks_cli.workflows.review import Said, say
from qks_cli.workflows.review import undo as take_back
from qks_cli.workflows.status import status, wanted_of
from qks_cli.workflows.tag import note_absences
from qks_cli.workflows.write import untag as take_out
from qks_cli.workflows.write import write as put
from tests.photos.made import dng, picture, saved
from tests.workflows.libraries import chosen, library_of, tag, undo

NAMES = "a.jpg a.cr2 b.heic b.mov c.jpg c-edited.jpg d.jpg".split()


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Photos by name, none of them read."""
    folder = tmp_path / "p"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(name.encode())
    return library_of(tmp_path / "l.db", {folder / name: ["dog"] for name in NAMES})


def listed(library: Library) -> list[str]:
    return [
        " ".join(f"{p.name}={r}" for p, r in zip(one.paths, one.stack.roles, strict=True))
        for one in work.every(library)
    ]


def test_stacks_are_found_in_a_library(library: Library) -> None:
    pairs = ["a.jpg=photo a.cr2=raw", "b.heic=photo b.mov=live", "c-edited.jpg=edited c.jpg=photo"]
    assert listed(library) == sorted(pairs)
    assert not work.group(library)  # nothing has changed
    assert {x.stack.kinds for x in work.every(library)} == {("raw",), ("live",), ("edited",)}


def test_only_folders_with_changes_are_looked_at(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.group(library)
    other = tmp_path / "q"
    other.mkdir()
    for name in ("x.jpg", "x.nef"):
        (other / name).write_bytes(name.encode())
    tag(library, {other / name: ["dog"] for name in ("x.jpg", "x.nef")})
    seen: list[str] = []
    find = work.find
    monkeypatch.setattr(
        work,
        "find",
        lambda given: find([seen.append(x.name) or x for x in given]),  # type: ignore[func-returns-value]
    )
    assert "x.jpg=photo x.nef=raw" in listed(library)
    assert sorted(seen) == ["x.jpg", "x.nef"]


def test_a_main_photo_that_goes_leaves_another(library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    work.group(library)
    (folder / "c-edited.jpg").unlink()
    (folder / "a.jpg").unlink()
    note_absences(library, folder)
    assert listed(library) == ["b.heic=photo b.mov=live"]
    # They come back.
    for name in ("c-edited.jpg", "a.jpg"):
        (folder / name).write_bytes(name.encode())
    note_absences(library, folder)
    assert len(listed(library)) == 3


def test_a_stack_of_three_keeps_two(library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    (folder / "a-edited.jpg").write_bytes(b"edited")
    tag(library, {folder / "a-edited.jpg": ["dog"]})
    assert "a-edited.jpg=edited a.jpg=photo a.cr2=raw" in listed(library)
    (folder / "a-edited.jpg").unlink()
    # Forgotten, without a run in between.
    forget(library, find_gone(library))
    assert library.row("PRAGMA foreign_key_check") is None
    ids = {name: library.photos.known([folder / name])[folder / name].id for name in NAMES}
    stack = storage.of(library, [ids["a.cr2"]])[ids["a.cr2"]]
    assert stack.members == (ids["a.jpg"], ids["a.cr2"])
    (folder / "a.jpg").unlink()
    forget(library, find_gone(library))
    assert storage.of(library, list(ids.values())).keys() == {
        ids[x] for x in ("b.heic", "b.mov", "c.jpg", "c-edited.jpg")
    }


def test_a_member_that_moves_leaves_its_stack(library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    work.group(library)
    (tmp_path / "elsewhere").mkdir()
    new = tmp_path / "elsewhere" / "a.cr2"
    shutil.move(folder / "a.cr2", new)
    row = library.photos.known([folder / "a.cr2"])[folder / "a.cr2"]
    presence.move(library, [(row.id, Photo(new, row.size, row.mtime_ns))])
    assert [x for x in listed(library) if "a." in x] == []
    shutil.move(folder / "a.jpg", new.with_suffix(".jpg"))
    row = library.photos.known([folder / "a.jpg"])[folder / "a.jpg"]
    presence.move(library, [(row.id, Photo(new.with_suffix(".jpg"), row.size, row.mtime_ns))])
    assert "a.jpg=photo a.cr2=raw" in listed(library)


def test_the_user_splits_and_joins(library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    assert work.split(library, [folder / "a.cr2"]) == 1
    assert len(listed(library)) == 2
    # It has to be read for tags of its own.
    assert library.photos.known([folder / "a.cr2"])[folder / "a.cr2"].model_hash is None
    tag(library, {folder / "a.cr2": ["sky"]})  # a later run keeps to what was said
    assert len(listed(library)) == 2
    joined = work.join(library, [folder / "d.jpg", folder / "c.jpg"])
    assert [x.name for x in joined.paths] == ["d.jpg", "c-edited.jpg", "c.jpg"]
    assert joined.stack.kinds == ("edited", "joined")
    work.join(library, [folder / "d.jpg", folder / "a.cr2"])
    # Its photo comes along, and those that were joined before.
    whole = "d.jpg=photo a.jpg=photo a.cr2=raw c-edited.jpg=edited c.jpg=joined"
    assert whole in listed(library)
    work.reset(library, [folder / x for x in ("a.cr2", "c.jpg", "d.jpg")])
    assert len(listed(library)) == 3
    with pytest.raises(UsageError, match="two photos"):
        work.join(library, [folder / "d.jpg", folder / "d.jpg"])
    with pytest.raises(UsageError, match="not in the library"):
        work.split(library, [folder / "e.jpg"])


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    paths = [folder / "x.jpg", folder / "x.nef"]
    for path in paths:
        path.write_bytes(path.suffix.encode())
    library = library_of(tmp_path / "l.db", {path: ["dog"] for path in paths})
    assert [x.paths for x in work.every(library)] == [tuple(paths)]


def test_a_burst_by_dates(library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    names = [f"DSC_{number}.jpg" for number in range(3)]
    for name in names:
        (folder / name).write_bytes(name.encode())
    tag(library, {folder / name: ["dog"] for name in names})
    ids = [library.photos.known([folder / name])[folder / name].id for name in names]
    shot = Details("2023-06-01T12:00:00", "X100V", exposure=0.01, taken_from="exif")
    assert not any("burst" in x for x in listed(library))
    library.photos.save_details([(x, shot) for x in ids])
    assert "DSC_0.jpg=burst DSC_1.jpg=burst DSC_2.jpg=burst" in listed(library)


# What is read, and what shares


@pytest.fixture
def pairs(photos: Path, fake_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The photos of conftest.py, with raw files and a video that nothing can read, where the extra
    that reads videos is missing."""
    monkeypatch.setattr("qks_cli.photos.walk.videos_readable", lambda: False)
    for name in ("cat.CR2", "space/astronaut.nef", "coffee.MOV", "alone.mov"):
        (photos / name).write_bytes(b"not to be decoded " + name.encode())
    return photos


def tagged(api: Api, *paths: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Status and labels of photos, by name."""
    found = {}
    for result in api.tag(paths):
        found[result.photo.path.name] = (result.status, tuple(x.label for x in result.tags))
    return found


def test_the_video_of_a_live_photo_shares_its_tags_with_the_extra_too(
    pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qks_cli.photos.walk.videos_readable", lambda: True)
    with open_library(create=True) as api:
        first = tagged(api, pairs)
    assert first["coffee.MOV"] == ("shared", first["coffee.jpg"][1])
    assert first["alone.mov"][0] == "failed"  # a video of its own, and none that can be read


def test_raw_files_and_videos_share_tags_unread(pairs: Path) -> None:
    with open_library(create=True) as api:
        first = tagged(api, pairs)
        assert first["cat.CR2"] == ("shared", first["cat.jpg"][1])
        assert first["coffee.MOV"] == ("shared", first["coffee.jpg"][1])
        assert first["astronaut.nef"][0] == "shared"
        assert first["cat.jpg"][0] == "tagged"
        assert "alone.mov" not in first
        assert "cat" in first["cat.CR2"][1]
        assert {x for x, _ in tagged(api, pairs).values()} == {"unchanged"}
        library = api._store
        assert [sorted(x.name for x in one.paths) for one in work.every(library)] == [
            ["cat.CR2", "cat.jpg"],
            ["coffee.MOV", "coffee.jpg"],
            ["astronaut.jpg", "astronaut.nef"],
        ]
        assert library.value("SELECT count(*) FROM stack_members WHERE lead_id AND NOT shared") == 0
        # Retagging needs no photo, of any member.
        assert library.value("SELECT count(*) FROM query_tokens") == 7


def test_a_photo_that_changes_takes_its_raw_file_along(pairs: Path) -> None:
    with open_library(create=True) as api:
        tagged(api, pairs)
        shutil.copy(pairs / "coffee.jpg", pairs / "cat.jpg")
        second = tagged(api, pairs)
        assert second["cat.jpg"][0] == "tagged"
        assert "coffee" in {x.label for x in api.tags(pairs / "cat.CR2")}
        assert api.tags(pairs / "cat.CR2") == api.tags(pairs / "cat.jpg")


def test_a_raw_file_that_comes_later_shares(pairs: Path) -> None:
    with open_library(create=True) as api:
        tagged(api, pairs)
        library = api._store
        cat = library.photos.known([pairs / "cat.jpg"])[pairs / "cat.jpg"].id
        verdicts.confirm(library, [cat], "red", add=True)
        (pairs / "cat.dng").write_bytes(b"later")
        assert tagged(api, pairs / "cat.dng")["cat.dng"][0] == "shared"
        assert "red" in {x.label for x in api.tags(pairs / "cat.dng")}  # as was said of the photo
        assert tagged(api, pairs)["cat.dng"][0] == "unchanged"


def test_a_raw_file_of_a_broken_or_another_photo_is_read(
    tmp_path: Path,
    fake_model: Path,
    pictures: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]],
) -> None:
    pytest.importorskip("rawpy")
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "a.dng").write_bytes(dng(picture(), preview=saved(picture(), "JPEG")))
    (folder / "a.jpg").write_bytes(b"\xff\xd8broken")
    with open_library(create=True) as api:
        found = tagged(api, folder)
        assert (found["a.dng"][0], found["a.jpg"][0]) == ("tagged", "failed")
        assert work.every(api._store) == []


def test_a_dry_run_shares_too(pairs: Path) -> None:
    from qks_cli.model.model import Model
    from qks_cli.workflows.tag import Tagging, TagRun

    model = Model.open("mini")
    run = TagRun(Tagging.of(model, model.vocabulary()), None)
    found = {x.photo.path.name: x for x in run.results(walk([pairs]))}
    assert found["cat.CR2"].status == "shared"
    assert found["cat.CR2"].tags == found["cat.jpg"].tags != ()


def test_a_raw_file_that_the_user_split_is_read(pairs: Path) -> None:
    pytest.importorskip("rawpy")
    (pairs / "cat.dng").write_bytes(dng(picture(), preview=saved(picture(), "JPEG")))
    with open_library(create=True) as api:
        assert tagged(api, pairs)["cat.dng"][0] == "shared"
        work.split(api._store, [pairs / "cat.dng"])
        assert tagged(api, pairs)["cat.dng"][0] == "tagged"


def test_the_walk_yields_the_videos_of_live_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those alone, where the extra that reads videos is missing."""
    monkeypatch.setattr("qks_cli.photos.walk.videos_readable", lambda: False)
    for name in ("a.heic", "a.mov", "b.MOV", "b.JPG", "c.mov", "d.avi", "d.jpg", "e.png", "e.mov"):
        (tmp_path / name).write_bytes(b"x")
    with (tmp_path / "f.mov").open("wb") as large:
        large.truncate(50_000_000)
    (tmp_path / "f.jpg").write_bytes(b"x")
    videos = [x.path.name for x in walk([tmp_path]) if x.path.suffix.lower() == ".mov"]
    assert videos == ["a.mov", "b.MOV"]
    # Told of the photo alone, as a folder that is watched tells.
    told = [x.path.name for x in walk([tmp_path / "a.heic"], only_photos=True)]
    assert told == ["a.heic", "a.mov"]
    assert [x.path.name for x in walk([tmp_path / "b.MOV"], only_photos=True)] == ["b.MOV"]
    assert list(walk([tmp_path / "c.mov"], only_photos=True)) == []


def test_status_knows_companions(pairs: Path) -> None:
    with open_library(create=True) as api:
        wanted = wanted_of("mini")
        states = {x.path.name: x.state for x in status(api._store, walk([pairs]), wanted)}
        assert states["coffee.MOV"] == states["cat.CR2"] == "new"
        tagged(api, pairs)
        kept = wanted_of("mini", kept=api._store.runs.kept())
        assert {x.state for x in status(api._store, walk([pairs]), kept)} == {"unchanged"}


def test_a_large_library_is_grouped_in_seconds(tmp_path: Path) -> None:
    draw = random.Random(3)
    with Library.open(tmp_path / "l.db") as library:
        model = library.models.id_of("fake", "1", "hash", 2, 4)
        words = library.vocabularies.id_of("digest", "dog\n")
        tokens = np.ones((2, 4), np.float16)
        photos = [
            TaggedPhoto(Photo(Path(f"/p/{n // 400}/IMG_{n}.{suffix}"), n + 1, 0), (), tokens)
            for n in range(5_000)
            for suffix in ("JPG", "CR2")[: draw.choice((1, 2))]
        ]
        library.save(photos, (), model_id=model, vocabulary_id=words, selection="")
        before = time.process_time()
        assert work.group(library)
        assert len(storage.every(library)) > 2_000
        assert time.process_time() - before < 5  # 0.15 s here
        assert StackRole.raw in storage.every(library)[0].roles
        before = time.process_time()
        assert not work.group(library)
        assert time.process_time() - before < 0.1


# What is written, and said


@pytest.fixture
def written(tmp_path: Path) -> Library:
    """A JPEG with its raw file, and one with its video; stacked."""
    folder = tmp_path / "w"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(saved(picture(), "JPEG"))
    (folder / "a.dng").write_bytes(dng(picture(), preview=saved(picture(), "JPEG")))
    (folder / "b.mov").write_bytes(b"\0\0\0\x14ftypqt  \0\0\0\0qt  \0\0\0\x08moov")
    names = ("a.jpg", "a.dng", "b.jpg", "b.mov")
    library = library_of(tmp_path / "w.db", {folder / name: ["dog"] for name in names})
    work.group(library)
    return library


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("style", list(Style))
def test_sidecars_of_every_member(written: Library, tmp_path: Path, style: Style) -> None:
    folder = tmp_path / "w"
    before = bytes_of(folder)
    named = [row for row in chosen(written) if row[1].name in ("a.jpg", "b.jpg")]
    outcomes = list(put(written, named, Options(style=style)))
    assert [(x.status, x.reason) for x in outcomes] == [("written", "")] * 4
    after = bytes_of(folder)
    assert before.items() <= after.items()  # photos, raw files and videos stay as they are
    sidecars = set(after) - set(before)
    assert len(sidecars) == 4
    for name in sidecars:
        assert Packet(after[name]).keywords("dc:subject") == ["dog"]
    if style is Style.adobe:  # the raw file's, as photo programs have it, and the photo's
        assert {"a.xmp", "b.xmp"} < sidecars
        assert {x.path.name: x.file.name for x in outcomes}["b.mov"] == "b.mov.xmp"
    assert [x.status for x in undo(written)] == ["removed"] * 4
    assert bytes_of(folder) == before


def test_embedding_leaves_raw_files_and_videos_alone(written: Library, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    before = bytes_of(folder)
    options = Options(to=Target.embed, backend=Backend.own)
    outcomes = {x.path.name: x for x in put(written, chosen(written), options)}
    assert {(x.status, x.reason) for x in outcomes.values()} == {("written", "")}
    assert outcomes["a.jpg"].file == folder / "a.jpg"
    assert outcomes["a.dng"].file == folder / "a.dng.xmp"
    assert outcomes["b.mov"].file == folder / "b.mov.xmp"
    after = bytes_of(folder)
    assert after["a.jpg"] != before["a.jpg"]
    assert (after["a.dng"], after["b.mov"]) == (before["a.dng"], before["b.mov"])
    # Of the photo alone, and its raw file's sidecar goes too.
    named = [row for row in chosen(written) if row[1].name == "a.jpg"]
    assert {x.file.name for x in take_out(written, named, Options())} == {"a.jpg", "a.dng.xmp"}
    assert bytes_of(folder)["a.jpg"] == before["a.jpg"]


def test_what_is_said_of_a_photo_holds_for_its_raw_file(written: Library) -> None:
    rows = {path.name: (photo_id, path) for photo_id, path in chosen(written)}
    own = {name: photo_id for name, (photo_id, _) in rows.items()}
    assert judge.reject(written, [rows["a.jpg"]], "dog") == 2
    assert [(x.label, x.confirmed, x.rejected) for x in verdicts.judgements(written)] == [
        ("dog", 0, 1)  # said once, of one photo
    ]
    assert [written.tags.of([own[x]])[own[x]] for x in ("a.jpg", "a.dng")] == [[], []]
    assert judge.reset(written, [rows["a.dng"]], "dog") == 2  # of whichever it is said
    assert len(written.tags.of([own["a.jpg"]])[own["a.jpg"]]) == 1
    change = say(written, [own["b.jpg"]], "dog", Said.reject)
    assert written.tags.of([own["b.mov"]])[own["b.mov"]] == []
    take_back(written, change)
    assert len(written.tags.of([own["b.mov"]])[own["b.mov"]]) == 1


def test_edited_copies_keep_their_own(library: Library, tmp_path: Path) -> None:
    work.group(library)
    row = next(row for row in chosen(library) if row[1].name == "c.jpg")
    assert [x.path.name for x in put(library, [row], Options())] == ["c.jpg"]


def test_a_raw_file_is_no_near_copy_of_its_photo(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.group(library)
    ids = {path.name: photo_id for photo_id, path in chosen(library)}
    pairs = [("a.jpg", "a.cr2"), ("b.heic", "b.mov"), ("c.jpg", "c-edited.jpg")]
    near = [(ids[one], ids[other], 1.0) for one, other in pairs]
    monkeypatch.setattr(duplicates, "near_pairs", lambda *given: near)
    monkeypatch.setattr(duplicates, "pixel_digest", lambda path: None)
    monkeypatch.setattr(duplicates, "tagged_model", lambda *given: (None, 1))
    groups = duplicates.duplicates(library, near=0.9)
    assert [sorted(x.path.name for x in one.photos) for one in groups] == [
        ["c-edited.jpg", "c.jpg"]
    ]
