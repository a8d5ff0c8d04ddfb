"""Mutation testing: small faults are put into a module, one at a time; some test should fail.

    python benchmarks/mutation.py                      # every pair of PAIRS, 40 faults of each
    python benchmarks/mutation.py evaluation/figures --faults 200

cosmic-ray (pip install cosmic-ray) makes the faults. It writes them into files, so it works on a
copy of the checkout. Each fault costs a run of the module's tests: minutes for a small module.
Prints how many faults the tests noticed, and the ones that they did not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAIRS = {
    "evaluation/measures": ["evaluation/test_measures.py", "evaluation/test_figures.py"],
    "evaluation/figures": ["evaluation/test_figures.py", "evaluation/test_measures.py"],
    "evaluation/sparc": ["evaluation/test_training_free.py"],
    "model/cutoffs": ["model/test_cutoffs.py"],
    "network/decoder": ["network/test_model.py", "training/test_run.py"],
    "network/towers": ["bundling/test_families.py"],
    "training/losses": ["training/test_losses.py"],
    "training/run": ["training/test_run.py"],
    "training/datasets/labelled": ["training/test_bad_data.py", "training/test_datasets.py"],
    "training/datasets/nuswide": ["training/test_bad_data.py", "training/test_datasets.py"],
    "keywords/sidecar": ["keywords"],
}
# "int | None" is changed as if it were a sum; nothing runs annotations.
IN_ANNOTATIONS = "core/ReplaceBinaryOperator_BitOr_%"
CONFIG = """
[cosmic-ray]
module-path = "qks_cli/{module}.py"
timeout = 300.0
excluded-modules = []
test-command = "{python} -m pytest -q -x -p no:cacheprovider {tests}"
[cosmic-ray.distributor]
name = "local"
"""


def main() -> None:
    """Run the modules that were named, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("modules", nargs="*", help=f"of {', '.join(PAIRS)}")
    parser.add_argument("--faults", type=int, default=40, help="of a module at most, drawn")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    for module in asked.modules or PAIRS:
        noticed, missed = mutate(module, PAIRS[module], asked.faults, asked.seed)
        print(f"{module}: {noticed} of {noticed + len(missed)} faults noticed", flush=True)
        for fault in missed:
            print(f"    {fault}", flush=True)


def mutate(module: str, tests: list[str], faults: int, seed: int) -> tuple[int, list[str]]:
    """How many faults the tests noticed, and those that they did not, as lines of text."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "checkout"
        _copy(work)
        command = " ".join(f"tests/{test}" for test in tests)
        config = CONFIG.format(module=module, python=sys.executable, tests=command)
        (work / "faults.toml").write_text(config, encoding="utf-8")
        _run(work, "init", "faults.toml", "faults.sqlite")
        _thin(work / "faults.sqlite", faults, seed)
        _run(work, "exec", "faults.toml", "faults.sqlite")
        noticed, missed = 0, []
        for line in _run(work, "dump", "faults.sqlite").splitlines():
            job, result = json.loads(line)
            if result is None or result.get("test_outcome") != "survived":
                noticed += result is not None
                continue
            fault = job["mutations"][0]
            place = f"line {fault['start_pos'][0]}, {fault['operator_name'].removeprefix('core/')}"
            missed.append(f"{place}: {_changed(result.get('diff') or '')}")
        return noticed, missed


def _copy(work: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().splitlines():
        if (ROOT / name).is_file():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, work / name)


def _run(work: Path, *arguments: str) -> str:
    """cosmic-ray in the copy, whose package is the one that is imported."""
    done = subprocess.run(
        [sys.executable, "-m", "cosmic_ray.cli", *arguments],
        cwd=work,
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(work)},
    )
    return done.stdout.decode()


def _thin(session: Path, faults: int, seed: int) -> None:
    """Keep some of the faults, drawn by ``seed``."""
    with sqlite3.connect(session) as connection:
        query = "SELECT job_id FROM mutation_specs WHERE operator_name NOT LIKE ? ORDER BY rowid"
        jobs = [row[0] for row in connection.execute(query, (IN_ANNOTATIONS,))]
        every = [row[0] for row in connection.execute("SELECT job_id FROM work_items")]
        random.Random(seed).shuffle(jobs)
        for job in set(every) - set(jobs[:faults]):
            connection.execute("DELETE FROM mutation_specs WHERE job_id = ?", (job,))
            connection.execute("DELETE FROM work_items WHERE job_id = ?", (job,))


def _changed(diff: str) -> str:
    """The changed line, before and after."""
    lines = [line[1:].strip() for line in diff.splitlines() if line[:1] in "+-"]
    own = [line for line in lines if line and not line.startswith(("--", "++"))]
    return " → ".join(own)


if __name__ == "__main__":
    main()
