"""``qks ray tag`` on a real Ray of two workers, which all tests of this module share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import qks_cli
from qks_cli.distributed.dataset import DataSet
from qks_cli.errors import UsageError
from qks_cli.model.model import Model
from qks_cli.types import Tag
from qks_cli.workflows.archive import ArchiveOptions, tag_archive
from qks_cli.workflows.archive_scores import retag_archive, search_archive
from qks_cli.workflows.session import open_library
from tests.conftest import Qks
from tests.test_api import EXAMPLES

pytestmark = [
    # Not imported here: Ray would read its variables before they are set.
    pytest.mark.skipif(find_spec("ray") is None, reason="no ray here"),
    pytest.mark.xdist_group("ray"),
    pytest.mark.usefixtures("two_workers"),
    # Ray leaves sockets to the garbage collector, and forks; nothing of ours.
    pytest.mark.filterwarnings("ignore"),
]
ROOT = Path(__file__).parent.parent.parent


def rows_of(folder: Path | str) -> dict[str, Any]:
    found = DataSet.open(str(folder))
    entries = [
        one
        for files in found.partitions().values()
        for file in files
        for table in found.read(file)
        for one in found.shape.entries(table)
    ]
    assert len({one.path for one in entries}) == len(entries)
    return {one.path: one for one in entries}


def tags_in(db: Path) -> dict[str, list[Tag]]:
    with open_library(db) as library:
        ids = library.photos.tagged_ids()
        paths, tags = library.photos.paths_of(ids), library.tags.of(ids)
        return {str(paths[x]): tags[x] for x in ids}


def read_again(*_: object) -> None:
    raise AssertionError("read again")


def test_the_tags_are_those_of_qks_tag(
    photos: Path, fake_model: Path, tmp_path: Path, qks: Qks, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "broken.jpg").write_bytes(b"no photo")
    assert qks("tag", photos, "-q").returncode == 0
    options = ArchiveOptions(model=str(fake_model), batch=2, partition_size=3)
    out = tmp_path / "set"
    done = tag_archive([str(photos)], str(out), options)
    assert (done.photos, done.tagged) == (5, 5)
    rows = rows_of(out)
    assert rows[str(photos / "broken.jpg")].error[0] == "unsupported"
    found = {path: list(row.tags) for path, row in rows.items() if row.error is None}
    assert found == tags_in(Path(os.environ["QKS_DB"]))
    # Merged into a library, it is as if qks tag had read them: nothing is read again.
    copy = tmp_path / "copy.db"
    assert qks("ray", "export", out, "--db", copy, "-q").returncode == 0
    again = qks("tag", photos, "--db", copy, "--format", "jsonl", "-q")
    assert again.stdout.count(b'"unchanged"') == 4

    # What has its row is not read again: the photos need not even be there, and of a finished
    # partition nobody looks at the rows.
    (photos / "cat.jpg").unlink()
    with monkeypatch.context() as only_footers:
        only_footers.setattr(DataSet, "groups", read_again)
        only_footers.setattr("qks_cli.distributed.tagging.list_of", read_again)
        assert tag_archive([], str(out), options).tagged == 0
    # A file that was cut off while being written is written again, and no other.
    cut = next(file for file in out.glob("photos/partition=1/*.parquet"))
    rest = {file: file.stat().st_mtime_ns for file in out.glob("photos/*/*") if file != cut}
    cut.write_bytes(cut.read_bytes()[:-50])
    assert 1 <= tag_archive([], str(out), options).tagged <= 2
    assert {file: file.stat().st_mtime_ns for file in rest} == rest
    assert {path: list(x.tags) for path, x in rows_of(out).items() if x.error is None} == found

    with pytest.raises(UsageError, match="another cut-off"):
        tag_archive([], str(out), ArchiveOptions(model=str(fake_model), min_score=0.9))


def test_the_bundled_model_too(tmp_path: Path, qks: Qks) -> None:
    examples = ROOT / "examples" / "photos"
    assert qks("tag", examples, "--model", ROOT / "models" / "mini", "-q").returncode == 0
    options = ArchiveOptions(model=str(ROOT / "models" / "mini"), batch=5)
    tag_archive([str(examples)], str(tmp_path / "set"), options)
    found = {path: list(row.tags) for path, row in rows_of(tmp_path / "set").items()}
    assert found == tags_in(Path(os.environ["QKS_DB"]))


def at_work(title: str) -> list[int]:
    """Processes that run a task of this name just now: Ray gives them its name meanwhile."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name = (entry / "cmdline").read_bytes().split(b"\0")[0].decode()
        except OSError:
            continue
        if name.startswith("ray::") and title in name:
            found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc here")
@pytest.mark.parametrize("work", ["MapBatches(Read)", "MapBatches(TagPixels)"])
def test_a_lost_worker_costs_its_batch(work: str, tmp_path: Path, fake_model: Path) -> None:
    """One that decodes, and the one that holds the model."""
    folder = tmp_path / "large"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "0.png")
    for number in range(1, 30):
        os.link(folder / "0.png", folder / f"{number}.png")
    listed = tmp_path / "list.parquet"
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"path": [str(x) for x in sorted(folder.iterdir())]}), listed)
    killed: list[int] = []

    def kill() -> None:
        deadline = time.monotonic() + 60
        while not killed and time.monotonic() < deadline:
            for number in at_work(work)[:1]:
                os.kill(number, signal.SIGKILL)
                killed.append(number)
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    options = ArchiveOptions(model=str(fake_model), batch=3, partition_size=20)
    done = tag_archive([str(listed)], str(tmp_path / "set"), options)
    killer.join()
    assert killed, "no task was at work"
    assert done.tagged == 30
    rows = rows_of(tmp_path / "set")
    assert len(rows) == 30 and not any(row.error for row in rows.values())


def test_the_python_names(
    photos: Path,
    fake_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The example of docs/python.md, as it stands, and what it leaves out."""
    monkeypatch.chdir(photos.parent)
    (example,) = [one for one in EXAMPLES if "tag_archive" in one]
    exec(compile(example, "docs/python.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "4 photos, 4 tagged now"
    assert lines[1] == f"1.00 {photos / 'cat.jpg'} ['cat']"
    assert {tag.label for one in rows_of("other").values() for tag in one.tags} == {"rocket", "sky"}
    again = qks_cli.tag_archive([], Path("archive"), labels=["cat", "sky", "cup"], batch_size=1)
    assert again == qks_cli.Archived(photos=4, tagged=0)
    assert qks_cli.search_archive("archive", "qwzx vlorp") == []
    weak = qks_cli.search_archive("archive", "qwzx vlorp", weak=True, limit=2)
    assert len(weak) == 2 and isinstance(weak[0], qks_cli.Match)
    with pytest.raises(UsageError, match="another labels"):
        qks_cli.tag_archive([], "archive")
    with pytest.raises(UsageError, match="no data set"):
        qks_cli.retag_archive("nothing", "other")


def test_a_ray_that_others_started_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an address Ray would look for one, and then refuse to be told of processors."""
    from qks_cli.distributed import cluster

    given: dict[str, Any] = {}

    class Other:
        @staticmethod
        def is_initialized() -> bool:
            return False

        @staticmethod
        def init(**options: Any) -> None:
            given.update(options)
            raise Exception("the node timed out\n during startup")  # as Ray does

    monkeypatch.setitem(sys.modules, "ray", Other)
    told = pytest.raises(UsageError, match="no Ray cluster: the node timed out during startup")
    with told, cluster.cluster(workers=2):
        pass
    assert given["address"] == "local" and given["num_cpus"] == 2


def test_nobody_else_gets_in() -> None:
    """Ray listens on all addresses; who has no token is refused."""
    import ray

    address = ray.get_runtime_context().gcs_address
    stranger = {name: x for name, x in os.environ.items() if not name.startswith("RAY_AUTH")}
    code = f"import ray; ray.init(address={address!r}, log_to_driver=False)"
    done = subprocess.run([sys.executable, "-c", code], env=stranger, capture_output=True)
    assert done.returncode != 0 and b"uthenticat" in done.stderr


def test_a_job_that_cannot_go_on_says_why(photos: Path, fake_model: Path, tmp_path: Path) -> None:
    """The model of the machines is not the one that the data set is made with."""
    from dataclasses import replace

    from qks_cli.distributed import sources, tagging
    from qks_cli.distributed.cluster import Sizes

    out = tmp_path / "set"
    options = ArchiveOptions(model=str(fake_model), batch=4)
    tag_archive([], str(out), options)
    target = DataSet.open(str(out))
    photos_there = sources.write_list(target, sources.listed([str(photos)], lambda *_: None))
    target = target.keep(replace(target.manifest, photos=photos_there, model_hash="another"))
    with pytest.raises(UsageError, match="is another one"):
        tagging.tag(target, Model.open(str(fake_model)), Sizes(2, 0), 4)


def test_other_words_and_searches_read_no_photo(
    photos: Path, fake_model: Path, tmp_path: Path, qks: Qks, capfd: pytest.CaptureFixture[str]
) -> None:
    (photos / "broken.jpg").write_bytes(b"no photo")
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\nfeline animal | kitty\n")
    options = ArchiveOptions(model=str(fake_model), batch=2, partition_size=2)
    first, other = str(tmp_path / "set"), str(tmp_path / "other")
    assert qks("tag", photos, "-q").returncode == 0
    tag_archive([str(photos)], first, options)
    broken = rows_of(tmp_path / "set")[str(photos / "broken.jpg")].error
    for path in photos.rglob("*.*"):
        path.unlink()

    anew = replace(options, labels=labels, min_score=0.1)
    assert retag_archive(first, other, anew) == 5
    assert qks("retag", "--labels", labels, "--min-score", "0.1", "-q").returncode == 0
    rows = rows_of(tmp_path / "other")
    found = {path: list(row.tags) for path, row in rows.items() if row.error is None}
    assert found == tags_in(Path(os.environ["QKS_DB"]))
    assert rows[str(photos / "broken.jpg")].error == broken
    # It goes on with the partitions that are missing, and takes no other words.
    assert retag_archive(first, other, anew) == 0
    gone = next((tmp_path / "other").glob("photos/partition=1/*.parquet"))
    gone.unlink()
    assert retag_archive(first, other, anew) == 2
    assert rows_of(tmp_path / "other").keys() == rows.keys()
    with pytest.raises(UsageError, match="another labels"):
        retag_archive(first, other, options)

    matches, sure = search_archive(first, "cat", options, limit=3)
    assert sure
    assert matches[0].path == str(photos / "cat.jpg")
    assert [one.score for one in matches] == sorted((x.score for x in matches), reverse=True)
    assert len(matches) == 3
    assert "cat" in [tag.label for tag in matches[0].tags]
    _, sure = search_archive(first, "qwzx vlorp", options)
    assert not sure
