"""Fetch MNIST (11 MB), verify it, and put it where the book looks for it.

    python data_scripts/fetch_mnist.py                  # download
    python data_scripts/fetch_mnist.py --from DIR       # files at hand, .gz or unpacked
    python data_scripts/fetch_mnist.py --to DIR         # elsewhere; then set GSUTILS_DATA=DIR

Files that are already there are verified and kept.
"""

import sys
from pathlib import Path

from gsutils.data import fetch, script
from gsutils.text import command


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after a message on what went wrong."""
    parser = script.parser(__doc__)
    script.add_timeout(parser)
    options = parser.parse_args(arguments)

    def get() -> Path:
        files = fetch.mnist(source=options.source, root=options.root, timeout=options.timeout)
        return files["train-images"].parent

    return script.run("fetch_mnist", "mnist", options.root, get, options.recheck)


if __name__ == "__main__":
    sys.exit(command(main))
