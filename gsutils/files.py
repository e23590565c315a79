"""Files in the cache: checked by content, remembered once checked, written atomically.

A folder of data keeps a small `.gsutils.json`: for each file its size, time of change and SHA-256,
so that a file is read again only when it has changed; and, for files unpacked from a verified
archive, the hashes they had then.

>>> import pathlib, tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     with atomic(pathlib.Path(folder, "a")) as part:
...         _ = part.write_bytes(b"abc")
...     content_sha256(pathlib.Path(folder, "a"))[:8]
'ba7816bf'
"""

import errno
import gzip
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from filelock import FileLock

NOTE = ".gsutils.json"
LOCK = ".gsutils.lock"
DAMAGED_GZIP = (EOFError, gzip.BadGzipFile, zlib.error)

_memory: dict[Path, list[Any]] = {}  # for folders that cannot be written


class DataUnavailable(OSError):
    """Data neither cached nor to be had; the message says where was looked and what to do."""

    variable = "GSUTILS_DATA"  # which moves the folder


class CheckpointsUnavailable(OSError):
    """Checkpoints cannot be written or read; the message names the folder and what to do."""

    variable = "GSUTILS_CHECKPOINTS"


Unavailable = type[DataUnavailable] | type[CheckpointsUnavailable]


class CorruptData(ValueError):
    """A file is there but is not what it should be; the message says what to do."""


def open_unpacked(path: Path) -> BufferedIOBase:
    """Open a file for reading; gzip is unpacked, known by its first bytes and not by its name."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")


def content_sha256(path: Path) -> str:
    """The SHA-256 of a file's content, unpacked where it is gzip.

    Raises:
        CorruptData: the gzip file is truncated or damaged.
    """
    try:
        with open_unpacked(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except DAMAGED_GZIP as error:
        raise CorruptData(f"{path} is a truncated or damaged gzip file ({error}).") from error


def sha256(path: Path) -> str:
    """The SHA-256 of a file as it lies there."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(path: Path) -> str:
    """What a wrong file looks like, for a message: its size, and whether it is a web page."""
    with path.open("rb") as file:
        head = file.read(512)
    kind = " and looks like a web page (an error or login page)" if is_web_page(head) else ""
    return f"has {path.stat().st_size:,} bytes{kind}"


def is_web_page(head: bytes) -> bool:
    """Whether the first bytes of a file are those of an HTML or XML page."""
    return head.lstrip()[:1] == b"<"


def read_note(folder: Path) -> dict[str, Any]:
    """The `.gsutils.json` of a folder; empty where there is none, or none that can be read."""
    with suppress(OSError, ValueError):
        note = json.loads((folder / NOTE).read_text("utf-8"))
        if isinstance(note, dict) and all(isinstance(part, dict) for part in note.values()):
            return note
    return {}


def write_note(folder: Path, note: dict[str, Any]) -> None:
    """Replace the `.gsutils.json` of a folder."""
    with atomic(folder / NOTE) as part:
        part.write_text(json.dumps(note, indent=1), "utf-8")


def remembered(path: Path, examine: Callable[[Path], str]) -> str:
    """The value of `examine(path)`, a hash, computed once for each size and time of change."""
    path = path.absolute()
    stat = path.stat()
    stamp = [stat.st_size, stat.st_mtime_ns]
    seen = _memory.get(path) or read_note(path.parent).get("seen", {}).get(path.name)
    if isinstance(seen, list) and len(seen) == 3 and seen[:2] == stamp:
        return str(seen[2])
    value = examine(path)
    _memory[path] = [*stamp, value]
    with suppress(OSError):  # a folder that cannot be written costs time, no more
        note = read_note(path.parent)
        note.setdefault("seen", {})[path.name] = _memory[path]
        write_note(path.parent, note)
    return value


@contextmanager
def atomic(path: Path, unavailable: Unavailable = DataUnavailable) -> Iterator[Path]:
    """A temporary name beside `path`, which takes its place at the end, or goes on an error."""
    with explained(path, unavailable):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        os.close(handle)
        part = Path(name)
        part.unlink()  # its mode would be 0600; the writer makes it anew with the usual one
        try:
            yield part
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def staged(folder: Path, remains: set[str]) -> Iterator[Path]:
    """A new folder beside `folder`, which takes its place once it is complete.

    Args:
        folder: the final name.
        remains: names of files that may go if `folder` exists already.

    Raises:
        CorruptData: `folder` exists and holds something else.
    """
    with explained(folder):
        there = {path.name for path in folder.iterdir()} if folder.exists() else set()
        if there - remains:
            raise CorruptData(
                f"{folder} already holds {', '.join(sorted(there - remains)[:5])}, which is not "
                "what belongs there. Nothing was changed; move the folder away and try again."
            )
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
            new = Path(temporary, folder.name)
            new.mkdir()
            yield new
            if folder.exists():
                folder.rename(Path(temporary, "old"))
            new.rename(folder)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Only one process at a time writes below `root`; the folder is made where it is missing."""
    with explained(root):
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / LOCK):
            yield


@contextmanager
def explained(path: Path, unavailable: Unavailable = DataUnavailable) -> Iterator[None]:
    """Turn an operating system's error into a message that names the file and the way out.

    Args:
        path: what is written or read.
        unavailable: the error that is raised, whose variable moves the folder.
    """
    try:
        yield
    except (DataUnavailable, CheckpointsUnavailable, *DAMAGED_GZIP):
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            todo, which = "Free some space", "on a disk with room"
        else:
            todo, which = "Make it readable and writable", "that is"
        where = f" (at {error.filename})" if error.filename not in (None, str(path)) else ""
        reason = error.strerror or error
        raise unavailable(
            f"Could not put {path} in place: {reason}{where}. "
            f"{todo}, or set {unavailable.variable} to a folder {which}."
        ) from error
