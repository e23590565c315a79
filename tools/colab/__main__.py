"""The command: see `tools.colab`."""

import argparse
import sys
from pathlib import Path

from gsutils.text import command, say
from tools.colab import (
    HOME,
    ROOT,
    RUNTIME,
    build_wheel,
    linked,
    place_notebooks,
    report,
    write_kernel,
)


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Do what the options say; the exit status is 0 when all is as it should be."""
    options = argparse.ArgumentParser(prog="python -m tools.colab")
    what = options.add_mutually_exclusive_group()
    what.add_argument("--runtime", action="store_true", help="this Python is Colab's")
    what.add_argument("--report", action="store_true", help="check the notebooks that have run")
    chosen = options.parse_args(arguments)
    try:
        if chosen.report:
            problems = report.report(root / HOME / "run")
            say(*problems, error=True)
            return 1 if problems else 0
        wheel = build_wheel(root, root / HOME / "wheel") if chosen.runtime else None
        if chosen.runtime:
            write_kernel(root, "gs-colab-runtime", Path(sys.executable), RUNTIME)
        else:
            linked.environment(root)
        run = place_notebooks(root, wheel)
    except (OSError, RuntimeError, ValueError) as error:
        say(error, error=True)
        return 1
    say(run.relative_to(root))
    return 0


if __name__ == "__main__":
    sys.exit(command(main))
