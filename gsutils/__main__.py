"""The command line: list the experiments, show one, run one, or all that the ledger lacks.

    python -m gsutils list
    python -m gsutils show NAME
    python -m gsutils run NAME [--size quick|paper] [--seeds 0:10] [--device auto]
                               [--cases CASE ...] [--set KEY=VALUE ...]
                               [--jobs N] [--fresh] [--out DIR]
    python -m gsutils run all --size paper [--budget 8m] [--device auto] [--jobs N] [--out DIR]

A run writes one JSON file (see :mod:`gsutils.runs.records`) and prints what it measured beside the
paper's numbers. A run that was stopped goes on where it was when the same command is given again.
Notebooks are graded by ``python -m grading``, which `grade` and its arguments still start.

>>> main(["show", "figure5"])  # doctest: +ELLIPSIS
figure5: Two coupled features: ...
"""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import torch

from gsutils.dual import NotConverged
from gsutils.experiments import ENTRIES, SIZES, Entry
from gsutils.ledger import lacking, verdicts
from gsutils.runs import plan, records, sweep
from gsutils.runs.entry import chosen_size
from gsutils.text import INTERRUPTED, command, say
from gsutils.train import TrainingDiverged

ALL = "all"
SMALLER = "Fewer --jobs, --seeds or smaller settings need less; what has finished is kept."


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["grade"]:
        return _other("grading.command", words[1:])
    options = _parser().parse_args(words)
    try:
        if options.command == "list":
            say(*_overview())
        elif options.command == "show":
            say(*_description(_entry(options.name)))
        elif options.name == ALL:
            _run_all(options)
        else:
            _compare(_run(options))
    except (ImportError, OSError, NotConverged, TrainingDiverged, ValueError) as error:
        say(f"gsutils: {error}", error=True)
        return 1
    except plan.MEMORY as error:
        said = str(error).partition("\n")[0] or type(error).__name__
        say(f"gsutils: the memory did not suffice ({said}). {SMALLER}", error=True)
        return 1
    except KeyboardInterrupt:
        anew = "" if options.name == ALL else "; --fresh starts anew"
        say(
            f"gsutils: stopped. The same command goes on where this one was{anew}. "
            f"What has finished is kept in {sweep.checkpoints()}.",
            error=True,
        )
        return INTERRUPTED
    return 0


def _other(command: str, words: list[str]) -> int:
    """Hand over to the command of a package that this one does not know."""
    status: int = importlib.import_module(command).main(words)
    return status


def _run(options: argparse.Namespace) -> Path:
    """Run an experiment on as many processes as asked for; return the file of its record."""
    entry = _entry(options.name)
    if options.budget:
        raise ValueError("--budget is for `run all`: an experiment runs until it is done")
    arguments = {
        "out": options.out,
        "fresh": options.fresh,
        "size": options.size,
        "seeds": options.seeds,
        "cases": options.cases,
        "device": options.device,
        "settings": dict(options.set),
    }
    with _processes(options.jobs):
        return entry.save(**arguments)


def _run_all(options: argparse.Namespace) -> None:
    """Run what the ledger lacks, and print it at the end, also where the end comes early."""
    if options.seeds is not None or options.cases or options.set or options.fresh:
        raise ValueError("`run all` takes --size, --budget, --device, --jobs and --out alone")
    if chosen_size(options.size) != plan.SIZE:
        raise ValueError("`run all` fills the ledger, which has the published size: --size paper")
    chosen = {name: getattr(options, name) for name in ("budget", "device", "jobs", "out")}
    filled = []
    try:
        with _processes(options.jobs):
            for path in lacking.fill(ENTRIES.values(), **chosen):
                filled.append(path)
    finally:
        for path in filled:
            _compare(path)


def _compare(path: Path) -> None:
    """Print a record beside the paper's numbers, and its file."""
    run = records.read(path)
    say(*verdicts.comparison(_entry(run.experiment), run), path)


@contextmanager
def _processes(jobs: int | None) -> Iterator[None]:
    """Spread jobs over processes, which share the threads; None: as whoever calls has chosen."""
    if jobs is None:
        yield
        return
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() // jobs))
    with joblib.parallel_config(n_jobs=jobs):
        yield


def _parser() -> argparse.ArgumentParser:
    said = (__doc__ or "").split("\n")[0]  # python -OO has none
    parser = argparse.ArgumentParser(prog="python -m gsutils", description=said)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="list the experiments and what is stored of them")
    show = commands.add_parser("show", help="show an experiment's settings and the paper's numbers")
    run = commands.add_parser("run", help="run an experiment and store its result")
    show.add_argument("name", help="one of the names that `list` prints")
    run.add_argument("name", help=f"the same, or `{ALL}` for what the ledger lacks")
    add = run.add_argument
    add("--size", choices=SIZES, help="default: GSUTILS_SIZE, else quick")
    add("--seeds", type=parse_seeds, help="such as 0:10 or 0,3,4; default: the entry's")
    add("--cases", nargs="+", metavar="CASE", help="some of those that `show` prints; default: all")
    add("--device", default="auto", help="auto (default), cpu or cuda")
    add(
        "--set", type=parse_setting, action="append", default=[], metavar="KEY=VALUE",
        help="change a setting, a.b for b within a; VALUE is JSON, or else text",
    )  # fmt: skip
    add("--jobs", type=parse_jobs, metavar="N", help="processes side by side; default: 1")
    add("--budget", type=parse_budget, metavar="TIME", help="of `run all`, such as 90s, 8m, 1h30m")
    add("--fresh", action="store_true", help="do not go on where a stopped run was")
    add("--out", type=Path, help="folder of the result; default: the one that the book reads")
    commands.add_parser("grade", help="the same as python -m grading: grade notebooks")
    return parser


def parse_seeds(text: str) -> list[int]:
    """Read seeds.

    >>> parse_seeds("0:3"), parse_seeds("0,5")
    ([0, 1, 2], [0, 5])
    """
    try:
        if ":" in text:
            start, stop = map(int, text.split(":"))
            return list(range(start, stop))
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"seeds look like 0:10 or 0,3,4, got {text!r}") from None


def parse_setting(text: str) -> tuple[str, Any]:
    """Read KEY=VALUE.

    >>> parse_setting("hidden=[100, 100]"), parse_setting("precision=bfloat16")
    (('hidden', [100, 100]), ('precision', 'bfloat16'))
    """
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"a setting looks like key=value, got {text!r}")
    try:
        return key, json.loads(value)
    except (RecursionError, ValueError):
        return key, value


def parse_jobs(text: str) -> int:
    """Read a number of processes.

    >>> parse_jobs("2")
    2
    """
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"jobs must be an integer >= 1, got {text!r}")
    return int(text)


def parse_budget(text: str) -> float:
    """Read a budget, in seconds: see :func:`gsutils.runs.plan.parse_budget`."""
    try:
        return plan.parse_budget(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _entry(name: str) -> Entry:
    if name not in ENTRIES:
        raise ValueError(f"no experiment is called {name!r}; there are {', '.join(ENTRIES)}")
    return ENTRIES[name]


def _overview() -> list[str]:
    """Return for each entry its name, chapter and title, and what is stored of the paper's size."""
    runs, refused = records.survey()
    lines = []
    for entry in ENTRIES.values():
        lines.append(f"{entry.name:13} {entry.chapter:24} {entry.title}")
        for run in runs:
            if (run.experiment, run.size) == (entry.name, "paper"):
                seeds = f"{len(run.seeds)} seed" + "s" * (len(run.seeds) > 1)
                lines.append(f"{'':13} stored: {seeds}, {run.data['name']}, {run.device}")
    return lines + [f"cannot be read: {name}: {reason}" for name, reason in refused.items()]


def _description(entry: Entry) -> list[str]:
    """Return an entry's settings in both sizes, where they come from, and the paper's numbers."""
    lines = [f"{entry.name}: {entry.title}", f"chapter: {entry.chapter}"]
    lines += [f"selection of hyper-parameters: {entry.selection}"]
    for size, settings in entry.settings.items():
        lines += [f"{size}:", f"  seeds: {', '.join(map(str, settings['seeds']))}"]
        lines += [f"  cases: {', '.join(settings['cases'])}", *_tree(settings["cases"], "  ")]
    for source, cases in entry.by_source().items():
        of = "all cases" if len(cases) == len(entry.cases["paper"]) else ", ".join(cases)
        lines.append(f"settings of the size paper, {of}: {source}")
    for case, numbers in entry.paper.items():
        for metric, number in numbers.items():
            lines.append(f"paper: {case}, {metric}: {number} {number.unit.symbol}")
    return lines


def _tree(settings: Mapping[str, Any], above: str) -> list[str]:
    """Return lines of settings as --set takes them: those within others as a.b = value."""
    lines = []
    for key, value in settings.items():
        nested = isinstance(value, Mapping) and value
        lines += (
            _tree(value, f"{above}{key}.") if nested else [f"{above}{key} = {json.dumps(value)}"]
        )
    return lines


if __name__ == "__main__":
    sys.exit(command(main))
