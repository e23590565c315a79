"""The command line: `python -m tools.notebooks`."""

import argparse
import sys
from pathlib import Path

from gsutils.text import command, say
from tools.notebooks import ROOT, differing, make


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Write the notebooks, or check them; the exit status is 0 when they are as they should be."""
    options = argparse.ArgumentParser(prog="python -m tools.notebooks")
    options.add_argument("--check", action="store_true", help="write nothing; report differences")
    check = options.parse_args(arguments).check
    try:
        if check:
            for path in (found := differing(root)):
                say(f"{path.relative_to(root)} differs from its source", error=True)
            if found:
                say("Run `make notebooks` and commit the result.", error=True)
            return 1 if found else 0
        for path, text in make(root).items():
            path.write_text(text, encoding="utf-8")
            say(path.relative_to(root))
    except (OSError, ValueError) as error:
        say(error, error=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(command(main))
