"""What a run does not do for photos that have not changed, and what it notices all the same."""

from __future__ import annotations

import os
import pickle
from collections import Counter
from pathlib import Path

import pytest

from qks_cli.library.store import Library
from qks_cli.model.fake import Picture, write_fake_bundle
from qks_cli.model.model import Model
from qks_cli.photos.walk import walk
from qks_cli.types import Photo, UInt8Array
from qks_cli.workflows import changes
from qks_cli.workflows.changes import Seen, look
from qks_cli.workflows.pipeline import LoadOptions
from qks_cli.workflows.tag import Tagging, TagRun
from tests.conftest import LABELS, SEEN
from tests.workflows.libraries import chosen, library_of


@pytest.fixture
def model(pictures: dict[str, UInt8Array], tmp_path: Path) -> Model:
    known = [Picture(pixels, SEEN[name]) for name, pixels in pictures.items()]
    return Model.open(str(write_fake_bundle(tmp_path / "fake", known, LABELS)))


def statuses(library: Library, tagging: Tagging, folder: Path) -> Counter[str]:
    run = TagRun(tagging, library)
    return Counter(one.status for one in run.results(walk([folder]), below=[folder])) + run.counts


def test_a_run_over_photos_that_have_not_changed_embeds_no_label(
    photos: Path, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagging = Tagging.of(model, model.vocabulary())
    with Library.open(tmp_path / "l.db") as library:
        first = list(TagRun(tagging, library).results(walk([photos])))
        monkeypatch.setattr(Model, "_space", lambda *_: pytest.fail("labels were embedded"))
        again = Tagging.of(model, model.vocabulary())
        second = list(TagRun(again, library).results(walk([photos])))
        assert {x.status for x in second} == {"unchanged"}
        assert [(x.photo, x.tags) for x in second] == [(x.photo, x.tags) for x in first]
        assert any(x.tags for x in second)
        bare = TagRun(again, library, options=LoadOptions(known_tags=False))
        third = list(bare.results(walk([photos])))
        assert [x.photo for x in third] == [x.photo for x in second]
        assert not any(x.tags for x in third)


def test_a_changed_a_moved_and_a_missing_photo_are_found_among_others(
    photos: Path, model: Model, tmp_path: Path
) -> None:
    tagging = Tagging.of(model, model.vocabulary())
    with Library.open(tmp_path / "l.db") as library:
        count = statuses(library, tagging, photos)["tagged"] // 2
        files = [one.path for one in walk([photos])]
        assert len(files) == count > 3
        os.utime(files[0], ns=(1, 1))
        files[1].rename(files[1].with_name("elsewhere" + files[1].suffix))
        files[2].unlink()
        run = TagRun(tagging, library)
        assert len(list(run.results(walk([photos]), below=[photos]))) == count - 1
        expected = {"unchanged": count - 3, "tagged": 1, "moved": 1, "missing": 1}
        assert {name: run.counts[name] for name in expected} == expected


def test_stored_just_so(tmp_path: Path) -> None:
    names = ["same.jpg", "larger.jpg", "later.jpg", "linked.jpg", "ü.jpg"]
    paths = [tmp_path / name for name in names]
    for path in paths:
        path.write_bytes(path.name.encode())
    with library_of(tmp_path / "l.db", {path: ("dog",) for path in paths}) as library:
        ids = {path: photo_id for photo_id, path in chosen(library)}
        found = [Photo(x, x.stat().st_size, x.stat().st_mtime_ns) for x in paths]
        one, larger, later, linked, other = found
        asked = [
            one,
            Photo(larger.path, larger.size + 1, larger.mtime_ns),
            Photo(later.path, later.size, later.mtime_ns + 1),
            Photo(linked.path, linked.size, linked.mtime_ns, 1, tmp_path / "link.jpg"),
            other,
            Photo(tmp_path / "new.jpg", 1, 1),
        ]
        same = {str(paths[0]): ids[paths[0]], str(paths[4]): ids[paths[4]]}
        assert library.photos.unchanged(asked, 1, 1, "") == same
        assert library.photos.unchanged(asked, 2, 1, "") == {}
        assert library.photos.unchanged(asked, 1, 2, "") == {}
        assert library.photos.unchanged(asked, 1, 1, "another") == {}
        library.execute("UPDATE photos SET detailed = 0")  # of before details were read
        assert library.photos.unchanged(asked, 1, 1, "") == {}


def test_what_a_run_has_just_seen_is_not_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(3)]
    for path in paths:
        path.write_bytes(path.name.encode())
    with library_of(tmp_path / "l.db", {path: ("dog",) for path in paths}) as library:
        ids = {path: photo_id for photo_id, path in chosen(library)}
        seen = Seen()
        seen.add([ids[paths[0]]])
        for path in paths[:2]:
            path.unlink()
        assert look(library, tmp_path, seen).gone == [(ids[paths[1]], paths[1])]
        monkeypatch.setattr(changes, "FRESH", 0.0)  # a run that took longer looks again
        assert len(look(library, tmp_path, seen).gone) == 2
        assert len(look(library, tmp_path).gone) == 2


def test_a_photo_is_one_by_what_it_holds() -> None:
    one = Photo("/a/b.jpg", 1, 2)
    assert one == Photo(Path("/a/b.jpg"), 1, 2)
    assert one.path == Path("/a/b.jpg")
    assert one.text == "/a/b.jpg"
    assert hash(one) == hash(one.at(one.path))
    assert one != Photo("/a/b.jpg", 1, 3)
    assert one != one.at(Path("/c.jpg"))
    assert pickle.loads(pickle.dumps(one)) == one
