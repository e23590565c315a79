"""The command ``python -m grading``: what it takes and what it prints.

    python -m grading NOTEBOOK ... [--assignment FILE] [--out DIR] [--roster FILE] [--marks FILE]
                      [--key FILE] [--title TITLE] [--seconds S] [--memory GIB] [--jobs N]
                      [--engine auto|bubblewrap|docker|podman | --trust]

>>> _parser().parse_args(["ada.ipynb", "--seconds", "2"]).seconds
2.0
"""

import argparse
import importlib
import itertools
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from grading import engines, report, results, submissions, values, written
from grading.limits import Limits
from grading.records import Report
from grading.results import Brought
from gsutils.files import OutputUnavailable
from gsutils.text import INTERRUPTED, say

USAGE = 2  # the exit status where nothing was graded, as argparse has it
SETS = Path("_build/course/problem-sets")  # where `make course` writes them


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    try:
        return run(_parser().parse_args(arguments))
    except OutputUnavailable as error:  # a full disk, for example
        say(f"grading: {error}", error=True)
        return 1
    except (OSError, ValueError, engines.NoEngine) as error:
        say(f"grading: {error}", error=True)
        return USAGE


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

    What a teacher gave is looked at first, before PyTorch is there to run it with: a mistake costs
    no time, and nothing is written.

    Raises:
        ValueError: an option has a value that it cannot have, a file is not there or has mistakes,
            or a folder holds no notebook.
        NoEngine: there is nothing to keep the students' code in.
    """
    limits = Limits(options.seconds, options.memory)
    if options.jobs is not None and options.jobs < 1:
        raise ValueError(f"jobs must be >= 1, got {options.jobs}")
    if missing := [path for path in options.notebooks if not os.path.exists(path)]:
        raise ValueError("\n".join(f"{path}: there is no such file or folder" for path in missing))
    if options.assignment and not options.assignment.is_file():
        raise ValueError(f"the assignment {options.assignment}: there is no such file")
    given = results.read(
        options.out, options.roster, options.marks, options.key, options.title
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="grading-") as scratch:
        found = submissions.find(options.notebooks, Path(scratch), options.out)
        if options.assignment is None:
            _refuse_a_courses(found)
        return _run(options, found, given, limits)


def _cores() -> int:
    """Return how many cores this process may use."""
    cores: int = importlib.import_module("joblib").cpu_count()
    return cores


def _refuse_a_courses(found: submissions.Submissions) -> None:
    """Refuse a course's problem sets without the notebook that says what is due and its points.

    Raises:
        ValueError: a notebook belongs to a course.
    """
    for name, path in found.notebooks:
        if title := submissions.title(path):
            same = (known for known in sorted(SETS.glob("*.ipynb")) if _is_called(known, title))
            handed_out = next(same, SETS / "NAME.ipynb")
            raise ValueError(
                f"{values.plain(name, 200)} belongs to the problem set “{values.plain(title, 200)}”"
                f", which alone says what was due and its points: add --assignment {handed_out}"
            )


def _is_called(path: Path, title: str) -> bool:
    return submissions.title(path) == title


def _run(
    options: argparse.Namespace,
    found: submissions.Submissions,
    given: Brought,
    limits: Limits,
) -> int:
    """Grade what was found."""
    from grading import sandbox  # PyTorch comes with it

    engine = engines.Trust() if options.trust else sandbox.choose(options.engine)
    if options.trust:
        say("Trusted: time and memory are limited where the system can, and nothing else is.")
    jobs = options.jobs or _cores()
    names = [name for name, _ in [*found.notebooks, *found.left_out]]
    reports: dict[int, Report] = {}
    stems, started = report.stems(names), time.monotonic()
    try:
        for place, graded in _graded(found, engine, options.assignment, limits, jobs):
            graded = results.named(graded, given.roster)
            reports[place] = graded
            shown = results.so_far(graded, given, names)
            if graded.problem is None:  # else it may stand in place of a page from a better day
                written.begin(options.out)
                report.write(shown, options.out, stems[place])
            say(f"[{len(reports)}/{len(names)}] {report.line(shown)}")
    except KeyboardInterrupt:
        pages = [report.files(stems[i]) for i, r in reports.items() if r.problem is None]
        if pages:
            written.add(options.out, itertools.chain(*pages))
        say(f"grading: stopped. What was graded is in {options.out}.", error=True)
        return INTERRUPTED
    graded_ = sum(graded.problem is None for graded in reports.values())
    took = time.monotonic() - started
    said = f"{graded_} of {len(names)} graded in {took:.0f} s"
    if not graded_:
        say(f"{said}: nothing is written, and what stands in {options.out} stays as it is")
        return 1
    places = sorted(reports)
    try:
        finished = results.finish(
            [stems[i] for i in places], [reports[i] for i in places], given, options.out
        )
    except ValueError as error:  # after hours of grading this is no usage
        say(f"grading: {error}", error=True)
        return 1
    for note in finished.notes:
        say(f"! {values.plain(note, 300)}")
    say(f"{said}: {options.out / 'index.html'}", *finished.marking)
    return 0 if graded_ == len(names) else 1


def _graded(
    found: submissions.Submissions,
    engine: engines.Engine,
    assignment: Path | None,
    limits: Limits,
    jobs: int,
) -> Iterator[tuple[int, Report]]:
    """Yield the reports of notebooks, and after them of what was left out."""
    from grading import grader  # PyTorch comes with it

    yield from grader.grade_all(found.notebooks, engine, assignment, limits, jobs)
    for place, (name, reason) in enumerate(found.left_out, len(found.notebooks)):
        yield place, Report(values.plain(name, 200), problem=values.plain(reason))
