"""Every command line of the README and of docs/, run as it stands where it has something to do.

Lines of ``sh`` blocks are run in their order, a page after the other in a home of its own, on a
terminal, with a model that is told what the photos show. (The cookbook of docs/pipelines.md has its
own test, which looks at what each recipe makes.)
"""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qks_cli.model.fake import Picture, write_fake_bundle
from qks_cli.types import UInt8Array
from tests.conftest import Qks

ROOT = Path(__file__).parent.parent
OWN_TEST = {ROOT / "docs" / "pipelines.md"}
PAGES = [ROOT / "README.md", *sorted(set((ROOT / "docs").rglob("*.md")) - OWN_TEST)]

# Lines that are not run here, by how they begin, and why.
NOT_RUN = {
    "make ": "test_the_demo_does_what_the_makefile_says; `make test` runs this",
    "pipx install": "installs for minutes; .ci/installed.py installs and uses the package",
    "QKS_LIGHT=1 ": "test_package.py holds what the light build depends on",
    "pip install": "installs for minutes",
    "qks models pull": "needs a network; tests/bundling/test_pull.py",
    "qks tag ~/Photos --model ViT": "needs the pulled model; tests/bundling/test_pull.py",
    "qks datasets check nuswide": "needs NUS-WIDE; tests/training/test_datasets.py",
    "qks learn": "what is learned depends on the photos; tests/cli/test_learn.py",
    "qks train": "trains; tests/cli/test_train.py",
    "qks ray tag": "starts Ray; tests/distributed/test_ray.py",
    "qks eval": "needs a trained model; tests/cli/test_train.py",
    "qks tag ~/Photos --model runs/": "needs a trained model; tests/cli/test_train.py",
    "qks tag ~/Photos --labels labels.txt --scoring": "needs weights; tests/evaluation",
}
# Lines that run until they are interrupted: what they say when they are ready, and exit codes.
ENDLESS = {
    "qks watch": ("watching", (0, 130)),
    "qks serve": ("answering at", (0,)),
    "qks review": ("ctrl-c ends it", (130,)),
    "datasette library.db": ("running", (0, 1)),
}

LABELS = (
    "animal > dog | puppy, hound",
    "animal > cat",
    "animal > wolf",
    *("kitty", "beach", "sky", "sunset", "person", "crowd", "plant", "automobile", "indoors"),
)
SEEN = {
    "2023/dog.jpg": {"dog": 0.95, "sky": 0.9},
    "2023/beach.jpg": {"beach": 0.95, "dog": 0.9, "person": 0.9},
    "2023/cat.jpg": {"cat": 0.95, "plant": 0.9},
    "2023/bus.jpg": {"red bus rain": 0.95, "automobile": 0.9},
    "2023/pool.jpg": {"pool": 0.95, "sunset": 0.9},
    "2019/party.jpg": {"person": 0.95, "indoor": 0.9, "party": 0.9},
    "Rex/wolf.jpg": {"wolf": 0.95, "dog": 0.7},
    "Rex/kitty.jpg": {"kitty": 0.95, "person": 0.9},
}
OTHERS = 24  # photos that the model does not know
NOTED = "2023/dog.jpg"  # by a camera, with a rating


def pictures() -> dict[str, UInt8Array]:
    """A picture of sixteen coloured fields for each photo, all of them unlike."""
    rng = np.random.default_rng(7)
    names = [*SEEN, *(f"2022/IMG_{number}.jpg" for number in range(OTHERS))]
    return {
        name: np.kron(rng.integers(0, 256, (4, 4, 3)), np.ones((32, 32, 1))).astype(np.uint8)
        for name in names
    }


def lines_of(page: Path) -> list[str]:
    """Lines of the page's sh blocks, without their comments; continued ones as one."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [re.split(r"\s+# ", line)[0] for line in lines if line.strip()]


@pytest.fixture
def home(private_folders: None, tmp_path: Path, qks: Qks, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with tagged photos, as the pages suppose it; the command is on the PATH."""
    drawn = pictures()
    for name, pixels in drawn.items():
        path = tmp_path / "Photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = "2023:07:14 12:30:00"
        if name == NOTED:
            exif[0x0110] = "X100V"
            exif[0x4746] = 4  # rating
        Image.fromarray(pixels).save(path, quality=95, exif=exif)
    known = [Picture(drawn[name], words) for name, words in SEEN.items()]
    models = Path(os.environ["QKS_MODELS"])
    write_fake_bundle(models / "mini", known, LABELS, name="mini")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.chdir(tmp_path)
    # What pages name that earlier steps or the reader's own life would have made.
    shutil.copy(tmp_path / "Photos/2023/cat.jpg", tmp_path / "cat.jpg")
    shutil.copy(tmp_path / "Photos/2019/party.jpg", tmp_path / "Photos/2019/gone.jpg")
    shutil.copy(tmp_path / "Photos/2023/bus.jpg", tmp_path / "Photos/2022/bus-copy.jpg")
    Image.fromarray(drawn["Rex/kitty.jpg"][::-1]).save(tmp_path / "IMG_1234.jpg")
    (tmp_path / "labels.txt").write_text("\n".join([*LABELS, "pool"]) + "\n", encoding="utf-8")
    (tmp_path / "new-labels.txt").write_text("dog\npool\ngrandma\n", encoding="utf-8")
    (tmp_path / "few.txt").write_text("dog\n", encoding="utf-8")
    for_all = (tmp_path / "Photos", tmp_path / "IMG_1234.jpg")
    assert qks("tag", *for_all, "--labels", tmp_path / "few.txt").returncode == 0
    assert qks("backup", tmp_path / "before.db").returncode == 0
    (tmp_path / "Photos/2019/gone.jpg").unlink()
    assert qks("tag", *for_all, "--labels", tmp_path / "labels.txt").returncode == 0
    shutil.copy(os.environ["QKS_DB"], tmp_path / "library.db")
    return tmp_path


class Terminal:
    """Runs a line in bash on a terminal of its own, on which somebody says yes to everything."""

    def __init__(self, line: str) -> None:
        ours, theirs = pty.openpty()
        self.shown = b""
        self.process = subprocess.Popen(
            ["bash", "-o", "pipefail", "-c", line],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        os.write(ours, b"y\ny\n")
        self.reader = threading.Thread(target=self._read, args=(ours,), daemon=True)
        self.reader.start()

    def _read(self, ours: int) -> None:
        try:
            while part := os.read(ours, 65536):
                self.shown += part
        except OSError:  # Linux says so when nobody has the terminal open any more
            pass
        os.close(ours)

    def interrupt(self, ready: str) -> None:
        """Ctrl-C, once it says ``ready`` or a minute is over."""
        started = time.monotonic()
        while ready.encode() not in self.shown.lower() and time.monotonic() - started < 60:
            time.sleep(0.05)
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> tuple[int, str]:
        """Exit code, and all that was shown."""
        code = self.process.wait(timeout=120)
        self.reader.join(5)
        return code, self.shown.decode(errors="replace")


def to_run(page: Path) -> list[str]:
    return [line for line in lines_of(page) if not line.startswith(tuple(NOT_RUN))]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if to_run(page)], ids=lambda page: str(page.relative_to(ROOT))
)
def test_the_lines_of(page: Path, home: Path) -> None:
    lines = to_run(page)
    if "qks labels init labels.txt" in lines:
        (home / "labels.txt").unlink()
    for line in lines:
        program = line.split()[0]
        if program != "qks" and shutil.which(program) is None:
            continue
        terminal = Terminal(line)
        wanted: tuple[int, ...] = (0,)
        if endless := [name for name in ENDLESS if line.startswith(name)]:
            ready, wanted = ENDLESS[endless[0]]
            terminal.interrupt(ready)
        code, shown = terminal.end()
        assert code in wanted, f"{line}: exit {code}\n{shown}"
        assert "Traceback" not in shown, f"{line}\n{shown}"
        if line == "qks labels init labels.txt":  # "edit them", say the pages
            with (home / "labels.txt").open("a", encoding="utf-8") as file:
                file.write("party\n")


def test_lines_are_found_and_few_are_left_out() -> None:
    lines = [line for page in PAGES for line in lines_of(page)]
    assert len(lines) > 80
    for beginning in NOT_RUN:
        assert any(line.startswith(beginning) for line in lines), f"nothing begins {beginning}"
    assert sum(line.startswith(tuple(NOT_RUN)) for line in lines) < 33


def test_the_demo_does_what_the_makefile_says(home: Path, qks: Qks) -> None:
    """The commands of `make demo`, run by whatever model is asked for."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipes = re.findall(r"^\t\$\(BIN\)/qks (.*)$", makefile, re.M)
    assert [recipe.split()[0] for recipe in recipes] == ["tag", "search"]
    tag, search = (recipe.split() for recipe in recipes)
    assert qks(*[ROOT / x if x == "examples/photos" else x for x in tag]).returncode == 0
    assert qks(*search).returncode <= 1
