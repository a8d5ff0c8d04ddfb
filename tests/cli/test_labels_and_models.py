from __future__ import annotations

import json
from pathlib import Path

from qks_cli.model.bundle import find_bundle
from tests.conftest import Qks


def test_labels_are_started_checked_and_not_overwritten(tmp_path: Path, qks: Qks) -> None:
    path = tmp_path / "labels.txt"
    assert qks("labels", "init", path).returncode == 0
    assert path.read_bytes() == (find_bundle("mini") / "labels.txt").read_bytes()
    assert qks("labels", "init", "-").stdout == path.read_bytes()
    checked = qks("labels", "check", path)
    assert checked.returncode == 0
    assert b"0 warnings" in checked.stdout
    path.write_text("dog\ndog\n")
    refused = qks("labels", "init", path)
    assert refused.returncode == 2
    assert b"--force" in refused.stderr
    assert b"2: 'dog' is already on line 1" in qks("labels", "check", path).stderr
    path.write_text("dog\na > > b\n")
    wrong = qks("labels", "check", path)
    assert wrong.returncode == 2
    assert b"labels.txt:2: an empty label" in wrong.stderr
    assert qks("labels", "init", path, "--force").returncode == 0


def test_models_are_listed_and_described(qks: Qks) -> None:
    listed = json.loads(qks("models", "list").stdout)
    assert listed["name"] == "mini"
    assert qks("models", "list", "-0").stdout == listed["path"].encode() + b"\0"
    assert b"name" in qks("models", "list", "--format", "table").stdout
    described = qks("models", "info", "mini")
    assert b"query tokens  8 of width 129" in described.stdout
    config = json.loads(qks("models", "info", "mini", "--json").stdout)
    assert config["model"]["name"] == "mini"
