"""Write the MNIST digits that come with the package, from the verified files (600 kB).

    python data_scripts/embed_mnist.py                  # from the cache, or downloaded
    python data_scripts/embed_mnist.py --from DIR       # from files at hand, .gz or unpacked

Equal files give equal images and labels; compressed bytes may differ from one zlib to another.
"""

import sys
from pathlib import Path

from gsutils.data import mnist, script
from gsutils.text import command

EMBEDDED = mnist.EMBEDDED_FILE


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after a message on what went wrong."""
    parser = script.parser(__doc__)
    script.add_timeout(parser)
    options = parser.parse_args(arguments)

    def get() -> Path:
        mnist.embed(
            mnist.mnist_train(source=options.source, root=options.root, timeout=options.timeout),
            EMBEDDED,
        )
        return EMBEDDED

    return script.run("embed_mnist", "mnist", options.root, get, options.recheck)


if __name__ == "__main__":
    sys.exit(command(main))
