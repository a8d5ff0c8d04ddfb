"""`qks review` from a user's side: an address, a server for this machine, a silent end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.conftest import Qks


def test_it_serves_until_ctrl_c(photos: Path, qks: Qks) -> None:
    assert qks("tag", photos).returncode == 0
    command = [sys.executable, "-m", "qks_cli", "review", "tag:cat", "--no-browser"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        with urlopen(address, timeout=30) as answer:
            assert b"/?q=tag%3Acat" in answer.read()
            assert "samesite=strict" in answer.headers["Set-Cookie"].lower()
        with pytest.raises(HTTPError, match="403"):
            urlopen(address.partition("/open")[0], timeout=30)
        # Not of another machine: no other address of this one is listened on.
        port = int(address.split(":")[2].split("/")[0])
        with socket.socket() as other, pytest.raises(OSError):
            other.settimeout(2)
            other.connect(("127.0.0.2", port))
        taken = qks("review", "--no-browser", "--port", port)
        assert taken.returncode == 2 and b"cannot listen on port" in taken.stderr
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == "" and len(err.splitlines()) == 1 and "Ctrl-C ends it" in err


def test_without_a_library_it_says_so(qks: Qks) -> None:
    done = qks("review", "--no-browser")
    assert done.returncode == 2 and done.stdout == b"" and b"qks tag" in done.stderr
