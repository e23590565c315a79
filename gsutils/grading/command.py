"""The command ``python -m gsutils grade``: what it takes and what it prints.

>>> parser = argparse.ArgumentParser()
>>> add_arguments(parser)
>>> parser.parse_args(["ada.ipynb", "--seconds", "2"]).seconds
2.0
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from joblib import cpu_count

from gsutils.grading import grader, report
from gsutils.grading.sandbox import Limits

INTERRUPTED = 130  # what a shell expects of a program stopped by Ctrl-C


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    add = parser.add_argument
    add(
        "notebooks",
        nargs="+",
        type=Path,
        metavar="NOTEBOOK",
        help="a notebook, or a folder of them",
    )
    add("--assignment", type=Path, metavar="FILE", help="the notebook that was handed out")
    add("--out", type=Path, default=Path("grades"), help="folder of the results; default: grades")
    add(
        "--seconds",
        type=float,
        default=Limits.seconds,
        help="computing time of one exercise; default: 5",
    )
    add(
        "--memory",
        type=float,
        default=Limits.memory,
        help="memory of one exercise in GiB; default: 1",
    )
    add("--jobs", type=int, metavar="N", help="notebooks side by side; default: one for each core")


def run(options: argparse.Namespace) -> int:
    """Grade; return 0 if all notebooks could be graded, else 1.

    Raises:
        ValueError: an option has a value that it cannot have, or a folder holds no notebook.
    """
    limits = Limits(options.seconds, options.memory)
    jobs = options.jobs if options.jobs is not None else cpu_count()
    if jobs < 1:
        raise ValueError(f"jobs must be >= 1, got {jobs}")
    found = submissions(options.notebooks)
    names = [name for name, _ in found]
    options.out.mkdir(parents=True, exist_ok=True)
    reports: dict[int, report.Report] = {}
    stems, started = report.stems(names), time.monotonic()
    try:
        for place, graded in grader.grade_all(found, options.assignment, limits, jobs):
            reports[place] = graded
            report.write(graded, options.out, stems[place])
            _say(f"[{len(reports)}/{len(found)}] {report.line(graded)}")
    except KeyboardInterrupt:
        print(f"gsutils: stopped. What was graded is in {options.out}.", file=sys.stderr)
        return INTERRUPTED
    report.write_overview([(stems[i], reports[i]) for i in sorted(reports)], options.out)
    graded_ = sum(graded.problem is None for graded in reports.values())
    took = time.monotonic() - started
    _say(f"{graded_} of {len(found)} graded in {took:.0f} s: {options.out / 'index.html'}")
    return 0 if graded_ == len(found) else 1


def _say(line: str) -> None:
    """Print a line, on a terminal that lacks some of its letters too."""
    encoding = sys.stdout.encoding or "utf-8"
    print(line.encode(encoding, "replace").decode(encoding), flush=True)


def submissions(paths: Sequence[Path]) -> list[tuple[str, Path]]:
    """Return notebooks with their names; those of a folder are named from there.

    Raises:
        ValueError: a folder holds no notebook.
    """
    found = []
    for path in paths:
        if not path.is_dir():
            found.append((str(path), path))
            continue
        within = [(inner.relative_to(path), inner) for inner in sorted(path.rglob("*.ipynb"))]
        usual = [
            (name.as_posix(), inner)
            for name, inner in within
            if not any(part.startswith(".") for part in name.parts)  # .ipynb_checkpoints
        ]
        if not usual:
            raise ValueError(f"{path} holds no file that ends in .ipynb")
        found += usual
    return found
