"""The sites of a course: each is built from an edition's sources, where these have changed.

Sources are kept in the course's folder with what Sphinx has read of them, so that next time only
pages that have changed are read again: one more solution, one page.
"""

import contextlib
import hashlib
import io
import shutil
import warnings
from pathlib import Path

import yaml

from tools import book

KEPT = ".editions"  # in a course's folder


class BuildError(RuntimeError):
    """A site could not be built; the message says why."""


def write(editions: list[Path], out: Path, build: Path) -> None:
    """Build the editions that have changed into the course's folder.

    Args:
        editions: the folders of their sources.
        out: the course's folder.
        build: the folder of the built book, whose cache has the executed cells.

    Raises:
        BuildError: Sphinx gave a warning or an error.
    """
    marks = {edition: _digest(edition, build) for edition in editions}
    built = [e for e, mark in marks.items() if not _is_made(out, e.name, mark)]
    for edition in built:
        _sphinx(edition, out / KEPT / edition.name, build)
    for edition in built:
        shutil.rmtree(out / edition.name, ignore_errors=True)
        shutil.move(out / KEPT / edition.name / "_build" / "html", out / edition.name)
        (out / f".{edition.name}").write_text(marks[edition], encoding="utf-8")


def _digest(edition: Path, build: Path) -> str:
    """Return a digest of all that a site is made from."""
    made = hashlib.sha256((build / book.STAMP.name).read_bytes())
    for name, path in _files(edition).items():
        made.update(name.encode() + path.read_bytes())
    return made.hexdigest()


def _is_made(out: Path, name: str, mark: str) -> bool:
    """Whether a site is there, made from what a digest marks."""
    file = out / f".{name}"
    return (out / name).is_dir() and file.is_file() and file.read_text(encoding="utf-8") == mark


def _sphinx(edition: Path, kept: Path, build: Path) -> None:
    """Build the site of an edition in the folder `kept`, with cells from the book's cache."""
    _follow(edition, kept)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sphinx-external-toc asks every object for its class
        good = book.sphinx(kept, kept / "_build", build / ".jupyter_cache", _beside(kept))
    if not good:
        raise BuildError(f"the {edition.name} edition was not built: see the warnings above")


def _follow(edition: Path, kept: Path) -> None:
    """Make the sources in `kept` those of an edition; what is alike keeps its time."""
    wanted, there = _files(edition), _files(kept)
    for name in there.keys() - wanted.keys():
        there[name].unlink()
    for name, path in wanted.items():
        if name not in there or path.read_bytes() != there[name].read_bytes():
            (kept / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, kept / name)


def _files(folder: Path) -> dict[str, Path]:
    """The files of an edition by name, without what was built of them."""
    found = {path.relative_to(folder): path for path in sorted(folder.rglob("*"))}
    made = {"_build", "__pycache__"}
    return {n.as_posix(): p for n, p in found.items() if p.is_file() and not made & {*n.parts}}


def _beside(kept: Path) -> str:
    """A digest of all that an edition's pages are made from beside their sources."""
    made = hashlib.sha256(book.inputs_digest(pages=False).encode())
    for name, path in _files(kept).items():
        if name == "_config.yml":
            config = yaml.safe_load(path.read_text(encoding="utf-8"))
            del config["html"]["extra_footer"]  # written anew on every page
            made.update(repr(config).encode())
        elif path.suffix not in book.PAGES:
            made.update(name.encode() + path.read_bytes())
    return made.hexdigest()
