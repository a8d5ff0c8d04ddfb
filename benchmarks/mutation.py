"""Mutation testing: small faults are put into a module, one at a time; some test should fail.

    python benchmarks/mutation.py                      # every pair of PAIRS, 40 faults of each
    python benchmarks/mutation.py evaluation/figures --faults 200
    python benchmarks/mutation.py --named              # faults that once went through every test

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
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FAMILIES = "bundling/test_families.py::"
READ = [
    FAMILIES + "test_class_token_and_patches_go_through_norm_and_projection",
    FAMILIES + "test_a_head_reads_all_tokens_of_every_family",
]
HEAD = "training/test_head.py::"
LOOP = [
    "training/test_run.py",
    HEAD + "test_a_killed_and_resumed_run_ends_with_the_same_weights",
    HEAD + "test_training_learns_and_the_best_epoch_is_kept",
    HEAD + "test_early_stopping_and_the_plateau",
    HEAD + "test_what_is_kept_out_is_not_trained_on",
    HEAD + "test_a_loss_that_is_no_number",
    HEAD + "test_an_unfrozen_backbone_learns",
    HEAD + "test_photos_that_cannot_be_read_are_left_out",
    "training/test_own_loop.py",
]
# The tests that are closest to a module come first: the first that fails ends the run.
PAIRS = {
    "evaluation/measures": ["evaluation/test_measures.py", "evaluation/test_figures.py"],
    "evaluation/figures": ["evaluation/test_figures.py", "evaluation/test_measures.py"],
    "evaluation/sparc": ["evaluation/test_training_free.py"],
    "model/cutoffs": ["model/test_cutoffs.py"],
    "network/decoder": ["network/test_decoders.py", "network/test_model.py"],
    "network/head": ["network/test_sources.py", *READ],
    "network/model": ["network/test_sources.py", "network/test_model.py"],
    "network/text": ["network/test_sources.py", "network/test_model.py"],
    "network/towers": [*READ, FAMILIES + "test_a_family_gives_what_open_clip_gives"],
    "network/zero_shot": ["network/test_sources.py", *READ],
    "training/losses": ["training/test_losses.py"],
    "training/run": ["training/test_run.py"],
    "training/checkpoints": ["training/test_checkpoints.py"],
    "training/tokens": [
        HEAD + "test_tokens_are_kept_once_and_their_size_is_told",
        HEAD + "test_photos_that_cannot_be_read_are_left_out",
    ],
    "training/head/config": ["training/test_run.py", HEAD + "test_heads_that_there_are_not"],
    "training/head/data": LOOP,
    "training/head/loop": LOOP,
    "training/datasets/labelled": ["training/test_bad_data.py", "training/test_datasets.py"],
    "training/datasets/nuswide": ["training/test_bad_data.py", "training/test_datasets.py"],
    "keywords/difference": ["keywords"],
    "keywords/embed": ["keywords"],
    "keywords/files": ["keywords"],
    "keywords/names": ["keywords/test_names.py", "keywords", "workflows/test_writing.py"],
    "keywords/reading": ["keywords", "workflows/test_importing.py"],
    "keywords/sidecar": ["keywords"],
    "keywords/xmp": ["keywords"],
    "keywords/formats/iptc": ["keywords"],
    "keywords/formats/jpeg": ["keywords"],
    "keywords/formats/png": ["keywords"],
    "keywords/formats/tiff": ["keywords"],
    "keywords/formats/webp": ["keywords"],
}


class Fault(NamedTuple):
    """A line of a module changed into another."""

    module: str
    right: str
    wrong: str
    tests: str


# Faults that once went through every test.
NAMED = {
    "ViT tokens without the final norm": Fault(
        "network/backbone",
        "visual.ln_post(visual.transformer(visual._embeds(pixels_B3HW)))",
        "visual.transformer(visual._embeds(pixels_B3HW))",
        FAMILIES + "test_class_token_and_patches_go_through_norm_and_projection",
    ),
    "norms before instead of after": Fault(
        "network/decoder",
        "DecoderLayer(config, pre_norm=False)",
        "DecoderLayer(config, pre_norm=True)",
        "network",
    ),
    "query tokens of deviation 1": Fault(
        "network/decoder",
        "nn.init.normal_(self.queries, std=0.02)",
        "nn.init.normal_(self.queries, std=1.0)",
        "network",
    ),
    "a head trained on texts of unit length": Fault(
        "bundling/headed",
        "tower.normalize = False",
        "tower.normalize = True",
        "bundling/test_headed.py",
    ),
    "no weight decay": Fault(
        "training/head/loop",
        "weight_decay=config.weight_decay",
        "weight_decay=0.0",
        "training/test_run.py",
    ),
    "a plateau that waits for less": Fault(
        "training/head/loop",
        'self.optimiser, "max"',
        'self.optimiser, "min"',
        "training/test_run.py",
    ),
    "binary cross-entropy over all entries": Fault(
        "training/losses",
        "return Loss(binary, lambda known: float(known.sum()))",
        "return Loss(binary, lambda known: float(known.numel()))",
        "training/test_losses.py",
    ),
    "unknown labels counted in binary cross-entropy": Fault(
        "training/losses",
        "present_BC, known_BC, reduction",
        "present_BC, reduction",
        "training/test_losses.py",
    ),
    "standardised without the deviation": Fault(
        "evaluation/compare",
        "centred / np.maximum(centred.std(1, keepdims=True), 1e-6)",
        "centred",
        "evaluation",
    ),
    "fusion without the class token": Fault(
        "evaluation/compare", "np.asarray(own + image, np.float32)", "own", "evaluation"
    ),
    "labels made singular in evaluation": Fault(
        "evaluation/vectors",
        "model.label_vectors([Label(name) for name in names], as_written=True)",
        "model.label_vectors([Label(name) for name in names])",
        "evaluation",
    ),
    "unseen labels of NUS-WIDE from users' tags": Fault(
        "training/datasets/nuswide",
        "yield Row(file, true + tuple(tag for tag in own if tag not in hidden))",
        "yield Row(file, own)",
        "training/test_bad_data.py",
    ),
    "one dropout of the query tokens for all photos": Fault(
        "network/decoder",
        "h_BMD = self.drop(normed_BMD)",
        "h_BMD = self.drop(normed_BMD[:1]).expand_as(normed_BMD)",
        "training/test_run.py",
    ),
    "labels made singular in training": Fault(
        "bundling/headed", "as_written=True", "as_written=False", "bundling/test_headed.py"
    ),
    "mean and deviation lost by a pull": Fault(
        "bundling/pull",
        'mean=tuple(settings["mean"]),',
        "",
        FAMILIES + "test_preprocessing_is_the_models_own",
    ),
    "squashing lost by a pull": Fault(
        "bundling/pull",
        '"squash": "squash"',
        '"squash": "crop"',
        FAMILIES + "test_preprocessing_is_the_models_own",
    ),
    "quick GELU lost by a pull": Fault(
        "bundling/pull",
        'bool(config.get("quick_gelu") or tag.get("quick_gelu"))',
        'bool(config.get("quick_gelu"))',
        FAMILIES + "test_quick_gelu_is_that_of_the_tag",
    ),
    "letters not composed before they are cut": Fault(
        "bundling/tokenizing",
        '[normalizers.NFC(), normalizers.Replace(Regex(r"\\s+"), " "), normalizers.Lowercase()]',
        '[normalizers.Replace(Regex(r"\\s+"), " "), normalizers.Lowercase()]',
        "bundling/test_pull.py",
    ),
    "colour profiles left out": Fault(
        "photos/decode", "small = to_srgb(small, profile)", "", "photos/test_profiles.py"
    ),
    "bytes of a photo not brought to the disk": Fault(
        "keywords/files",
        "        os.fsync(handle)\n        os.lseek",
        "        os.lseek",
        "keywords",
    ),
    "a folder's entry not brought to the disk": Fault(
        "keywords/files",
        "            os.fsync(handle)\n        finally",
        "            pass\n        finally",
        "keywords",
    ),
    "CSV without quotation marks": Fault(
        "cli/output",
        "csv.writer(text).writerows(rows)",
        'text.writelines(",".join(map(str, row)) + "\\r\\n" for row in rows)',
        "cli/test_output.py",
    ),
}
# "int | None" is changed as if it were a sum; nothing runs annotations.
IN_ANNOTATIONS = "core/ReplaceBinaryOperator_BitOr_%"
CONFIG = """
[cosmic-ray]
module-path = "qks_cli/{module}.py"
timeout = 600.0
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
    parser.add_argument("--named", action="store_true", help="the faults of NAMED instead")
    asked = parser.parse_args()
    if asked.named:
        named()
        return
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
            # A run that took too long says nothing on a busy machine.
            late = result is not None and result.get("output") == "timeout"
            if result is None or (result.get("test_outcome") != "survived" and not late):
                noticed += result is not None
                continue
            fault = job["mutations"][0]
            place = f"line {fault['start_pos'][0]}, {fault['operator_name'].removeprefix('core/')}"
            said = "took too long: " if late else ""
            missed.append(f"{place}: {said}{_changed(result.get('diff') or '')}")
        return noticed, missed


def named() -> None:
    """Which faults of ``NAMED`` some test notices; stops where one is no longer a fault to make."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "checkout"
        _copy(work)
        for what, fault in NAMED.items():
            path = work / "qks_cli" / f"{fault.module}.py"
            whole = path.read_text(encoding="utf-8")
            if whole.count(fault.right) != 1:
                raise SystemExit(f"{path} has no such line once: {fault.right}")
            path.write_text(whole.replace(fault.right, fault.wrong), encoding="utf-8")
            command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
            done = subprocess.run(
                [*command, f"tests/{fault.tests}"], cwd=work, capture_output=True,
                env={**os.environ, "PYTHONPATH": str(work)},
            )  # fmt: skip
            path.write_text(whole, encoding="utf-8")
            said = {0: "NOT NOTICED", 1: "noticed"}.get(done.returncode, "the tests did not run")
            print(f"{what}: {said}", flush=True)


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
