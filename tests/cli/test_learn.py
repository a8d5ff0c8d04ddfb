from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.run import run

Patch = pytest.MonkeyPatch
Capture = pytest.CaptureFixture[str]


def test_nothing_to_learn_from(photos: Path, monkeypatch: Patch, capfd: Capture) -> None:
    run(monkeypatch, capfd, "tag", photos)
    done = run(monkeypatch, capfd, "learn")
    assert (done.code, done.out) == (1, "")
    assert "no verdicts" in done.err
    assert run(monkeypatch, capfd, "learn", "--undo").code == 1


def test_a_label_from_examples_and_back(photos: Path, monkeypatch: Patch, capfd: Capture) -> None:
    run(monkeypatch, capfd, "tag", photos)
    line = ["learn", "--label", "our kitchen"]
    shows = ["--photos", photos / "coffee.jpg", "--photos", photos / "cat.jpg"]
    done = run(monkeypatch, capfd, *line, *shows, "--not", photos / "space")
    assert done.code in (0, 1)  # what four photos gain is left to chance
    assert "not for telling people apart" in done.err
    (row,) = done.rows
    assert (row["label"], row["confirmed"], row["rejected"]) == ("our kitchen", 2, 2)
    assert row["map_before"] is None
    carried = run(monkeypatch, capfd, "search", "our kitchen", "--tags-only").rows
    assert {Path(one["path"]).name for one in carried} >= {"coffee.jpg", "cat.jpg"}
    assert run(monkeypatch, capfd, "learn", "--undo").code == done.code
    assert run(monkeypatch, capfd, "learn", "--undo").code == 1


def test_examples_as_a_shell_names_them(photos: Path, monkeypatch: Patch, capfd: Capture) -> None:
    run(monkeypatch, capfd, "tag", photos)
    two = (photos / "coffee.jpg", photos / "cat.jpg")
    for way in (["--photos", *two], two):
        (row,) = run(monkeypatch, capfd, "learn", "--label", "rex", *way).rows
        assert (row["label"], row["confirmed"]) == ("rex", 2)
        run(monkeypatch, capfd, "tags", "reset", "rex")
    done = run(monkeypatch, capfd, "learn", "--label", "rex", "--photos", *two, "--not", photos)
    assert (done.code, done.out) == (2, "")
    assert "every photo has its option" in done.err


def test_options_that_do_not_go_together(photos: Path, monkeypatch: Patch, capfd: Capture) -> None:
    run(monkeypatch, capfd, "tag", photos)
    for line in (["--label", "rex"], ["--photos", photos], ["--undo", "--dry-run"], ["cat"]):
        done = run(monkeypatch, capfd, "learn", *line)
        assert (done.code, done.out) == (2, "")
        assert "Traceback" not in done.err


def test_suggestions_pipe_into_verdicts(photos: Path, monkeypatch: Patch, capfd: Capture) -> None:
    run(monkeypatch, capfd, "tag", photos)
    rows = run(monkeypatch, capfd, "suggest", "flag", "--limit", 2).rows
    assert len(rows) == 2
    assert rows[0]["label"] == "flag"
    assert Path(rows[0]["path"]).name == "astronaut.jpg"  # 0.38, the nearest to the cut-off
    paths = run(monkeypatch, capfd, "suggest", "flag", "--format", "paths").out.splitlines()
    assert len(paths) == 4
    run(monkeypatch, capfd, "tags", "reject", "flag", *paths)
    assert run(monkeypatch, capfd, "suggest", "flag").code == 1
