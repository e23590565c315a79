"""Fetch CIFAR-10 or CIFAR-100 (the binary versions, 160 MiB each), verify and unpack.

    python data_scripts/fetch_cifar.py                        # CIFAR-10; --name cifar100
    python data_scripts/fetch_cifar.py --from DIR             # the archive or its files at hand
    python data_scripts/fetch_cifar.py --to DIR               # elsewhere; then GSUTILS_DATA=DIR

A download that was cut off goes on where it stopped. Files that are already there are checked and
kept. Files that do not come from the official archive are named after the line in SOURCE.txt beside
them, or else "CIFAR-10 (unverified)"; titles and results carry that name.
"""

import sys
from pathlib import Path

from gsutils.data import fetch, registry, script
from gsutils.text import command


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after a message on what went wrong."""
    parser = script.parser(__doc__)
    parser.add_argument("--name", choices=list(registry.CIFAR), default="cifar10")
    script.add_timeout(parser)
    options = parser.parse_args(arguments)

    def get() -> Path:
        return fetch.cifar(
            options.name, source=options.source, root=options.root, timeout=options.timeout
        )

    return script.run("fetch_cifar", options.name, options.root, get, options.recheck)


if __name__ == "__main__":
    sys.exit(command(main))
