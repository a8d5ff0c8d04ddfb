"""Labels and their cut-offs: on the page, from the command line, and what becomes of photos."""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from qks_cli import settings
from qks_cli.library.store import Library
from qks_cli.review.app import make_app
from qks_cli.review.security import Key
from qks_cli.review.state import Review
from qks_cli.workflows import cutoffs
from tests.conftest import Qks
from tests.review.conftest import ORIGIN, Page

LABELS = "# mine\nanimal > cat | kitten\nflag # 0.38 on the astronaut\nsky\ncoffee\nperson\nwolf\n"


@pytest.fixture
def file(tmp_path: Path, photos: Path, fake_model: Path, qks: Qks) -> Path:
    """The labels file that the four known photos were tagged with."""
    file = tmp_path / "labels.txt"
    file.write_text(LABELS, encoding="utf-8")
    assert qks("tag", photos, "--labels", file).returncode == 0
    return file


@pytest.fixture
def page(file: Path) -> Iterator[Page]:
    key = Key(4000)
    complaints: list[str] = []
    with TestClient(make_app(Review(complain=complaints.append), key), base_url=ORIGIN) as client:
        client.get(f"/open/{key.token}")
        yield Page(client, complaints)
    assert complaints == []


def tagged(label: str) -> set[str]:
    with Library.open(settings.index_path()) as library:
        ids = [photo_id for photo_id, _ in library.tags.carried(label)]
        return {path.name for path in library.photos.paths_of(ids).values()}


def saved(page: Page, **values: object) -> Any:
    page.post("/api/cutoff", **values)
    for _ in range(400):
        job = page.get("/api/job")
        if not job["running"]:
            return job
        time.sleep(0.05)
    raise AssertionError("the job does not end")


def test_photos_around_a_cutoff(page: Page) -> None:
    found = page.get("/api/label", label="FLAG")
    assert (found["label"], found["cutoff"], found["own"]) == ("flag", 0.5, False)
    assert found["photos"] == 4 and len(found["counts"]) == 101
    assert found["counts"][50] == 0 and found["counts"][30] == 1 and found["counts"][0] == 4
    sides = page.get("/api/around", scores=found["scores"], cutoff=0.3)
    assert [one["name"] for one in sides["above"]] == ["astronaut.jpg"]
    assert sides["above"][0]["score"] == pytest.approx(0.38, abs=0.02)
    assert len(sides["below"]) == 3
    scores = [one["score"] for one in sides["below"]]
    assert scores == sorted(scores, reverse=True)
    # What was said counts whatever the score is.
    astronaut, nearest_below = sides["above"][0]["id"], sides["below"][0]["id"]
    page.post("/api/say", said="confirm", label="flag", ids=[nearest_below])
    page.post("/api/say", said="reject", label="flag", ids=[astronaut])
    found = page.get("/api/label", label="flag")
    assert [found["counts"][at] for at in (0, 30, 100)] == [3, 1, 1]
    near = page.get("/api/nearest", scores=found["scores"], cutoff=0.3)
    ids = page.get("/api/ids", listing=near["listing"])["ids"]
    assert near["total"] == 2 and not {astronaut, nearest_below} & set(ids)
    # A label below it gives it, whatever its own score is.
    assert page.get("/api/label", label="animal")["counts"][100] == 1
    for label in ("unicorn", ""):
        assert "not one of the words" in page.get("/api/label", 400, label=label)["error"]
    assert page.get("/api/around", 410, scores=99, cutoff=0.5)
    assert page.get("/api/around", 400, scores=found["scores"], cutoff="nan")


def test_a_cutoff_saved_in_the_file(page: Page, file: Path) -> None:
    assert page.get("/api/label", label="flag")["file"] == str(file)
    done = saved(page, label="flag", cutoff=0.3, where="file")
    assert done["error"] == "" and "0.3" in done["message"]
    wanted = LABELS.replace("flag #", "flag ; cutoff: 0.3 #")
    assert file.read_text(encoding="utf-8") == wanted
    assert tagged("flag") == {"astronaut.jpg"}
    found = page.get("/api/label", label="flag")
    assert (found["cutoff"], found["own"], found["file"]) == (0.3, True, str(file))
    with Library.open(settings.index_path()) as library:
        kept = library.runs.kept()
    assert kept is not None and kept.chosen.labels == str(file)
    saved(page, label="flag", cutoff=None, where="file")
    assert file.read_text(encoding="utf-8") == LABELS and tagged("flag") == set()


def test_a_cutoff_saved_in_the_library(page: Page, file: Path, photos: Path, qks: Qks) -> None:
    assert saved(page, label="flag", cutoff=0.3, where="library")["error"] == ""
    assert file.read_text(encoding="utf-8") == LABELS
    assert tagged("flag") == {"astronaut.jpg"}
    (photos / "new.png").write_bytes((photos / "space" / "astronaut.jpg").read_bytes())
    assert qks("tag", photos).returncode == 0  # later runs keep to it
    assert tagged("flag") == {"astronaut.jpg", "new.png"}
    assert page.get("/api/label", label="flag")["file"] == ""


def test_a_file_that_cannot_be_changed_is_told_and_nothing_changes(page: Page, file: Path) -> None:
    file.write_text("flag ; colour: red\n", encoding="utf-8")
    done = saved(page, label="flag", cutoff=0.3, where="file")
    assert "colour" in done["error"] and tagged("flag") == set()
    assert file.read_text(encoding="utf-8") == "flag ; colour: red\n"
    file.write_text("dog\n", encoding="utf-8")
    assert "not one of the words" in saved(page, label="flag", cutoff=0.3, where="file")["error"]
    file.unlink()
    page.post("/api/cutoff", 400, label="flag", cutoff=0.3, where="file")
    for wrong in ("x", -1, 1.5, [1]):
        page.post("/api/cutoff", 400, label="flag", cutoff=wrong, where="library")


def test_the_labels_that_need_attention_come_first(page: Page) -> None:
    cat = page.ids("name:cat.jpg")
    page.post("/api/say", said="reject", label="cat", ids=cat)
    page.post("/api/say", said="confirm", label="our <b>dog</b>", ids=cat)
    rows = page.get("/api/labels")["labels"]
    kinds = {row["label"]: [remark["kind"] for remark in row["remarks"]] for row in rows}
    assert kinds["cat"][0] == "disagrees" and kinds["wolf"] == ["never"] and kinds["sky"] == []
    assert rows[0]["label"] == "cat" or rows[1]["label"] == "cat"
    assert [row["label"] for row in rows if not row["remarks"]] == [row["label"] for row in rows][
        -sum(not row["remarks"] for row in rows) :
    ]
    by_hand = next(row for row in rows if row["label"] == "our <b>dog</b>")
    assert by_hand["cutoff"] is None and by_hand["photos"] == by_hand["confirmed"] == 1
    assert kinds["flag"] == ["never"]
    page.post("/api/say", said="confirm", label="wolf", ids=cat)
    (wolf,) = [row for row in page.get("/api/labels")["labels"] if row["label"] == "wolf"]
    assert [x["text"] for x in wolf["remarks"]] == ["you said yes on 1 without it"]


def test_a_relative_file_is_the_same_only_while_it_holds_the_same(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, qks: Qks
) -> None:
    monkeypatch.chdir(tmp_path)
    assert qks("retag", "--labels", "labels.txt").returncode == 0
    with Library.open(settings.index_path()) as library:
        assert cutoffs.file_of(library) == file
        file.write_text("another\n", encoding="utf-8")
        assert cutoffs.file_of(library) is None
        assert cutoffs.file_of(library, Path("mine.txt")) == tmp_path / "mine.txt"


def test_the_command_line_does_the_same(file: Path, qks: Qks) -> None:
    done = qks("labels", "cutoff", "flag", "0.3", "--labels", file)
    assert done.returncode == 0 and b"is 0.3, and was that of all labels" in done.stderr
    assert "flag ; cutoff: 0.3 # 0.38" in file.read_text(encoding="utf-8")
    assert tagged("flag") == {"astronaut.jpg"}
    done = qks("labels", "cutoff", "flag", "--reset", "--labels", file)
    assert b"was 0.3" in done.stderr and tagged("flag") == set()
    assert qks("labels", "cutoff", "flag").returncode == 2
    assert qks("labels", "cutoff", "flag", "0.1", "--reset").returncode == 2
    wrong = qks("labels", "cutoff", "unicorn", "0.1")
    assert wrong.returncode == 2 and b"not one of the words" in wrong.stderr


def test_photos_like_one_and_by_meaning(page: Page) -> None:
    cat = page.ids("name:cat.jpg")[0]
    found = page.get("/api/alike", photo=cat)
    assert found["photos"][0]["name"] == "cat.jpg" and 1 < found["total"] <= 4
    assert "no longer" in page.get("/api/alike", 400, photo=99)["error"]
    assert page.ids("cat")[0] == page.ids("kitten")[0] == cat
    nothing = page.get("/api/listing", q="xyzzyq")
    assert nothing["total"] == 0 and "xyzzyq" in " ".join(nothing["notes"])
    assert "--weak" not in str(nothing["notes"]) and "" not in nothing["notes"]


def test_where_the_model_looked(page: Page) -> None:
    cat = page.ids("name:cat.jpg")[0]
    told = page.get("/api/why", photo=cat, label="cat")
    assert told["sentence"].startswith("cat 1.00: fits")
    unknown = page.get("/api/why", photo=cat, label="<b>unicorn</b>")
    assert unknown["sentence"].startswith("<b>unicorn</b> 0.")
    answer = page.client.get(f"/heat/{cat}", params={"label": "cat"})
    assert answer.headers["content-type"] == "image/webp"
    with (
        Image.open(BytesIO(answer.content)) as hot,
        Image.open(BytesIO(page.client.get(f"/large/{cat}").content)) as plain,
    ):
        assert hot.size == plain.size
        corner = (hot.width - 8, hot.height - 8)
        here, there = (sum(x.convert("RGB").getpixel(corner)) for x in (hot, plain))  # type: ignore[arg-type]
        assert here < 0.6 * there  # the cat is in the first quarter
    for path in (f"/heat/{cat}", "/heat/99?label=cat", f"/heat/{2**63}?label=cat"):
        assert page.client.get(path).status_code == 404
    page.get("/api/why", 400, photo=cat, label=" ")


def test_a_job_that_is_stopped_goes_on_the_next_time(file: Path) -> None:
    with Library.open(settings.index_path()) as library:
        done = cutoffs.save_cutoff(library, "flag", 0.3, file=file, stop=lambda: True)
        assert (done.before, done.tagged.anew) == (None, 0) and tagged("flag") == set()
        status = library.value("SELECT status FROM runs ORDER BY id DESC LIMIT 1")
        assert status == "interrupted"
        seen: list[tuple[int, int]] = []
        done = cutoffs.save_cutoff(
            library, "flag", 0.3, file=file, advance=lambda done, of: seen.append((done, of))
        )
    assert (done.before, done.tagged.anew, seen) == (0.3, 4, [(0, 4)])
    assert tagged("flag") == {"astronaut.jpg"}
