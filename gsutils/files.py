"""Files in the cache: checked by content, remembered once checked, written atomically.

A folder of data keeps a small `.gsutils.json`: for each file its size, times of change, place on
the disk and SHA-256, so that a file is read again only when it has changed; and, for files unpacked
from a verified archive, the hashes they had then.

A file that is being written has a temporary name that says which process writes it. It is flushed
to the disk before it takes its own; what a killed process left behind is removed by the next one.

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
import platform
import re
import shutil
import time
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
_swept: set[Path] = set()
_HOST = re.sub(r"[^\w-]+", "-", platform.node(), flags=re.ASCII) or "host"
_LEFT = re.compile(r"\..+\.(?P<host>[\w-]+)\.(?P<process>\d+)\.\w+\.tmp", flags=re.ASCII)
DAY = 86_400  # seconds after which nobody writes a file any more


class Unavailable(OSError):
    """Files cannot be written or read; the message says which, why, and what moves them."""

    moved = "name another folder"


class DataUnavailable(Unavailable):
    """Data neither cached nor to be had; the message says where was looked and what to do."""

    moved = "set GSUTILS_DATA to a folder"


class CheckpointsUnavailable(Unavailable):
    """Checkpoints cannot be written or read; the message names the folder and what to do."""

    moved = "set GSUTILS_CHECKPOINTS to a folder"


class OutputUnavailable(Unavailable):
    """A result cannot be written; the message names the folder and what to do."""

    moved = "name with --out a folder"


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
    """The value of `examine(path)`, a hash, computed once while size, times and inode are the same.

    Writing to a file sets the time of its change (ctime), whatever other times are set back to.
    """
    path = path.absolute()
    stat = path.stat()
    stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
    seen = _memory.get(path) or read_note(path.parent).get("seen", {}).get(path.name)
    if isinstance(seen, list) and seen[:-1] == stamp and isinstance(seen[-1], str):
        return seen[-1]
    value = examine(path)
    _memory[path] = [*stamp, value]
    with suppress(OSError):  # a folder that cannot be written costs time, no more
        note = read_note(path.parent)
        note.setdefault("seen", {})[path.name] = _memory[path]
        write_note(path.parent, note)
    return value


def forget(folder: Path) -> None:
    """Read the files of a folder anew when they are next asked for, whatever is remembered."""
    for path in [path for path in _memory if path.parent == folder.absolute()]:
        del _memory[path]
    note = read_note(folder)
    if note.pop("seen", None):
        with suppress(OSError):
            write_note(folder, note)


@contextmanager
def atomic(path: Path, unavailable: type[Unavailable] = DataUnavailable) -> Iterator[Path]:
    """A temporary name beside `path`, which takes its place at the end, or goes on an error.

    What was written is flushed to the disk before: after a power cut there is the file as it was
    or as it was to be, nothing else.
    """
    with explained(path, unavailable):
        sweep(path.parent)
        part = _temporary(path)
        try:
            yield part
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(part, path)
            _flush_folder(path.parent)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def apart(path: Path) -> Iterator[Path]:
    """A new folder beside `path` for temporary files, which goes at the end."""
    sweep(path.parent)
    folder = _temporary(path)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove the temporary files of processes that have ended, once in a process.

    Those of another machine, which may share the folder, go after a day.
    """
    folder = folder.absolute()
    if folder in _swept or not folder.is_dir():
        return
    _swept.add(folder)
    for path in folder.glob(".*.tmp"):
        found = _LEFT.fullmatch(path.name)
        with suppress(OSError):  # another process was faster
            if not found or not _abandoned(path, found["host"], int(found["process"])):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _temporary(path: Path) -> Path:
    """A name beside `path` that nobody has, and that says whose it is."""
    name = f".{path.name[-100:]}.{_HOST}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    return path.with_name(name)


def _abandoned(path: Path, host: str, process: int) -> bool:
    """Whether nobody writes a temporary file any more."""
    if host != _HOST:
        return time.time() - path.lstat().st_mtime > DAY
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is somebody else's
        return False
    return False


def _flush_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


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
        with apart(folder) as temporary:
            new = temporary / folder.name
            new.mkdir()
            yield new
            if folder.exists():
                folder.rename(temporary / "old")
            new.rename(folder)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Only one process at a time writes below `root`; the folder is made where it is missing."""
    with explained(root):
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / LOCK):
            yield


@contextmanager
def explained(path: Path, unavailable: type[Unavailable] = DataUnavailable) -> Iterator[None]:
    """Turn an operating system's error into a message that names the file and the way out.

    Args:
        path: what is written or read.
        unavailable: the error that is raised, which knows what moves the folder.
    """
    try:
        yield
    except (Unavailable, *DAMAGED_GZIP):
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
            f"{todo}, or {unavailable.moved} {which}."
        ) from error
