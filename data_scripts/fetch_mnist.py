"""Fetch MNIST (11 MB), verify it, and put it where the book looks for it.

    python data_scripts/fetch_mnist.py                  # download
    python data_scripts/fetch_mnist.py --from DIR       # files at hand, .gz or unpacked
    python data_scripts/fetch_mnist.py --to DIR         # elsewhere; then set GSUTILS_DATA=DIR

Files that are already there are verified and kept.
"""

import argparse
import sys
from pathlib import Path

from gsutils import fetch


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after a message on what went wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--from", dest="source", type=Path, metavar="DIR", help="copy from DIR")
    parser.add_argument(
        "--to",
        dest="root",
        type=Path,
        metavar="DIR",
        default=fetch.data_dir(),
        help="folder of all data sets (default: GSUTILS_DATA or the cache, here %(default)s)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        default=30.0,
        help="how long a server may take to answer (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        files = fetch.mnist(source=options.source, root=options.root, timeout=options.timeout)
    except (fetch.CorruptData, fetch.DataUnavailable) as error:
        print(f"fetch_mnist: {error}", file=sys.stderr)
        return 1
    print(f"{fetch.source_name('mnist', root=options.root)}: {files['train-images'].parent}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
