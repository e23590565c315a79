"""The command: see `tools.colab`."""

import argparse
import sys
from pathlib import Path

from tools.colab import HOME, ROOT, linked, pinned, place_notebooks, published, report


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Do what the options say; the exit status is 0 when all is as it should be."""
    options = argparse.ArgumentParser(prog="python -m tools.colab")
    what = options.add_mutually_exclusive_group()
    what.add_argument("--pinned", action="store_true", help="Colab's published versions")
    what.add_argument("--report", action="store_true", help="check the notebooks that have run")
    what.add_argument("--refresh", action="store_true", help="read the published versions anew")
    options.add_argument("--borrow-torch", action="store_true", help="pinned: with this PyTorch")
    options.add_argument("--commit", default="main", help="refresh: of the published files")
    options.add_argument("--from", dest="folder", type=Path, help="refresh: where these files lie")
    chosen = options.parse_args(arguments)
    try:
        if chosen.report:
            problems = report.report(root / HOME / "run")
            print(*problems, sep="\n", file=sys.stderr, end="\n" * bool(problems))
            return 1 if problems else 0
        if chosen.refresh:
            published.refresh(root, chosen.commit, chosen.folder)
            return 0
        if chosen.pinned:
            print(pinned.describe(root, pinned.environment(root, chosen.borrow_torch)))
        else:
            linked.environment(root)
    except (OSError, RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(place_notebooks(root).relative_to(root))
    return 0


if __name__ == "__main__":
    sys.exit(main())
