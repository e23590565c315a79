"""Verify CelebA's files, which you download yourself, and lay them out for the book.

    python data_scripts/prepare_celeba.py --from DIR [--to DIR]

DIR holds img_align_celeba.zip, list_attr_celeba.txt and list_eval_partition.txt, unchanged, from
https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html. CelebA is for non-commercial research: by
downloading it you agree to its terms. That is why no script here does it for you.

Written are the images and index.npz: of each image its name, label, group and split.
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
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="DIR",
        required=True,
        help="folder with the three files",
    )
    parser.add_argument(
        "--to",
        dest="root",
        type=Path,
        metavar="DIR",
        default=fetch.data_dir(),
        help="folder of all data sets (default: GSUTILS_DATA or the cache, here %(default)s)",
    )
    parser.add_argument(
        "--unverified",
        action="store_true",
        help="accept files of the official format with other hashes and sizes, for example a "
        'small excerpt; the result is named "CelebA (unverified)"',
    )
    options = parser.parse_args(arguments)
    try:
        folder = fetch.prepare_celeba(
            options.source, root=options.root, verified=not options.unverified
        )
        print(f"{fetch.source_name('celeba', root=options.root)}: {folder}")
    except (fetch.CorruptData, fetch.DataUnavailable) as error:
        print(f"prepare_celeba: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
