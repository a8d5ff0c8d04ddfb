"""`qks serve`: requests, what is refused, changes by others, and both ways in."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from qks_cli.errors import UsageError
from qks_cli.library import learned, verdicts
from qks_cli.library.learned import StoredHead
from qks_cli.library.store import Library
from qks_cli.model.learned import Head
from qks_cli.photos.walk import walk
from qks_cli.search import compact
from qks_cli.workflows import sockets
from qks_cli.workflows.kept_open import KeptOpen
from qks_cli.workflows.serving import MOST_BYTES, Service
from qks_cli.workflows.session import open_library, opened
from qks_cli.workflows.tag import Tagging, TagRun, retag

PATIENCE = 60.0


@pytest.fixture
def library(fake_model: Path, photos: Path) -> Iterator[Library]:
    with open_library(create=True) as library:
        list(TagRun(Tagging.open("mini"), library).results(walk([photos])))
    with open_library() as library:
        yield library


@pytest.fixture
def service(library: Library) -> Service:
    return Service(KeptOpen(library.path), opened("mini"))


def ask(service: Service, **fields: object) -> dict[str, Any]:
    answer = service.answer(json.dumps(fields).encode())
    assert answer.endswith(b"\n") and answer.count(b"\n") == 1
    found: dict[str, Any] = json.loads(answer)
    return found


def names(answer: dict[str, Any]) -> list[str]:
    assert answer["ok"], answer
    return [Path(photo["path"]).name for photo in answer["result"]["photos"]]


def test_a_search_answers_as_the_command_does(service: Service, qks: Any) -> None:
    answer = ask(service, id="x", do="search", query="cat")
    assert answer["id"] == "x"
    (line,) = qks("search", "cat").stdout.splitlines()
    (photo,) = answer["result"]["photos"]
    assert photo | {"matched": []} == json.loads(line) | {"matched": []}
    assert answer["result"]["total"] == 1


def test_what_is_asked_is_heard(service: Service) -> None:
    assert names(ask(service, do="search", query="person OR cat", by="tags", limit=1)) == [
        "astronaut.jpg"
    ] or names(ask(service, do="search", query="person OR cat", by="tags", limit=1)) == ["cat.jpg"]
    assert len(names(ask(service, do="search", query="type:jpg", sort="name"))) == 3
    nothing = ask(service, do="search", query="steam engine")
    assert names(nothing) == []
    assert nothing["result"]["notes"][0].startswith("no confident match")
    assert len(names(ask(service, do="search", query="steam engine", weak=True))) == 4


def test_labels_have_their_names_in_a_language(service: Service, photos: Path) -> None:
    cat = str(photos / "cat.jpg")
    found = ask(service, do="search", query="Katze", language="de")
    assert names(found) == ["cat.jpg"]
    kept = ask(service, do="photo", path=cat, language="de")["result"]
    for tags in (found["result"]["photos"][0]["tags"], kept["tags"]):
        assert {tag["label"]: tag["name"] for tag in tags}["cat"] == "Katze"
    rows = ask(service, do="labels", language="de")["result"]["labels"]
    assert {row["label"]: row["name"] for row in rows}["animal"] == "Tier"
    assert "name" not in ask(service, do="photo", path=cat)["result"]["tags"][0]
    wrong = ask(service, do="labels", language="xx")
    assert not wrong["ok"] and "language must be one of en, de" in wrong["error"]["message"]


def test_likeness_tags_and_what_is_kept(service: Service, photos: Path) -> None:
    cat = str(photos / "cat.jpg")
    assert "cat.jpg" not in names(ask(service, do="similar", path=cat))
    tagged = ask(service, do="tag", paths=[cat, str(photos / "none.jpg")], labels=["cat", "sky"])
    one, none = tagged["result"]["photos"]
    assert [tag["label"] for tag in one["tags"]] == ["cat"]
    assert none["path"] == str(photos / "none.jpg") and none["error"]
    kept = ask(service, do="photo", path=cat)["result"]
    assert {tag["label"] for tag in kept["tags"]} >= {"cat", "animal"}
    labels = {row["label"]: row["photos"] for row in ask(service, do="labels")["result"]["labels"]}
    assert labels["cat"] == 1
    assert ask(service, do="status")["result"]["photos"] == 4


def test_what_was_learned_counts(service: Service, library: Library, photos: Path) -> None:
    model = service.model
    none_F = np.zeros(2 * model.bundle.width, np.float32)
    heads = (Head("cat", False, 1.0, none_F, -1.0), Head("rex", True, 0.0, none_F, 1.0))
    rows = [StoredHead(x.label, x.alone, False, model.hash, x.to_bytes()) for x in heads]
    learned.keep(library, rows, None)
    retag(library, Tagging.open("mini", kept=library.runs.kept()))
    for path in (photos / "cat.jpg", photos / "space" / "astronaut.jpg"):
        (now,) = ask(service, do="tag", paths=[str(path)])["result"]["photos"]
        kept = ask(service, do="photo", path=str(path))["result"]["tags"]
        assert now["tags"] == kept
        assert "rex" in {tag["label"] for tag in kept}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "not a line of JSON"),
        (b"\xff\xfe", "not a line of JSON"),
        (b"[]", "JSON object"),
        (b"[" * 200_000, "not a line of JSON"),
        (b'{"do": "search", "query": "x", "min_score": NaN}', "not a line of JSON"),
        (b'{"id": ' + b"9" * 5000 + b"}", "not a line of JSON"),
        (b" " * (MOST_BYTES + 1), "more than 1,000,000 bytes"),
        (b'{"do": "delete"}', "do must be one of"),
        (b'{"do": ["search"]}', "do must be one of"),
        (b'{"do": "search"}', "query must be text"),
        (b'{"do": "search", "query": ""}', "query must be text"),
        (b'{"do": "search", "query": "x", "limit": 0}', "limit must be"),
        (b'{"do": "search", "query": "x", "limit": true}', "limit must be"),
        (b'{"do": "search", "query": "x", "limit": 1e9}', "limit must be"),
        (b'{"do": "search", "query": "x", "min_score": 2}', "min_score must be"),
        (b'{"do": "search", "query": "x", "exact": 1}', "exact must be"),
        (b'{"do": "search", "query": "x", "limt": 5}', "no field 'limt'"),
        (b'{"do": "search", "query": "dog ("}', "ends too early"),
        (b'{"do": "search", "query": "\\ud800"}', "UTF-8"),
        (b'{"do": "similar", "path": "a\\u0000b"}', "path must be text"),
        (b'{"do": "similar", "path": "/none.jpg"}', "/none.jpg"),
        (b'{"do": "tag", "paths": []}', "paths must be"),
        (b'{"do": "tag", "paths": ["a"], "labels": [1]}', "labels must be"),
        (b'{"do": "photo", "path": "/none.jpg"}', "not in the library"),
        (b'{"do": "status", "id": {}}', "id must be"),
    ],
)
def test_what_is_wrong_is_an_answer(service: Service, line: bytes, said: str) -> None:
    answer = json.loads(service.answer(line))
    assert answer["ok"] is False
    assert said in answer["error"]["message"]
    assert ask(service, do="status")["ok"]


def test_others_changes_are_seen(service: Service, library: Library, photos: Path) -> None:
    assert names(ask(service, do="search", query="tag:cat")) == ["cat.jpg"]
    with closing(Library.open(library.path)) as other:
        (photo,) = (
            x for x, path in other.photos.paths_of([1, 2, 3, 4]).items() if path.stem == "cat"
        )
        verdicts.reject(other, [photo], "cat")
    assert names(ask(service, do="search", query="tag:cat")) == []
    Image.new("RGB", (60, 40), "red").save(photos / "new.png")
    with closing(Library.open(library.path)) as other:
        list(TagRun(Tagging.open("mini"), other).results(walk([photos])))
    assert "new.png" in names(ask(service, do="search", query="red", by="meaning"))


def test_compact_vectors_stay_in_memory(
    service: Service, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qks_cli.search.ranking.EXACT", 1)
    ask(service, do="search", query="cat")  # makes them, and so changes the library
    first = ask(service, do="search", query="cat")

    def read(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(compact, "blocks", read)
    assert ask(service, do="search", query="cat") == first
    with closing(Library.open(library.path)) as other, other.atomic():
        other.execute("DELETE FROM compact")
    answer = ask(service, do="search", query="cat")  # a fault is an answer, too
    assert answer["error"]["message"] == "a fault of qks: AssertionError: read again"


def test_a_library_that_another_takes_the_place_of(
    service: Service, library: Library, tmp_path: Path, qks: Any
) -> None:
    backup = tmp_path / "backup.db"
    assert qks("backup", backup).returncode == 0
    with closing(Library.open(library.path)) as other:
        other.execute("DELETE FROM photos")
    assert names(ask(service, do="search", query="tag:cat")) == []
    assert qks("restore", backup, "--yes").returncode == 0
    assert names(ask(service, do="search", query="tag:cat")) == ["cat.jpg"]


def test_a_library_is_kept_open_for_any_thread(library: Library) -> None:
    opened_as = []

    def ask_it(kept: KeptOpen) -> None:
        with kept.using() as own:
            opened_as.append(own)
            assert own.photos.count() == 4 and own.remembers

    with KeptOpen(library.path) as kept:
        for _ in range(3):
            thread = threading.Thread(target=ask_it, args=(kept,))
            thread.start()
            thread.join()
        assert len(opened_as) == 3 and len({id(one) for one in opened_as}) == 1


def test_lines_of_a_stream(service: Service) -> None:
    requests = b'{"do": "status"}\n\n' + b"x" * (3 * MOST_BYTES) + b'\n{"do": "status", "id": 2}'
    answers = io.BytesIO()
    sockets.over_streams(service.answer, io.BytesIO(requests), answers, MOST_BYTES)
    found = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert [(one["ok"], one["id"]) for one in found] == [(True, None), (False, None), (True, 2)]
    assert "more than" in found[1]["error"]["message"]


@contextmanager
def serving(*options: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "qks_cli", "serve", *options]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def test_a_socket_for_one_user(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "s" / "q.sock"
    with serving("--socket", str(path)) as running:
        assert running.stderr is not None
        assert running.stderr.readline() == f"qks: answering at {path}\n".encode()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        with pytest.raises(UsageError, match="another `qks serve`"):
            sockets._listen(path)
        with connected(path) as one, connected(path) as other, connected(path) as idle:
            one.write(b'{"do": "sta')  # not finished: nobody waits for it
            one.flush()
            other.write(b'{"do": "search", "query": "cat"}\n{\n')
            other.flush()
            assert json.loads(other.readline())["ok"] is True
            assert json.loads(other.readline())["ok"] is False
            one.write(b'tus"}\n')
            one.flush()
            assert json.loads(one.readline())["result"]["photos"] == 4
            idle.write(b"x" * (MOST_BYTES + 10))
            idle.flush()
            assert "more than" in json.loads(idle.readline())["error"]["message"]
            running.send_signal(signal.SIGINT)  # with clients still there
            assert running.wait(PATIENCE) == 0
        assert running.stderr.read() == b"qks: stopped\n"
    assert not path.exists()


@contextmanager
def connected(path: Path) -> Iterator[Any]:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(PATIENCE)
        asking.connect(str(path))
        with asking.makefile("rwb") as lines:
            yield lines


def test_what_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "q.sock"
    sockets._listen(path).close()
    assert path.exists()
    sockets._listen(path).close()
    path.unlink()
    path.write_text("mine")
    with pytest.raises(UsageError, match="not a socket"):
        sockets._listen(path)
    assert path.read_text() == "mine"
    with pytest.raises(UsageError, match="cannot listen"):
        sockets._listen(tmp_path / ("x" * 200))


def test_standard_streams(library: Library) -> None:
    with serving("--stdio") as running:
        assert running.stdin is not None and running.stdout is not None
        for number in range(2):
            running.stdin.write(json.dumps({"id": number, "do": "status"}).encode() + b"\n")
            running.stdin.flush()
            assert json.loads(running.stdout.readline())["id"] == number
        running.stdin.close()
        assert running.wait(PATIENCE) == 0
    with serving("--stdio") as running:
        assert running.stderr is not None
        time.sleep(1.0)
        running.send_signal(signal.SIGINT)
        assert running.wait(PATIENCE) == 130
        assert running.stderr.read() == b""
    assert os.environ["QKS_DB"]
