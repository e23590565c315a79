"""Verify CelebA's files, which you download yourself, and lay them out for the book.

    python data_scripts/prepare_celeba.py --from DIR [--to DIR]

DIR holds img_align_celeba.zip, list_attr_celeba.txt and list_eval_partition.txt, unchanged, from
https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html. CelebA is for non-commercial research: by
downloading it you agree to its terms. That is why no script here does it for you.

Written are the images and index.npz: of each image its name, label, group and split.
"""

import sys
from pathlib import Path

from gsutils.data import fetch, script
from gsutils.text import command


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after a message on what went wrong."""
    parser = script.parser(__doc__, required=True, help="folder with the three files")
    parser.add_argument(
        "--unverified",
        action="store_true",
        help="accept files of the official format with other hashes and sizes, for example a "
        'small excerpt; the result is named "CelebA (unverified)"',
    )
    options = parser.parse_args(arguments)

    def get() -> Path:
        return fetch.prepare_celeba(
            options.source, root=options.root, verified=not options.unverified
        )

    return script.run("prepare_celeba", "celeba", options.root, get, options.recheck)


if __name__ == "__main__":
    sys.exit(command(main))
