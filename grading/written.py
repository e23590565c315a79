"""What a run has written into the folder of results, so that the next one takes away what is stale.

A page of a notebook that has another name by now, or a gradebook of a class that is not graded
this time, would pass for results of today. Only what the last run wrote goes, and only while it is
as it was: what somebody else put or changed there stays, and so does the table of marks.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as name:
...     folder = Path(name)
...     for page in ("old.html", "new.html", "mine.html"):
...         _ = (folder / page).write_text("")
...     replace(folder, ["old.html"])
...     replace(folder, ["new.html"])
...     sorted(path.name for path in folder.glob("*.html"))
['mine.html', 'new.html']
"""

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from gsutils.files import OutputUnavailable, atomic

LIST = ".written.json"
IGNORE = "# Grades are nobody else's business: git leaves this folder alone.\n*\n"


def begin(folder: Path) -> None:
    """Make a folder of results, which git ignores unless it says otherwise or is a repository."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".gitignore").exists() and not (folder / ".git").exists():
        with atomic(folder / ".gitignore", OutputUnavailable) as part:
            part.write_text(IGNORE, encoding="utf-8")


def add(folder: Path, names: Iterable[str]) -> None:
    """Remember that these files of a folder were written, beside those of before."""
    _remember(folder, {**_last(folder), **_digests(folder, names)})


def replace(folder: Path, names: Iterable[str]) -> None:
    """Remember that these files of a folder were written, and remove others of the last run."""
    now = _digests(folder, names)
    for name, digest in _last(folder).items():
        if name not in now and _digests(folder, [name]) == {name: digest}:
            with suppress(OSError):  # such as a table that Excel has open
                (folder / name).unlink()
    _remember(folder, now)


def _last(folder: Path) -> dict[str, str]:
    """Return the digests of what was written, by names that stay in the folder."""
    try:
        read = json.loads((folder / LIST).read_text(encoding="utf-8"))
    except (OSError, RecursionError, ValueError):
        return {}
    files = read.items() if isinstance(read, dict) else ()
    return {name: str(digest) for name, digest in files if name == Path(name).name}


def _digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of those files that are there."""
    found = {}
    for name in names:
        path = folder / name
        if path.is_file() and not path.is_symlink():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _remember(folder: Path, files: dict[str, str]) -> None:
    with atomic(folder / LIST, OutputUnavailable) as part:
        part.write_text(json.dumps(files, indent=1), encoding="utf-8")
