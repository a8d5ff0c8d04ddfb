"""Builds the wheel, installs it plainly in an empty environment, and uses it as a stranger would.

The tests run with the extra `dev` in the checkout, which hides what a plain install lacks. Here the
working folder, the home folder and the environment are new, and the checkout is out of reach.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Runs qks as if an NVIDIA driver were there: torch is imported and asked for a GPU.
DRIVER = """
import sys
from pathlib import Path
from qks_cli.model import engine
engine.NVIDIA_DRIVER = Path("/dev/null")
from qks_cli.app import main
sys.argv[0] = "qks"
main()
"""


class Place:
    """An empty home with an environment in it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder
        self.bin = folder / "env" / "bin"
        kept = ("PATH", "LANG", "TMPDIR")
        self.environment = {name: os.environ[name] for name in kept if name in os.environ}
        self.environment |= {
            name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))
        }
        self.environment |= {"HOME": str(folder), "OMP_NUM_THREADS": "1"}

    def run(
        self, *command: object, code: int = 0, within: float = 300, network: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """A command in the home; it must end with ``code``, in time and without a traceback."""
        prefix = [] if network else offline()
        started = time.monotonic()
        done = subprocess.run(
            [*prefix, *map(str, command)],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=1800,
            check=False,
        )
        seconds = time.monotonic() - started
        shown = " ".join(map(str, command)).replace(f"{self.home}/", "")
        print(f"{seconds:6.1f} s, exit {done.returncode}: {shown[:90]}", flush=True)
        if done.returncode != code or "Traceback" in done.stderr or seconds > within:
            sys.exit(f"wanted exit {code} within {within} s\n{done.stdout}{done.stderr}")
        return done

    def qks(self, *arguments: object, **wanted: object) -> subprocess.CompletedProcess[str]:
        """The installed command."""
        return self.run(self.bin / "qks", *arguments, **wanted)  # type: ignore[arg-type]


def offline() -> list[str]:
    """What to put before a command so that it has no network."""
    attempt = ["unshare", "--map-root-user", "--net"]
    try:
        subprocess.run([*attempt, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return ["env", "HTTPS_PROXY=http://127.0.0.1:9"]
    return attempt


def install(place: Place) -> None:
    """The wheel of this checkout, without any extra."""
    venv.create(place.home / "env", with_pip=True)
    pip = place.bin / "pip"
    place.run(pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", place.home / "dist", ROOT)
    (wheel,) = (place.home / "dist").glob("*.whl")
    place.run(pip, "install", "--quiet", "--no-compile", wheel, within=1800)


def photos_in(folder: Path) -> Path:
    """A few of the example photos, as a user's own."""
    folder.mkdir()
    for photo in sorted((ROOT / "examples" / "photos").glob("*.jpg"))[:6]:
        shutil.copy(photo, folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def keywords(place: Place, photos: Path) -> None:
    """Into sidecars and into the photos themselves; out again by both ways, to the last byte."""
    before = contents(photos)
    for way_back in (("untag", photos), ("undo",)):
        place.qks("write", photos)
        after = contents(photos)
        assert {name: after[name] for name in before} == before, "a sidecar changed a photo"
        assert set(after) - set(before) == {f"{name}.xmp" for name in before}, sorted(after)
        place.qks("verify", photos)
        place.qks(*way_back)
        assert contents(photos) == before, f"{way_back[0]} left something of the sidecars"
        place.qks("write", photos, "--to", "embed")
        after = contents(photos)
        assert set(after) == set(before), sorted(after)
        assert all(after[name] != before[name] for name in before), "a photo has no keywords"
        place.qks("verify", photos)
        place.qks(*way_back)
        assert contents(photos) == before, f"{way_back[0]} left something in the photos"


def check(place: Place) -> None:
    """Every promise of the README that a plain install has to keep."""
    photos = photos_in(place.home / "Photos")
    before = contents(photos)
    rows = place.qks("tag", photos, "--format", "jsonl").stdout.splitlines()
    assert len(rows) == len(before), rows
    assert all(json.loads(row)["status"] == "tagged" for row in rows), rows
    label = next(tag["label"] for row in rows for tag in json.loads(row)["tags"])
    found = place.qks("search", f"tag:{label}", "--format", "paths").stdout
    assert str(photos) in found, found
    keywords(place, photos)
    place.qks("doctor")
    # A machine with a driver and no usable GPU, then one that asks for what is not there.
    place.run(place.bin / "python", "-c", DRIVER, "tag", photos, "--db", place.home / "other.db")
    done = place.qks("tag", photos, "--device", "cuda", "--db", "none.db", code=2)
    assert len(done.stderr.splitlines()) == 2 and "cuda" in done.stderr, done.stderr
    done = place.qks(
        "models", "pull", "ViT-B-32/laion2b_s34b_b79k", code=2, within=5, network=False
    )
    assert len(done.stderr.splitlines()) == 2 and "network" in done.stderr, done.stderr


def main() -> None:
    """Install and check, in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="qks-installed-") as folder:
        place = Place(Path(folder))
        install(place)
        size = subprocess.run(
            ["du", "-sm", place.home / "env"], capture_output=True, text=True, check=True
        )
        print(f"installed: {size.stdout.split()[0]} MB", flush=True)
        check(place)
    print("a plain install keeps its promises")


if __name__ == "__main__":
    main()
