"""Query decoders on a frozen model: variants, seeds, ablations, each trained and evaluated by the
`qks` command, as one table of means and deviations over seeds.

ROOT is a ``jsonl`` data set with ``train.jsonl``, ``test.jsonl``, ``vocabulary.txt`` and
``unseen.txt``. Finished runs in OUT are not made again.

    python benchmarks/heads.py --root ROOT --out OUT
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

COMMON = "--batch 128 --epochs 12 --rate 1e-3 --threads 1".split()
QKS = "--head compact --queries 8 --layers 2".split()
# More of a kind may be given: the last one counts.
VARIANTS: dict[str, tuple[list[str], int]] = {
    "QKS head, 8 queries, 2 layers, asl": (QKS, 3),
    "linear probe, one token": ("--head linear --queries 1 --layers 1".split(), 3),
    "QKS head, ranking loss": ([*QKS, "--loss", "rank"], 3),
    "QKS head, one prompt": ([*QKS, "--prompts", "one"], 3),
    "QKS head, binary cross-entropy": ([*QKS, "--loss", "bce"], 1),
    "1 query": ([*QKS, "--queries", "1"], 1),
    "4 queries": ([*QKS, "--queries", "4"], 1),
    "16 queries": ([*QKS, "--queries", "16"], 1),
    "1 layer": ([*QKS, "--layers", "1"], 1),
    "4 layers": ([*QKS, "--layers", "4"], 1),
    "reference decoder, 2 layers": ([*QKS, "--head", "reference"], 1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="the data set")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs")
    parser.add_argument("--model", default="mini")
    given = parser.parse_args()
    for seed in (1, 2, 3):
        for name, (options, seeds) in VARIANTS.items():
            if seed <= seeds:
                one_run(given, name, options, seed)
    table(given)


def one_run(given: argparse.Namespace, name: str, options: list[str], seed: int) -> None:
    folder = given.out / f"{name.replace(' ', '-').replace(',', '')}-{seed}"
    result = folder / "eval.jsonl"
    if result.is_file():
        return
    data = ["--dataset", "jsonl", "--root", str(given.root)]
    train = ["train", *data, "--model", given.model, "--out", str(folder)]
    qks([*train, *COMMON, *options, "--seed", str(seed), "--tokens", str(given.out / "tokens")])
    said = qks(["eval", *data, "--model", str(folder / "model"), "--bootstrap", "0"])
    result.write_text(said, encoding="utf-8")
    print(name, seed, "done", file=sys.stderr, flush=True)


def qks(arguments: list[str]) -> str:
    command = [sys.executable, "-m", "qks_cli", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def table(given: argparse.Namespace) -> None:
    columns = ("SEEN map", "ZSL map", "GZSL map", "SEEN f1@3", "ZSL f1@3")
    print("| variant | seeds | " + " | ".join(columns) + " |")
    print("| --- " * (len(columns) + 2) + "|")
    baselines: dict[str, dict[str, float]] = {}
    for name in VARIANTS:
        runs = sorted(
            given.out.glob(f"{name.replace(' ', '-').replace(',', '')}-[0-9]*/eval.jsonl")
        )
        found: list[dict[str, float]] = []
        for run in runs:
            rows = [json.loads(line) for line in run.read_text(encoding="utf-8").splitlines()]
            by = {(row["method"], row["subset"]): row for row in rows}
            found.append({c: by["QKS", c.split()[0]][c.split()[1]] for c in columns})
            for method in ("QKS + z", "QKS + class token"):
                key = f"{name}: {method}"
                if name == next(iter(VARIANTS)):
                    own = {c: by[method, c.split()[0]][c.split()[1]] for c in columns}
                    baselines.setdefault(key, own)
            for method in ("class token", "class token + z", "patch max", "patch softmax"):
                own = {c: by[method, c.split()[0]][c.split()[1]] for c in columns}
                baselines.setdefault(f"no head: {method}", own)
        if found:
            print(line(name, found, columns))
    for name, row in baselines.items():
        print(line(name, [row], columns))


def line(name: str, found: list[dict[str, float]], columns: tuple[str, ...]) -> str:
    cells = []
    for column in columns:
        values = np.array([one[column] for one in found])
        spread = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
        cells.append(f"{values.mean():.3f}{spread}")
    return f"| {name} | {len(found)} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
