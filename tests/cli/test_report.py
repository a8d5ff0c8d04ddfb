"""`qks report` from a user's side."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Qks


def test_a_report_of_what_a_query_finds(photos: Path, qks: Qks, tmp_path: Path) -> None:
    nothing = qks("report", "--out", tmp_path / "none")
    assert nothing.returncode == 2 and b"qks tag" in nothing.stderr  # no library at all
    assert qks("tag", photos).returncode == 0
    missing = qks("report", "tag:beach", "--out", tmp_path / "none")
    assert missing.returncode == 1 and b"nothing written" in missing.stderr
    assert not (tmp_path / "none").exists()
    made = qks("report", "tag:cat", "--out", tmp_path / "cats", "--sheet")
    assert made.returncode == 0, made.stderr
    assert made.stdout == b""
    page = (tmp_path / "cats" / "index.html").read_text(encoding="utf-8")
    assert "cat.jpg" in page and "coffee.jpg" not in page
    assert (tmp_path / "cats" / "contact-sheets.pdf").is_file()
    refused = qks("report", "--out", photos)
    assert refused.returncode == 2 and b"is there already" in refused.stderr
