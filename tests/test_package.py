"""What is installed finds its model: wheel and source distribution are built and looked into."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHIPPED = {path.name for path in (ROOT / "models" / "mini").iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_the_wheel_holds_the_model_and_finds_it(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path)
    assert {f"qks_cli/_models/mini/{name}" for name in SHIPPED} <= names
    assert any(name.startswith("qks_cli/_examples/") for name in names)
    assert "qks_cli/py.typed" in names
    assert {"qks_cli/review/templates/base.html", "qks_cli/review/static/photos.js"} <= names
    assert "qks_cli/training/mini/mini.json" in names
    assert not any(name.startswith(("tests/", "models/")) for name in names)
    look = "from qks_cli.model.bundle import find_bundle; print(find_bundle('mini'))"
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(tmp_path / "qks_cli" / "_models" / "mini")


def test_the_source_distribution_is_whole(built: Path) -> None:
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {f"models/mini/{name}" for name in SHIPPED} <= names
    assert {"README.md", "LICENSE", "CHANGELOG.md", "Makefile", "tests/conftest.py"} <= names
    assert "hatch_build.py" in names


def requirements(folder: Path) -> set[str]:
    """Names that a build of this checkout depends on, without its extras."""
    code = (
        "from hatchling.metadata.core import ProjectMetadata as M\n"
        "from hatchling.plugin.manager import PluginManager\n"
        f"print(*M({str(folder)!r}, PluginManager()).core.dependencies, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {re.split(r"[<>=]", line)[0] for line in done.stdout.splitlines()}


def test_the_light_build_leaves_torch_out_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("QKS_LIGHT", raising=False)
    whole = requirements(ROOT)
    monkeypatch.setenv("QKS_LIGHT", "0")
    assert requirements(ROOT) == whole
    monkeypatch.setenv("QKS_LIGHT", "1")
    assert whole - requirements(ROOT) == {"torch", "torchvision", "open-clip-torch"}
    assert requirements(ROOT) < whole


def test_the_bundle_is_small_enough() -> None:
    size = sum(path.stat().st_size for path in (ROOT / "models" / "mini").iterdir())
    assert size <= 60e6


def test_there_is_one_version() -> None:
    import tomllib

    from qks_cli import __version__

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
