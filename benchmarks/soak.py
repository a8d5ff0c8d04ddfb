"""A library under load: what is kept when everything is killed again and again; one JSON line.

Over one library two `qks tag`, one `qks watch` and one `qks review` run at a time, searches are
asked, somebody confirms and rejects labels through the review page's server, and photos come,
change, move and go. Every few seconds one of the processes is killed (SIGKILL) and another takes
its place. When all has ended, ``forgotten`` are photos that a run had reported as stored, and
``unsaid`` verdicts that the server had acknowledged, which the library does not know. Then one
`qks tag` catches up, `qks prune` forgets what is gone, and `qks doctor` looks at what is left:
``lost`` are files without tags, ``repeated`` files that are there twice, ``not_there`` photos
without a file, ``faults`` commands that ended with an error. ``peak_mb`` is the most memory that a
process of a kind took, in each quarter of the time. Exit code 1 where there is any of these, or a
lock stayed.

    python benchmarks/soak.py --seconds 120
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

PHOTOS = 300  # at the beginning
MOST = 1500  # from here on more go than come
KILL_EVERY = 5.0  # seconds; the long form has 20
QUERIES = ("red", "type:jpg score>0.1", "sky water", "missing:tags OR red", "name:moved*")
QKS = (sys.executable, "-m", "qks_cli")
PATIENCE = 1800.0  # seconds that the last commands may take
NAMES = ("tag1", "tag2", "watch", "review", "search")
WORDS = ("sharp", "keep", "red")  # labels that are said of photos
QUARTERS = 4


@dataclass
class Photos:
    """Files that come and go; every picture is another."""

    folder: Path
    random: random.Random
    made: int = 0
    alive: list[Path] = field(default_factory=list)
    moved: set[str] = field(default_factory=set)  # where they lay before

    def add(self) -> None:
        """A new file, whole from its first moment on."""
        pixels = np.random.default_rng(self.made).integers(0, 256, (6, 8, 3), np.uint8)
        path = self.folder / f"{self.made % 7}" / f"{self.made:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        Image.fromarray(pixels).resize((160, 120)).save(partial, "JPEG")
        partial.replace(path)
        self.made += 1
        self.alive.append(path)

    def stir(self) -> None:
        """Some come, one changes, one moves, one goes or some do."""
        for _ in range(self.random.randint(1, 8)):
            self.add()
        one = self.random.choice(self.alive)
        changed = np.random.default_rng([self.made, 1]).integers(0, 256, (6, 9, 3), np.uint8)
        Image.fromarray(changed).resize((90, 60)).save(one, "JPEG")
        moving = self.random.choice(self.alive)
        target = moving.with_name(f"moved-{self.made}-{moving.name}")
        moving.rename(target)
        self.moved.add(str(moving))
        self.alive.remove(moving)
        self.alive.append(target)
        for _ in range(1 if len(self.alive) < MOST else 8):
            if len(self.alive) > PHOTOS:
                self.alive.pop(self.random.randrange(len(self.alive))).unlink()


@dataclass
class Load:
    """What runs at the moment, and what came of it."""

    photos: Path
    logs: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    reported: set[str] = field(default_factory=set)  # paths that runs said they had stored
    peak_mb: dict[str, list[int]] = field(default_factory=dict)
    quarter: int = 0

    def keep_going(self, name: str, *words: str) -> None:
        """See to it that a command runs; one that ended is looked at."""
        found = self.running.get(name)
        if found is not None and found.poll() is None:
            self._measure(name, found.pid)
            return
        if found is not None:
            self._ended(name, found.returncode)
        log = self.logs / f"{name}.err"
        with log.open("wb") as errors, (self.logs / f"{name}.out").open("wb") as out:
            self.running[name] = subprocess.Popen([*QKS, *words], stdout=out, stderr=errors)
        self._count(f"{name.rstrip('12')} started")

    def kill(self, name: str) -> None:
        """As a power cut would."""
        found = self.running.pop(name, None)
        if found is not None and found.poll() is None:
            found.kill()
            found.wait()
            self._read(name)
            self._count("killed")

    def end(self) -> None:
        """Ask all of them to end, and wait."""
        for found in self.running.values():
            found.send_signal(signal.SIGINT)
        for name, found in self.running.items():
            try:
                self._ended(name, found.wait(PATIENCE))
            except subprocess.TimeoutExpired:
                found.kill()
                self.faults.append(f"{name} did not end")

    def _ended(self, name: str, code: int) -> None:
        self._read(name)
        said = (self.logs / f"{name}.err").read_text(errors="replace")
        # Ctrl-C before Python has begun ends it as any other program.
        if "Traceback" in said or code not in (0, 1, 130, -signal.SIGINT):
            self.faults.append(f"{name}: exit {code}: {said[-600:]}")
        self._count(f"{name.rstrip('12')} ended")

    def _read(self, name: str) -> None:
        for line in (self.logs / f"{name}.out").read_text().splitlines():
            try:
                row = json.loads(line)
            except ValueError:  # cut off by the kill
                continue
            if row.get("status") in ("tagged", "moved", "unchanged"):
                self.reported.add(row["path"])

    def _measure(self, name: str, pid: int) -> None:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            return
        for line in lines:
            if line.startswith("VmHWM"):
                own = self.peak_mb.setdefault(name.rstrip("12"), [0] * QUARTERS)
                own[self.quarter] = max(own[self.quarter], int(line.split()[1]) // 1024)

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


class Reviewer:
    """Somebody at the page of `qks review`: looks for photos, and says what labels they have."""

    def __init__(self, load: Load, seed: int) -> None:
        self.load = load
        self.random = random.Random(seed)
        self.said: dict[tuple[int, str], bool | None] = {}  # None: asked for, without an answer
        self.asked = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        while not self.over.wait(0.2):
            server = self.load.running.get("review")
            log = self.load.logs / "review.out"
            address = log.read_text().strip() if server and log.exists() else ""
            if not address.startswith("http"):
                continue
            try:
                self._sit(address)
            except (OSError, http.client.HTTPException, ValueError) as error:
                time.sleep(2)
                if server is self.load.running.get("review") and not self.over.is_set():
                    self.load.faults.append(f"review: {error!r}")

    def _sit(self, address: str) -> None:
        """Until the server is gone."""
        place = urlsplit(address)
        with closing(http.client.HTTPConnection(place.netloc, timeout=60)) as server:
            server.request("GET", place.path)
            answer = server.getresponse()
            answer.read()
            cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
            headers = {"Cookie": cookie, "Origin": f"http://{place.netloc}"}
            while not self.over.wait(0.2):
                query = self.random.choice(("", "red", "name:moved*"))
                server.request("GET", f"/api/listing?q={query}", headers=headers)
                shown = [one["id"] for one in self._answer(server)["photos"] if one is not None]
                some = self.random.sample(shown, min(3, len(shown)))
                label = self.random.choice(WORDS)
                # The server knows no label that nobody has confirmed yet.
                known = any(one == label and right for (_, one), right in self.said.items())
                right = not known or self.random.random() < 0.7
                self.said.update({(one, label): None for one in some})
                words = {"ids": some, "label": label, "said": "confirm" if right else "reject"}
                body = json.dumps(words)
                server.request("POST", "/api/say", body, headers)
                self._answer(server)
                self.said.update({(one, label): right for one in some})

    def _answer(self, server: http.client.HTTPConnection) -> dict[str, list[dict[str, int]]]:
        answer = server.getresponse()
        body = answer.read()
        self.asked += 1
        if answer.status != 200:
            raise ValueError(f"status {answer.status}: {body[:300]!r}")
        found: dict[str, list[dict[str, int]]] = json.loads(body)
        return found

    def unsaid(self, library: sqlite3.Connection) -> list[tuple[int, str]]:
        """Of photos that the library still has, the acknowledged verdicts that it has otherwise."""
        ids = {photo_id for (photo_id,) in library.execute("SELECT id FROM photos")}
        sql = "SELECT photo_id, name, confirmed FROM verdicts JOIN labels ON id = label_id"
        kept = {(one, name): bool(right) for one, name, right in library.execute(sql)}
        return [
            (one, label)
            for (one, label), right in self.said.items()
            if right is not None and one in ids and kept.get((one, label)) is not right
        ]


def soak(load: Load, photos: Photos, reviewer: Reviewer, seconds: float, every: float) -> None:
    """All of it at once, for so long."""
    began = time.monotonic()
    next_kill = began + every
    asked = 0
    while (gone := time.monotonic() - began) < seconds:
        load.quarter = min(QUARTERS - 1, int(QUARTERS * gone / seconds))
        load.keep_going("tag1", "tag", str(load.photos), "--format", "jsonl")
        load.keep_going("tag2", "tag", str(load.photos), "--format", "jsonl")
        load.keep_going("watch", "watch", str(load.photos), "--settle", "0.5", "--format", "jsonl")
        load.keep_going("review", "review", "--no-browser")
        load.keep_going("search", "search", QUERIES[asked % len(QUERIES)])
        asked += 1
        photos.stir()
        if time.monotonic() > next_kill:
            load.kill(photos.random.choice(NAMES))
            next_kill = time.monotonic() + every
        time.sleep(0.3)
    reviewer.over.set()
    load.end()


def settled(load: Load, photos: Photos, reviewer: Reviewer, db: Path) -> dict[str, object]:
    """What the library says once all is over and one run has caught up."""
    with closing(sqlite3.connect(db)) as library:
        known = {path for (path,) in library.execute("SELECT path FROM photos")}
        unsaid = reviewer.unsaid(library)
    forgotten = load.reported - known - photos.moved
    folder = str(load.photos)
    for words in (("tag", folder), ("prune", "--yes"), ("status", folder), ("doctor",)):
        try:
            done = subprocess.run([*QKS, *words], capture_output=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            load.faults.append(f"{' '.join(words)} did not end")
            continue
        if done.returncode:
            said = (done.stdout + done.stderr).decode(errors="replace")
            load.faults.append(f"{' '.join(words)}: exit {done.returncode}: {said[-600:]}")
    with closing(sqlite3.connect(db, timeout=0)) as library:
        library.execute("BEGIN IMMEDIATE")  # no lock stayed
        library.execute("ROLLBACK")
        present = [
            path
            for (path,) in library.execute("SELECT path FROM photos WHERE missing_since IS NULL")
        ]
        (tagged,) = library.execute(
            "SELECT count(*) FROM photos JOIN query_tokens ON photo_id = id WHERE missing_since "
            "IS NULL AND status = 'ok' AND tagged_at IS NOT NULL"
        ).fetchone()
        (whole,) = library.execute("PRAGMA integrity_check").fetchone()
        (open_runs,) = library.execute(
            "SELECT count(*) FROM runs WHERE status = 'running'"
        ).fetchone()
    there = {str(path) for path in photos.alive}
    return {
        "photos": len(there),
        "reported": len(load.reported),
        "forgotten": sorted(forgotten),
        "said": sum(right is not None for right in reviewer.said.values()),
        "unsaid": unsaid,
        "lost": len(there - set(present)) + len(present) - tagged,
        "repeated": len(present) - len(set(present)),
        "not_there": len(set(present) - there),
        "integrity": whole,
        "runs_cut_off": open_runs,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--kill-every", type=float, default=KILL_EVERY)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    # A shell lets what it starts in the background ignore Ctrl-C, and so do the programs started
    # here, until they have come as far as to ask for it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["QKS_DB"] = str(folder / "library.db")
        os.environ["QKS_CACHE"] = str(folder / "cache")
        os.environ["QKS_CONFIG"] = str(folder / "config.toml")
        photos = Photos(folder / "photos", random.Random(given.seed))
        for _ in range(PHOTOS):
            photos.add()
        subprocess.run([*QKS, "tag", str(photos.folder), "-q"], check=True, capture_output=True)
        load = Load(photos.folder, folder)
        reviewer = Reviewer(load, given.seed)
        reviewer.thread.start()
        soak(load, photos, reviewer, given.seconds, given.kill_every)
        reviewer.thread.join(120)
        report = settled(load, photos, reviewer, folder / "library.db")
    wrong = load.faults or any(
        report[name] for name in ("forgotten", "unsaid", "lost", "repeated", "not_there")
    )
    report |= {
        "counts": load.counts,
        "requests": reviewer.asked,
        "peak_mb": load.peak_mb,
        "faults": load.faults,
    }
    print(json.dumps(report))
    sys.exit(1 if wrong or report["integrity"] != "ok" else 0)


if __name__ == "__main__":
    main()
