"""What the scripts in `data_scripts` share: their arguments, and what they say in the end.

>>> parser("Fetch it.").parse_args(["--from", "downloads"]).source.name
'downloads'
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from gsutils import guards
from gsutils.data import fetch
from gsutils.text import say


def parser(doc: str | None, **source: object) -> argparse.ArgumentParser:
    """Return a parser with the options ``--from`` and ``--to``.

    Args:
        doc: the script's docstring.
        source: changes of ``--from``, as for ``add_argument``.
    """
    result = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    said = {"metavar": "DIR", "help": "copy from DIR"} | source
    result.add_argument("--from", dest="source", type=Path, **said)  # type: ignore[arg-type]
    result.add_argument(
        "--to",
        dest="root",
        type=Path,
        metavar="DIR",
        default=fetch.data_dir(),
        help="folder of all data sets (default: GSUTILS_DATA or the cache, here %(default)s)",
    )
    result.add_argument(
        "--recheck", action="store_true", help="read files again that were found right before"
    )
    return result


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--timeout`` of scripts that ask a server."""
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        default=30.0,
        help="how long a server may take to answer (default: %(default)s)",
    )


def _seconds(text: str) -> float:
    try:
        return guards.number("seconds", float(text), above=0.0)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a finite number of seconds > 0, got {text!r}"
        ) from None


def run(script: str, name: str, root: Path, get: Callable[[], Path], recheck: bool = False) -> int:
    """Get a data set and say where it is; return 0, or 1 after a message on what went wrong.

    Args:
        script: name of the script, before its messages.
        name: of the data set, as `fetch` knows it.
        root: folder of all data sets.
        get: gets it, and returns its folder.
        recheck: forget what was found of its files before.
    """
    try:
        if recheck:
            fetch.recheck(name, root=root)
        folder = get()
        say(f"{fetch.source_name(name, root=root)}: {folder}")
    except (fetch.CorruptData, fetch.DataUnavailable) as error:
        say(f"{script}: {error}", error=True)
        return 1
    except KeyboardInterrupt:
        say(f"{script}: interrupted; run it again to go on.", error=True)
        return 1
    return 0
