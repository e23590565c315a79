"""The command line: list the experiments, show one, run one.

    python -m gsutils list
    python -m gsutils show NAME
    python -m gsutils run NAME [--size quick|paper] [--seeds 0:10] [--device auto]
                               [--set key=value ...] [--out DIR]

A run writes one JSON file (see :mod:`gsutils.results`) and prints its summary.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from gsutils import results
from gsutils.experiments import ENTRIES, SIZES, Entry
from gsutils.train import TrainingDiverged


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "list":
            for entry in ENTRIES.values():
                print(f"{entry.name:14} {entry.title}")
        elif options.command == "show":
            print(_description(_entry(options.name)))
        else:
            entry = _entry(options.name)
            run = entry.record(options.size, options.seeds, options.device, dict(options.set))
            print(_summary(entry, run))
            print(results.save(run, options.out))
    except (ValueError, OSError, TrainingDiverged) as error:
        print(f"gsutils: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gsutils", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="list the experiments")
    show = commands.add_parser("show", help="show an experiment's settings and the paper's numbers")
    run = commands.add_parser("run", help="run an experiment and store its result")
    for command in (show, run):
        command.add_argument("name", help="one of the names that `list` prints")
    run.add_argument("--size", choices=SIZES, help="default: GSUTILS_SIZE, else quick")
    run.add_argument(
        "--seeds", type=parse_seeds, help="such as 0:10 or 0,3,4; default: the entry's"
    )
    run.add_argument("--device", default="auto", help="auto (default), cpu or cuda")
    run.add_argument(
        "--set", type=parse_setting, action="append", default=[], metavar="KEY=VALUE",
        help="change a setting; VALUE is JSON, or else text",
    )  # fmt: skip
    run.add_argument("--out", type=Path, help="folder of the result; default: the shipped results")
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
    except json.JSONDecodeError:
        return key, value


def _entry(name: str) -> Entry:
    if name not in ENTRIES:
        raise ValueError(f"no experiment is called {name!r}; there are {', '.join(ENTRIES)}")
    return ENTRIES[name]


def _description(entry: Entry) -> str:
    lines = [entry.title, f"chapter: {entry.chapter}", f"selection: {entry.selection}"]
    for size, settings in entry.settings.items():
        lines += [f"{size}:", *(f"  {key} = {json.dumps(v)}" for key, v in settings.items())]
    for case, numbers in entry.paper.items():
        for metric, (mean, std) in numbers.items():
            lines.append(f"paper: {case}, {metric}: {mean}" + (f" ± {std}" if std else ""))
    return "\n".join(lines)


def _summary(entry: Entry, run: results.Run) -> str:
    lines = [f"{'case':20} {'metric':26} {'ours':>17} {'paper':>17}"]
    for case, metrics in run.metrics.items():
        for metric in metrics:
            mean, std = run.summary(case, metric)
            paper = entry.paper.get(case, {}).get(metric)
            theirs = f"{paper[0]:.3f} ± {paper[1]:.3f}" if paper and paper[1] is not None else ""
            ours = f"{mean:.3f} ± {std:.3f}" if len(run.seeds) > 1 else f"{mean:.3f}"
            lines.append(f"{case:20} {metric:26} {ours:>17} {theirs:>17}")
    return "\n".join([*lines, f"{run.data['name']}; {run.device}; {run.wall_time_s} s"])


if __name__ == "__main__":
    sys.exit(main())
