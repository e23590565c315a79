"""The command ``python -m grading``: what it takes and what it prints.

    python -m grading NOTEBOOK ... [--assignment FILE] [--out DIR] [--roster FILE] [--marks FILE]
                      [--key FILE] [--title TITLE] [--seconds S] [--memory GIB] [--jobs N]
                      [--engine auto|bubblewrap|docker|podman | --trust]

>>> _parser().parse_args(["ada.ipynb", "--seconds", "2"]).seconds
2.0
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from joblib import cpu_count

from grading import engines, grader, report, results, sandbox, submissions, values
from grading.records import Report
from grading.sandbox import Limits
from gsutils.text import INTERRUPTED, say


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    try:
        return run(_parser().parse_args(arguments))
    except (OSError, ValueError, engines.NoEngine) as error:
        say(f"grading: {error}", error=True)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m grading", description="Grade notebooks.")
    add = parser.add_argument
    add(
        "notebooks",
        nargs="+",
        type=Path,
        metavar="NOTEBOOK",
        help="a notebook, or a folder or archive of them",
    )
    add("--assignment", type=Path, metavar="FILE", help="the notebook that was handed out")
    add("--out", type=Path, default=Path("grades"), help="folder of the results; default: grades")
    add("--roster", type=Path, metavar="FILE", help="the class, as CSV: name, ID, address")
    add("--marks", type=Path, metavar="FILE", help="marks by hand; default: marks.csv in --out")
    add("--key", type=Path, metavar="FILE", help="the answer key, shown beside answers in words")
    add("--title", default="", help="what gradebooks call it; default: the notebook's title")
    add(
        "--seconds", type=float, default=Limits.seconds,
        help="computing time of one exercise; default: 5",
    )  # fmt: skip
    add(
        "--memory", type=float, default=Limits.memory,
        help="memory of one exercise in GiB; default: 1",
    )  # fmt: skip
    add("--jobs", type=int, metavar="N", help="notebooks side by side; default: one for each core")
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument(
        "--engine", choices=["auto", *engines.ENGINES], default="auto",
        help="what keeps the students' code to itself; default: the first that is installed",
    )  # fmt: skip
    kept.add_argument(
        "--trust", action="store_true",
        help="run the students' code as your own: limit its time and memory, and no more",
    )  # fmt: skip
    return parser


def run(options: argparse.Namespace) -> int:
    """Grade; return 0 if all notebooks could be graded, else 1.

    Raises:
        ValueError: an option has a value that it cannot have, or a folder holds no notebook.
        NoEngine: there is nothing to keep the students' code in.
    """
    limits = Limits(options.seconds, options.memory)
    jobs = options.jobs if options.jobs is not None else cpu_count()
    if jobs < 1:
        raise ValueError(f"jobs must be >= 1, got {jobs}")
    with tempfile.TemporaryDirectory(prefix="grading-") as scratch:
        found = submissions.find(options.notebooks, Path(scratch), options.out)
        return _run(options, found, limits, jobs)


def _run(
    options: argparse.Namespace, found: submissions.Submissions, limits: Limits, jobs: int
) -> int:
    """Grade what was found."""
    given = results.read(
        options.out, options.roster, options.marks, options.key, options.title
    )  # fmt: skip
    engine = engines.Trust() if options.trust else sandbox.choose(options.engine)
    if options.trust:
        say("Trusted: time and memory are limited where the system can, and nothing else is.")
    names = [name for name, _ in [*found.notebooks, *found.left_out]]
    options.out.mkdir(parents=True, exist_ok=True)
    reports: dict[int, Report] = {}
    stems, started = report.stems(names), time.monotonic()
    try:
        for place, graded in _graded(found, engine, options.assignment, limits, jobs):
            graded = results.named(graded, given.roster)
            reports[place] = graded
            report.write(graded, options.out, stems[place])
            say(f"[{len(reports)}/{len(names)}] {report.line(graded)}")
    except KeyboardInterrupt:
        say(f"grading: stopped. What was graded is in {options.out}.", error=True)
        return INTERRUPTED
    places = sorted(reports)
    notes = results.finish(
        [stems[i] for i in places], [reports[i] for i in places], given, options.out
    )
    for note in notes:
        say(f"! {values.plain(note, 300)}")
    graded_ = sum(graded.problem is None for graded in reports.values())
    took = time.monotonic() - started
    say(f"{graded_} of {len(names)} graded in {took:.0f} s: {options.out / 'index.html'}")
    return 0 if graded_ == len(names) else 1


def _graded(
    found: submissions.Submissions,
    engine: engines.Engine,
    assignment: Path | None,
    limits: Limits,
    jobs: int,
) -> Iterator[tuple[int, Report]]:
    """Yield the reports of notebooks, and after them of what was left out."""
    yield from grader.grade_all(found.notebooks, engine, assignment, limits, jobs)
    for place, (name, reason) in enumerate(found.left_out, len(found.notebooks)):
        yield place, Report(values.plain(name, 200), problem=values.plain(reason))
