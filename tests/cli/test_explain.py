from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.run import run
from tests.cli.test_terminal import on_terminal

Patch = pytest.MonkeyPatch
Capture = pytest.CaptureFixture[str]


def test_reasons_as_lines_and_as_json(photos: Path, monkeypatch: Patch, capfd: Capture) -> None:
    done = run(monkeypatch, capfd, "explain", photos / "cat.jpg", "--format", "table")
    assert done.code == 0
    assert done.out.startswith("+ cat 1.00: fits better than all of the model's reference photos")
    assert "\n- " in done.out
    rows = run(monkeypatch, capfd, "explain", photos / "cat.jpg", "dog", "cat").rows
    assert [(row["label"], row["shown"]) for row in rows] == [("cat", True), ("dog", False)]
    assert rows[0]["cutoff"] == 0.5


def test_labels_have_their_names_in_a_language(
    photos: Path, monkeypatch: Patch, capfd: Capture
) -> None:
    asked = "explain", photos / "cat.jpg", "Katze", "dog", "xyzzy", "--language", "de"
    lines = run(monkeypatch, capfd, *asked, "--format", "table").out.splitlines()
    assert {line.split()[1] for line in lines} == {"Katze", "Hund", "xyzzy"}
    assert any(line.startswith("+ Katze 1.00: fits") for line in lines)
    rows = {row["label"]: row for row in run(monkeypatch, capfd, *asked).rows}
    assert {label: row["name"] for label, row in rows.items()} == {
        "cat": "Katze",
        "dog": "Hund",
        "xyzzy": "xyzzy",
    }
    assert rows["cat"]["reason"].startswith("Katze 1.00")
    monkeypatch.setenv("QKS_LANGUAGE", "de")
    assert run(monkeypatch, capfd, "explain", photos / "cat.jpg", "cat").rows[0]["name"] == "Katze"
    english = run(
        monkeypatch, capfd, "explain", photos / "cat.jpg", "cat", "--language", "en"
    ).rows[0]
    assert "name" not in english and english["reason"].startswith("cat 1.00")


def test_a_heat_map_is_written(
    photos: Path, tmp_path: Path, monkeypatch: Patch, capfd: Capture
) -> None:
    out = tmp_path / "heat.png"
    done = run(monkeypatch, capfd, "explain", photos / "cat.jpg", "cat", "--heatmap", out)
    assert done.code == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    again = run(monkeypatch, capfd, "explain", photos / "cat.jpg", "cat", "--heatmap", out)
    assert again.code == 2
    assert "there already" in again.err


def test_a_photo_that_is_not_there(tmp_path: Path, monkeypatch: Patch, capfd: Capture) -> None:
    done = run(monkeypatch, capfd, "explain", tmp_path / "gone.jpg")
    assert done.code == 2
    assert "gone.jpg" in done.err
    assert "Traceback" not in done.err


def test_a_picture_is_asked_of_no_pipe(photos: Path, monkeypatch: Patch, capfd: Capture) -> None:
    done = run(monkeypatch, capfd, "explain", photos / "cat.jpg", "cat", "--show")
    assert (done.code, done.out) == (2, "")
    assert "--heatmap FILE" in done.err


def test_a_picture_is_drawn_in_the_terminal(photos: Path, monkeypatch: Patch) -> None:
    for name in ("TMUX", "STY", "NO_COLOR", "TERM_PROGRAM", "LC_TERMINAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    said = on_terminal("explain", photos / "cat.jpg", "cat", "--show")
    assert said.startswith("+ cat 1.00")
    assert said.count("▀") > 500
    monkeypatch.setenv("TERM", "xterm-kitty")
    assert "\x1b_Ga=T,f=100" in on_terminal("explain", photos / "cat.jpg", "cat", "--show")
