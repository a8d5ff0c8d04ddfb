"""Without a network, a pull says so at once instead of trying for a minute."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import pytest

from qks_cli.bundling.reach import check_reachable, reachable
from qks_cli.errors import ModelError
from tests.conftest import Qks

NAME = "ViT-B-32/laion2b_s34b_b79k"


@pytest.fixture
def closed_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@pytest.fixture
def offline(closed_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No network and nothing kept from earlier pulls; returns the home folder."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port}")
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    # Set for good by what is tested here, and taken back after it.
    monkeypatch.setenv("HF_HUB_OFFLINE", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_nothing_answers_and_nothing_is_kept(offline: Path) -> None:
    with pytest.raises(ModelError) as raised:
        check_reachable(NAME)
    assert "huggingface.co" in raised.value.message and NAME in raised.value.message
    assert "network" in raised.value.hint


@pytest.mark.parametrize("folder", [".cache/huggingface/hub", ".cache/clip"])
def test_what_is_kept_is_used_without_asking(offline: Path, folder: str) -> None:
    (offline / folder / "models--one").mkdir(parents=True)
    check_reachable(NAME)
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_a_file_needs_no_network(offline: Path) -> None:
    (offline / "weights.bin").touch()
    check_reachable(f"ViT-B-32/{offline / 'weights.bin'}")
    (offline / "model").mkdir()
    check_reachable(str(offline / "model"))
    assert os.environ["HF_HUB_OFFLINE"] == ""


def test_what_answers_is_asked(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        assert reachable()
        monkeypatch.delenv("HTTPS_PROXY")
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
        check_reachable(NAME)
    assert os.environ["HF_HUB_OFFLINE"] == ""


@pytest.mark.parametrize("seconds", [0.1, 30.0])
def test_a_name_server_that_does_not_answer_keeps_nobody_waiting(
    offline: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Looking up a name takes no heed of the time limit of a connection."""
    monkeypatch.delenv("HTTPS_PROXY")
    enough = threading.Event()

    def silent(*given: object) -> None:
        enough.wait(seconds)
        raise OSError("nobody knows this name")

    monkeypatch.setattr(socket, "create_connection", silent)
    monkeypatch.setattr("qks_cli.bundling.reach.SECONDS", 0.5)
    began = time.monotonic()
    with pytest.raises(ModelError):
        check_reachable(NAME)
    assert time.monotonic() - began < 5
    enough.set()


def test_the_command_says_it_in_two_lines(offline: Path, qks: Qks) -> None:
    done = qks("models", "pull", NAME)
    assert done.returncode == 2
    assert done.stdout == b""
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 2 and lines[0].startswith("qks: cannot fetch ViT-B-32/")
