"""Bundles of ours on a hub or in a folder: written ready to be uploaded, and taken as they are."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qks_cli.errors import ModelError, UsageError
from qks_cli.model.bundle import CONFIG, Bundle, read_bundle
from qks_cli.wording import count_of

HUB = "hf-hub:"
BESIDE = ("README.md", "labels.txt", "LICENSE")  # files that the configuration does not list
Report = Callable[[str], None]


def push(bundle: Bundle, out: Path) -> Path:
    """Write a folder that can be uploaded to a model hub as it is: the bundle's files, checked, and
    a card. Raises ``UsageError`` for a folder that is not empty."""
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty", hint="give another folder")
    _copy(bundle, out)
    card = out / "README.md"
    text = card.read_text(encoding="utf-8") if card.is_file() else f"# {bundle.name}\n"
    if not text.startswith("---\n"):
        text = _front_matter(bundle) + text
    card.write_text(text, encoding="utf-8")
    return out


def _front_matter(bundle: Bundle) -> str:
    lines = [
        "library_name: qks",
        "pipeline_tag: zero-shot-image-classification",
        f"tags: [qks, photo-tagging, {json.dumps(bundle.name)}]",
    ]
    return "---\n" + "\n".join(lines) + "\n---\n\n"


def take(name: str, folder: Path, report: Report) -> Path | None:
    """Copy a bundle of ours, whose every file is checked against its hash, into ``folder``; None
    where ``name`` is no such thing. A copy that fails leaves nothing behind.

    Raises ``ModelError`` for a bundle that is damaged or cannot be fetched.
    """
    source = _local(name)
    if source is None and name.startswith(HUB):
        source = _from_hub(name.removeprefix(HUB), report)
    if source is None:
        return None
    bundle = read_bundle(str(source))
    called = source.name if _local(name) is not None else name.removeprefix(HUB).replace("/", "-")
    with new_folder(folder, called) as partial:
        _copy(bundle, partial)
    files = count_of(len(bundle.config["files"]), "file")
    report(f"taken {bundle.name} {bundle.version}, {files} as stated")
    return folder / called


@contextmanager
def new_folder(parent: Path, name: str) -> Iterator[Path]:
    """A place to make ``parent/name`` in, which appears whole at the end; where making it fails,
    nothing is left behind and what was there stays."""
    there = parent.is_dir()
    parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".pull-", dir=parent) as made:
            partial = Path(made) / name
            yield partial
            out = parent / name
            if out.exists():
                out.replace(Path(made) / "before")
            partial.replace(out)
    except BaseException:
        if not there and not any(parent.iterdir()):
            parent.rmdir()
        raise


def _local(name: str) -> Path | None:
    path = Path(name).expanduser()
    return path.resolve() if (path / CONFIG).is_file() else None


def _from_hub(repository: str, report: Report) -> Path | None:
    """The folder that a repository was brought to, None where it holds no bundle of ours."""
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError

    try:
        path = huggingface_hub.hf_hub_download(repository, CONFIG)
        config: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        if not {"model", "files", "templates"} <= set(config):
            return None
        report(f"fetching {repository}")
        wanted = [CONFIG, *config["files"], *BESIDE]
        return Path(huggingface_hub.snapshot_download(repository, allow_patterns=wanted))
    except EntryNotFoundError:
        return None
    except (OSError, ValueError) as error:
        text = " ".join(str(error).split())[:200]
        raise ModelError(
            f"cannot fetch {HUB}{repository}: {text}", hint="nothing was changed"
        ) from error


def _copy(bundle: Bundle, out: Path) -> None:
    """Every file, checked while it is read."""
    out.mkdir(parents=True, exist_ok=True)
    for name in bundle.config["files"]:
        if Path(name).name != name:
            raise ModelError(f"{bundle.path / CONFIG} names a file outside its folder: {name}")
        shutil.copyfile(bundle.file(name), out / name)
    for name in (CONFIG, *BESIDE):
        if (bundle.path / name).is_file():
            shutil.copyfile(bundle.path / name, out / name)
