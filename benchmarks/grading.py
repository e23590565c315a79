"""Grading a class, against plain processes that import what the answers need and no more.

    python -m benchmarks.grading [--notebooks 8] [--jobs 2]

Each notebook has three exercises of chapter 1: one takes tensors, so its process loads PyTorch.
Ours reads a notebook in a process of its own, runs each answer in another, and its check in the
grader. Plain is what no isolation can do without: for each exercise a fresh Python that imports
what its answer needs, and ends. Both in turns, by the clock and as time of the processors, which
other work on the machine hardly changes. For the second ours runs without an engine: those of the
system do not tell what their processes took.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from grading.engines import Engine, Trust
from grading.grader import grade_all
from grading.sandbox import choose

CLASS = 120
NEEDS = {"linear_margin": "numpy", "sd_objective": "torch", "flip_share": "numpy"}
IMPORTS = "import numpy as np\nimport torch\nfrom gsutils import checks"
ANSWERS = {
    "linear_margin": "(w, b, X, y):\n    return (y * (X @ w + b)).min() / np.linalg.norm(w)",
    "sd_objective": "(logits, y, lam):\n    return torch.nn.functional.softplus(-y * logits)"
    ".mean() + lam / 2 * (logits**2).mean()",
    "flip_share": "(distances, eps):\n    return (distances <= eps).mean()",
}


def write(path: Path) -> Path:
    """Write a notebook with right answers."""
    codes = [f"def {name}{code}\n\n\nchecks.{name}({name})" for name, code in ANSWERS.items()]
    cells = [{"cell_type": "code", "source": c, "metadata": {}} for c in [IMPORTS, *codes]]
    path.write_text(json.dumps({"nbformat": 4, "cells": cells}), encoding="utf-8")
    return path


def ours(paths: list[Path], jobs: int, engine: Engine) -> None:
    """Grade notebooks."""
    found = [(path.name, path) for path in paths]
    for _, report in grade_all(found, engine, jobs=jobs):
        passed = [mark.exercise for mark in report.marks if mark.status == "passed"]
        assert len(passed) == len(ANSWERS), report


def plain(count: int, jobs: int) -> None:
    """Import what the answers of so many notebooks need."""
    programs = [[sys.executable, "-c", f"import {m}"] for m in NEEDS.values()] * count
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda words: subprocess.run(words, check=True), programs))


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Return what work takes: seconds by the clock, and of the processors in its processes."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, spent


def main() -> None:
    """Time both in turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notebooks", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    count, jobs = options.notebooks, options.jobs
    with tempfile.TemporaryDirectory() as folder:
        paths = [write(Path(folder, f"{i}.ipynb")) for i in range(count)]
        engine = choose()
        plain(1, jobs)  # what is read from the disk is in memory from now on
        clock, _ = timed(lambda: ours(paths, jobs, engine))
        plain_clock, plain_work = timed(lambda: plain(count, jobs))
        _, work = timed(lambda: ours(paths, jobs, Trust()))
    for what, mine, theirs in (("clock", clock, plain_clock), ("processors", work, plain_work)):
        print(
            f"{what:11}{mine / count:6.2f} s a notebook, {CLASS} in {CLASS * mine / count:.0f} s; "
            f"plain {theirs / count:.2f} s; plain / ours {theirs / mine:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
