"""Grading a class, against plain processes that run the same answers and their checks.

    python -m benchmarks.grading [--notebooks 8] [--jobs 2]

Each notebook has three exercises of chapter 1: one takes tensors, so its process loads PyTorch.
Ours reads each notebook in a process that is shut off, runs each answer in another, and its check
in a third place, the grader. Plain is what isolation cannot do without: for each exercise a fresh
Python that imports what it needs, runs the answer and its check in the same process, and nothing
is kept from anything. Both are timed in turns, so many side by side.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from grading.grader import grade_all
from grading.sandbox import choose

CLASS = 120
IMPORTS = "import numpy as np\nimport torch\nfrom gsutils import checks"
ANSWERS = {
    "linear_margin": "(w, b, X, y):\n    return (y * (X @ w + b)).min() / np.linalg.norm(w)",
    "sd_objective": "(logits, y, lam):\n    return torch.nn.functional.softplus(-y * logits)"
    ".mean() + lam / 2 * (logits**2).mean()",
    "flip_share": "(distances, eps):\n    return (distances <= eps).mean()",
}
CODE = {name: f"def {name}{code}\n\n\nchecks.{name}({name})" for name, code in ANSWERS.items()}


def write(path: Path) -> Path:
    """Write a notebook with right answers."""
    sources = [IMPORTS, *CODE.values()]
    cells = [{"cell_type": "code", "source": code, "metadata": {}} for code in sources]
    path.write_text(json.dumps({"nbformat": 4, "cells": cells}), encoding="utf-8")
    return path


def ours(paths: list[Path], jobs: int) -> float:
    """Return the seconds in which notebooks are graded."""
    engine, started = choose(), time.perf_counter()
    found = [(path.name, path) for path in paths]
    for _, report in grade_all(found, engine, jobs=jobs):
        passed = [mark.exercise for mark in report.marks if mark.status == "passed"]
        assert len(passed) == len(CODE), report
    return time.perf_counter() - started


def plain(count: int, jobs: int) -> float:
    """Return the seconds in which plain processes run the answers of so many notebooks."""
    started = time.perf_counter()
    programs = [
        [sys.executable, "-c", f"{IMPORTS}\n{code}"] for code in CODE.values() for _ in range(count)
    ]
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda words: subprocess.run(words, check=True), programs))
    return time.perf_counter() - started


def main() -> None:
    """Time both in turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notebooks", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    spent = {"ours": 0.0, "plain": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        paths = [write(Path(folder, f"{i}.ipynb")) for i in range(options.notebooks)]
        half = len(paths) // 2
        for part in (paths[:half], paths[half:]):
            spent["plain"] += plain(len(part), options.jobs)
            spent["ours"] += ours(part, options.jobs)
    for name, seconds in spent.items():
        one = seconds / options.notebooks
        print(f"{name:6} {one:6.2f} s a notebook; {CLASS} of them in {CLASS * one:5.0f} s")
    print(f"plain / ours: {spent['plain'] / spent['ours']:.2f}")


if __name__ == "__main__":
    main()
