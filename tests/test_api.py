"""The public Python API: its names, and the examples of docs/python.md, run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import qks_cli

PAGE = (Path(__file__).parent.parent / "docs" / "python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_exported_names() -> None:
    assert sorted(qks_cli.__all__) == [
        "Archived",
        "Hit",
        "Library",
        "LibraryError",
        "Match",
        "Model",
        "ModelError",
        "PhotoError",
        "QksError",
        "QueryError",
        "Reason",
        "Result",
        "Tag",
        "UsageError",
        "VocabularyError",
        "__version__",
        "explain",
        "heat_map",
        "load_model",
        "open_library",
        "restore_library",
        "retag_archive",
        "search_archive",
        "tag_archive",
    ]
    for name in qks_cli.__all__:
        assert getattr(qks_cli, name) is not None
        assert name in dir(qks_cli)
    with pytest.raises(AttributeError):
        _ = qks_cli.nothing  # type: ignore[attr-defined]


def test_names_in_a_language(photos: Path, fake_model: Path) -> None:
    with qks_cli.open_library(create=True) as library:
        list(library.tag([photos / "cat.jpg"]))
        (hit,) = library.search("Katze", language="de")
        assert hit.path.name == "cat.jpg"
        assert library.name_of("cat", "de") == "Katze"
        assert library.label_of("Katze", "de") == library.label_of("Cat") == "cat"
        with pytest.raises(qks_cli.UsageError, match="no names in the language 'xx'"):
            library.name_of("cat", "xx")
        with pytest.raises(qks_cli.UsageError, match="no names in the language 'xx'"):
            library.search("cat", language="xx")


def test_importing_it_loads_nothing_heavy() -> None:
    script = "import sys, qks_cli; print({'numpy', 'torch', 'PIL', 'sqlite3'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_the_examples_of_the_page(
    photos: Path,
    fake_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(photos.parent)
    for example in EXAMPLES:
        if "tag_archive" in example:  # needs a cluster: tests/distributed/test_ray.py runs it
            continue
        exec(compile(example, "docs/python.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "[('cat', 1.0)]"
    assert lines[1].startswith("cat.jpg tagged ['cat', 'animal'")
    assert "4 photos" in lines
    assert lines[lines.index("4 photos") + 1] == "1.00 cat.jpg"
    assert "cat 1.00: fits better than all of the model's reference photos; cut-off 0.50" in lines
    assert "(7, 7)" in lines
    assert lines[-1] == "no model 'nothing'"


def test_pictures_in_memory_are_tagged_as_their_files(
    photos: Path, pictures: dict[str, np.ndarray], fake_model: Path
) -> None:
    model = qks_cli.load_model("mini", device="cpu")
    image = Image.fromarray(pictures["cat.jpg"])
    one, other = model.tag([image, photos / "cat.jpg"], ["cat", "sky"])
    assert [tag.label for tag in one] == [tag.label for tag in other] == ["cat"]
    assert one[0].score == pytest.approx(other[0].score, abs=0.01)
    assert model.tag([], ["cat"]) == []
    (photos / "broken.jpg").write_bytes(b"no photo")
    with pytest.raises(qks_cli.PhotoError):
        model.tag([photos / "broken.jpg"], ["cat"])


def test_a_library_from_beginning_to_end(photos: Path, fake_model: Path) -> None:
    with pytest.raises(qks_cli.LibraryError):
        qks_cli.open_library()
    with qks_cli.open_library(create=True) as library:
        results = list(library.tag([photos], labels=["cat", "sky"]))
        assert [result.status for result in results] == ["tagged"] * 4
        assert [tag.label for tag in library.tags(photos / "cat.jpg")] == ["cat"]
        assert library.tags("nowhere.jpg") == []
        assert library.labels() == {"cat": 1, "sky": 1}
        assert [hit.path.name for hit in library.search("sky")] == ["rocket.png"]
        with pytest.raises(qks_cli.QueryError):
            library.search("colour:red")
        assert len(library.similar(photos / "cat.jpg", limit=2)) == 2
        written = list(library.write([photos]))
        assert sorted(one.status for one in written) == ["unchanged"] * 2 + ["written"] * 2
        assert {one.status for one in library.untag(everything=True)} == {"removed"}
        assert not list(photos.rglob("*.xmp"))


def test_a_library_as_parquet_and_back(photos: Path, fake_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with qks_cli.open_library(create=True) as library:
        list(library.tag([photos]))
        assert library.export_parquet(tmp_path / "set", partition_size=2) == 4
        wanted = {path: library.tags(path) for path in photos.rglob("*.*")}
        with pytest.raises(qks_cli.UsageError, match="holds a data set already"):
            library.export_parquet(tmp_path / "set")
        assert library.merge_archive(tmp_path / "set") == {"tagged": 4}
    with qks_cli.open_library(tmp_path / "copy.db", create=True) as copy:
        assert copy.merge_archive(str(tmp_path / "set"), partitions=[0]) == {"tagged": 2}
        assert copy.merge_archive(str(tmp_path / "set")) == {"tagged": 4}
        assert {path: copy.tags(path) for path in wanted} == wanted
        with pytest.raises(qks_cli.UsageError, match="no partition 7"):
            copy.merge_archive(tmp_path / "set", partitions=[7])


def test_whoever_stops_asking_interrupts_the_run(photos: Path, fake_model: Path) -> None:
    with qks_cli.open_library(create=True) as library:
        results = library.tag([photos])
        next(results)
        results.close()
        states = library._store.rows("SELECT command, status FROM runs")
    assert states == [("tag", "interrupted")]


def test_reasons_for_labels_and_for_a_photo(photos: Path, fake_model: Path) -> None:
    model = qks_cli.load_model("mini", device="cpu")
    own = qks_cli.explain(photos / "cat.jpg", ["sky", "cat"], model)
    assert [(reason.label, reason.shown) for reason in own] == [("cat", True), ("sky", False)]
    every = qks_cli.explain(str(photos / "cat.jpg"))
    assert {tag.label for tag in model.tag([photos / "cat.jpg"])[0]} == {
        reason.label for reason in every if reason.shown
    }
    strict = qks_cli.explain(photos / "cat.jpg", ["cat"], model, min_score=1.0)
    assert strict[0].cutoff == 1.0
    looked = qks_cli.heat_map(photos / "cat.jpg", "cat", model, attention=True)
    assert looked.tolist() == [[1.0, 0.0], [0.0, 0.0]]
    with pytest.raises(qks_cli.UsageError):
        qks_cli.explain("nowhere.jpg")


def test_a_library_keeps_its_words_and_what_was_said(
    photos: Path, tmp_path: Path, fake_model: Path
) -> None:
    """As for `qks tag`: words and cut-off stay those of the last time, verdicts hold."""
    with qks_cli.open_library(tmp_path / "my.db", create=True) as library:
        named = list(library.tag([photos], labels=["kitten", "sky"], min_score=0.3, dry_run=True))
        assert len(named) == 4 and len(library) == 0
        list(library.tag([photos], labels=["cat", "sky"], min_score=0.3))
        assert set(library.labels()) <= {"cat", "sky"}
        assert {x.state for x in library.status([photos])} == {"unchanged"}
        again = list(library.tag([photos]))
        assert {result.status for result in again} == {"unchanged"}
        assert library.retag().anew == 0
        assert library.reject("cat", [photos / "cat.jpg"]) == 1
        assert library.tags(photos / "cat.jpg") == []
        assert library.reset("cat", everything=True) == 1
        assert [tag.label for tag in library.tags(photos / "cat.jpg")] == ["cat"]
        library.rename_label("cat", "tiger")
        assert "tiger" in library.labels()
        assert library.undo_label_edit() is not None
        name = library.namer("de")
        assert name is not None and name("cat") == "Katze"
        assert library.vocabulary().names == ("cat", "sky")
        named = list(library.tag([photos], labels=Path("default")))
        assert named[0].status == "retagged"


def test_files_get_their_bytes_back(photos: Path, tmp_path: Path, fake_model: Path) -> None:
    from qks_cli.workflows.photo_writer import Options, Target

    before = {path: path.read_bytes() for path in photos.rglob("*") if path.is_file()}
    with qks_cli.open_library(tmp_path / "my.db", create=True) as library:
        list(library.tag([photos]))
        for options in (Options(), Options(to=Target.embed)):
            written = list(library.write([photos], options))
            assert {x.status for x in written} == {"written"}
            assert {x.status for x in library.verify(everything=True)} == {"ok"}
            (*_,) = library.undo()
            assert {p: p.read_bytes() for p in photos.rglob("*") if p.is_file()} == before
        assert list(library.undo()) == []
        (photos / "cat.jpg").unlink()
        gone = library.find_gone()
        assert list(gone.photos.values()) == [photos / "cat.jpg"]
        library.forget(gone)
        assert len(library) == 3
        assert library.back_up(tmp_path / "copy.db") == 3
    assert qks_cli.restore_library(tmp_path / "copy.db", tmp_path / "other.db") is None
    with qks_cli.open_library(tmp_path / "other.db") as copy:
        assert len(copy) == 3
