"""Fetch CIFAR-10 or CIFAR-100 (the binary versions, 160 MiB each), verify and unpack.

    python data_scripts/fetch_cifar.py                        # CIFAR-10; --name cifar100
    python data_scripts/fetch_cifar.py --from DIR             # the archive or its files at hand
    python data_scripts/fetch_cifar.py --to DIR               # elsewhere; then GSUTILS_DATA=DIR

A download that was cut off goes on where it stopped. Files that are already there are checked and
kept. Files that do not come from the official archive are named after the line in SOURCE.txt beside
them, or else "CIFAR-10 (unverified)"; titles and results carry that name.
"""

import argparse
import sys
from pathlib import Path

from gsutils import fetch, registry


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after a message on what went wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--name", choices=list(registry.CIFAR), default="cifar10")
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
        help="how long the server may take to answer (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        folder = fetch.cifar(
            options.name, source=options.source, root=options.root, timeout=options.timeout
        )
        print(f"{fetch.source_name(options.name, root=options.root)}: {folder}")
    except (fetch.CorruptData, fetch.DataUnavailable) as error:
        print(f"fetch_cifar: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("fetch_cifar: interrupted; run it again to go on.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
