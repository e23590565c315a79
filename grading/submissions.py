"""What was handed in: the notebooks in folders and archives, and what else may be meant as one.

Nothing is passed over without a word but what belongs to no student: other files beside a
notebook, and the hidden ones of systems and editors. What cannot be graded is left out by name.
"""

import json
import lzma
import mmap
import os
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from grading import values

NOTEBOOK = ".ipynb"
ZIPS = (".zip",)
TARS = (".tar", ".tar.bz2", ".tar.gz", ".tar.xz", ".tbz2", ".tgz", ".txz")
OTHERS = (".7z", ".bz2", ".gz", ".rar", ".xz", ".zst")
# What is handed in instead of a notebook, where each file is a student's.
DOCUMENTS = (".doc", ".docx", ".htm", ".html", ".odt", ".pdf", ".py", ".qmd", ".rmd", ".rtf")
FOREIGN = (".#", "._", ".~", "__MACOSX")  # of editors and systems
MOST = 2000  # files in an archive
LARGEST = 200 * 2**20  # bytes of all that is looked at in one
NO_NOTEBOOK = f"it is no file whose name ends in {NOTEBOOK}"
HIDDEN = "its name begins with a dot: rename it"
UNPACK = "it is an archive: unpack it"
# A key of a notebook's JSON: within a text of it these quotes would be escaped.
_COURSE = re.compile(rb'"gs"\s*:\s*(?=\{)')
ABOUT = 20_000  # bytes of what a notebook says of its course
BROKEN = (
    *(EOFError, NotImplementedError, OSError, RuntimeError, ValueError),
    *(lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, zlib.error),
)


@dataclass(frozen=True)
class Submissions:
    """What was found.

    Attributes:
        notebooks: (name, file) of each.
        left_out: (name, reason) of what cannot be graded.
    """

    notebooks: list[tuple[str, Path]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def __len__(self) -> int:
        """How much was found."""
        return len(self.notebooks) + len(self.left_out)


def find(paths: Sequence[Path], scratch: Path, results: Path | None = None) -> Submissions:
    """Return what was handed in.

    Args:
        paths: notebooks, archives, and folders of them; what is in a folder is named from there.
        scratch: an empty folder, for what comes out of archives.
        results: a folder that is passed over.

    Raises:
        ValueError: a folder holds nothing.
    """
    found = Submissions()
    for path in paths:
        before = len(found)
        if path.is_dir():
            _look_into(path, found, scratch, results and results.resolve())
        elif path.is_file() and path.name.lower().endswith((*ZIPS, *TARS)):
            _unpack(str(path), path, found, scratch)
        else:
            found.notebooks.append((str(path), path))
        if len(found) == before:
            raise ValueError(f"{path} holds no file that ends in {NOTEBOOK}")
    return found


def title(path: Path) -> str:
    """Return the title that a course's problem set has in its metadata, "" where there is none.

    The file is searched and not read: its content is a student's, and may be too large to parse.
    """
    with suppress(OSError, ValueError, RecursionError):
        if not path.is_file():
            return ""
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            for key in _COURSE.finditer(content):
                text = content[key.end() : key.end() + ABOUT].decode("utf-8", "ignore")
                with suppress(ValueError, RecursionError):
                    said = json.JSONDecoder().raw_decode(text)[0].get("title")
                    if isinstance(said, str) and said:
                        return said
    return ""


def _look_into(top: Path, found: Submissions, scratch: Path, results: Path | None) -> None:
    """Find what is in a folder."""
    for folder, inner, files in _folders(top, found, results):
        if not files and not inner and folder != top:
            name = f"{folder.relative_to(top).as_posix()}/"
            found.left_out.append((name, "it is a folder without a notebook"))
        beside = any(name.lower().endswith(NOTEBOOK) for name in files)
        for file in files:
            path, lower = folder / file, file.lower()
            name = path.relative_to(top).as_posix()
            if path.is_symlink() and _leaves(path, top) and _leaves(path, folder):
                if lower.endswith(NOTEBOOK) or not beside:
                    found.left_out.append((name, "it is a link that leads out of the folder"))
            elif file.startswith("."):
                if NOTEBOOK in lower:
                    found.left_out.append((name, HIDDEN))
            elif lower.endswith(NOTEBOOK):
                found.notebooks.append((name, path))
            elif lower.endswith((*ZIPS, *TARS)) and path.is_file():
                _unpack(name, path, found, scratch)
            elif lower.endswith(OTHERS):
                found.left_out.append((name, UNPACK))
            elif (
                not beside
                or NOTEBOOK in lower
                or (folder == top and lower.endswith(DOCUMENTS))
                or _holds_a_notebook(path)
            ):
                found.left_out.append((name, NO_NOTEBOOK))


def _folders(
    top: Path, found: Submissions, results: Path | None
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield the folders below a path, through links of its own too but each once."""
    seen: set[str] = set()

    def unreadable(error: OSError) -> None:
        name = os.path.relpath(str(error.filename), top)
        found.left_out.append((name, f"it cannot be read ({error.strerror})"))

    for folder, inner, files in os.walk(top, followlinks=True, onerror=unreadable):
        here, real = Path(folder), os.path.realpath(folder)
        if real in seen or Path(real) == results:
            inner.clear()
            continue
        seen.add(real)
        for name in list(inner):
            path = here / name
            leaves = here != top and path.is_symlink() and _leaves(path, top)
            if leaves:
                what = f"{path.relative_to(top).as_posix()}/"
                found.left_out.append((what, "it is a link that leads out of the folder"))
            if leaves or name.startswith((".", *FOREIGN)):
                inner.remove(name)
        inner.sort()
        yield here, inner, sorted(name for name in files if not name.startswith(FOREIGN))


def _leaves(path: Path, top: Path) -> bool:
    """Whether a link leads out of a folder, to what students must not have graded."""
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(top))


def _holds_a_notebook(path: Path) -> bool:
    """Whether a file of another name holds a notebook."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(4096)
            file.seek(max(0, path.stat().st_size - 4096))
            return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{" and b'"nbformat"' in (
                head + file.read()
            )
    except OSError:
        return False


def _unpack(name: str, path: Path, found: Submissions, scratch: Path) -> None:
    """Find what is in an archive: nothing of it but notebooks is unpacked, under other names."""
    before = len(found)
    try:
        for inside, size, source in _members(path):
            parts = PurePosixPath(inside.replace("\\", "/")).parts
            lower = inside.lower()
            above = [part for part in parts[:-1] if part.strip(".")]
            if any(part.startswith((".", *FOREIGN)) for part in above) or not parts:
                continue
            if parts[-1].startswith("."):
                if NOTEBOOK in lower and not parts[-1].startswith(FOREIGN):
                    found.left_out.append((f"{name}/{inside}", HIDDEN))
            elif lower.endswith(NOTEBOOK):
                target = scratch / f"{len(found)}{NOTEBOOK}"
                with source() as stream, target.open("wb") as file:
                    shutil.copyfileobj(stream, file)
                if target.stat().st_size != size:
                    raise ValueError(f"{inside} is incomplete")
                found.notebooks.append((f"{name}/{inside}", target))
            elif NOTEBOOK in lower:
                found.left_out.append((f"{name}/{inside}", NO_NOTEBOOK))
            elif lower.endswith((*ZIPS, *TARS, *OTHERS)):
                found.left_out.append((f"{name}/{inside}", UNPACK))
    except BROKEN as error:
        reason = values.plain(error) or type(error).__name__
        found.left_out.append((name, f"it is an archive that cannot be unpacked: {reason}"))
    if len(found) == before:
        found.left_out.append((name, "it is an archive without a notebook"))


def _members(path: Path) -> Iterator[tuple[str, int, Callable[[], IO[bytes]]]]:
    """Yield name, size and opener of each file in an archive.

    Raises:
        ValueError: it holds more than is looked at.
    """
    left = LARGEST
    with ExitStack() as stack:
        if path.name.lower().endswith(ZIPS):
            packed = stack.enter_context(zipfile.ZipFile(path))
            entries = (
                (info.filename, info.file_size, partial(packed.open, info))
                for info in packed.infolist()
                if not info.is_dir()
            )
        else:
            tape = stack.enter_context(tarfile.open(path))
            entries = (
                (info.name, info.size, partial(_opened, tape, info))
                for info in tape
                if info.isreg()
            )
        for count, (name, size, source) in enumerate(entries):
            if path.name.lower().endswith(TARS) or name.lower().endswith(NOTEBOOK):
                left -= size  # of a tape all is read that comes before a notebook
            if left < 0 or count >= MOST:
                raise ValueError(f"it holds more than {MOST} files or {LARGEST >> 20} MiB")
            yield name, size, source


def _opened(tape: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    source = tape.extractfile(info)
    assert source is not None  # as for every regular file
    return source
