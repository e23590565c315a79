"""Build the book: execute every chapter, write the HTML, say where it is and what it took.

    python -m tools.book

It does what `jupyter-book build . -W --keep-going` does, through the same function, with three
differences. Nothing happens when no input has changed since the last build that succeeded.
All pages are written afresh, so that no old one stays behind; they are read afresh, too, unless
nothing but their sources changed since a build without a warning. And the times of the chapters
are reported.
"""

import gc
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from gsutils.page import panels
from gsutils.text import command, say
from tools import address, gsbook, identity, surroundings

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
STAMP = BUILD / "book.sha256"
INPUTS = ["_config.yml", "_toc.yml", "pyproject.toml", "requirements.txt"]
INPUTS += [
    f"tools/{name}.py"
    for name in (
        "address",
        "ahead",
        "bets",
        "book",
        "folded",
        "gsbook",
        "identity",
        "numbering",
        "phone",
        "playground",
        "previews",
        "slim",
        "surroundings",
        "typography",
    )
]
PAGES = {".md", ".ipynb"}
EXECUTED = "jupyter_execute"  # Sphinx's folder of the cells' pictures
INPUT_FOLDERS = ("book", gsbook.PACKAGE, "results", "tools/slides")


def inputs_digest(pages: bool = True) -> str:
    """Digest of every file and setting that the book is made from, with or without its pages."""
    files = {ROOT / name for name in INPUTS if (ROOT / name).is_file()}
    for folder in INPUT_FOLDERS:
        files |= {path for path in (ROOT / folder).rglob("*") if path.is_file()}
    skipped = {"__pycache__", ".ipynb_checkpoints"}
    files = {path for path in files if not skipped.intersection(path.parts)}
    seen = {**gsbook.environment(ROOT), "online": vars(address.addresses(ROOT))}
    if pages:
        seen["built from"] = identity.provenance(ROOT)  # in the footers, which are written anew
    else:
        files = {path for path in files if path.suffix not in PAGES or path.parent != ROOT / "book"}
    return gsbook.digest(ROOT, files, seen)


def ipython_folder() -> Path:
    """A folder of settings for kernels: errors logged, sharp figures, nothing of the user's.

    What a cell prints comes in one piece: MyST-NB ends a line where one piece ends.
    """
    folder = BUILD / "ipython"
    settings = folder / "profile_default" / "ipython_kernel_config.py"
    settings.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        "c.IPKernelApp.log_level = 40",
        f"c.InlineBackend.figure_formats = {{{gsbook.FIGURES!r}}}",
        "c.InteractiveShellApp.exec_lines = ['__import__(\"sys\").stdout.flush_interval = 3600']",
    ]
    settings.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def sphinx(
    root: Path = ROOT,
    build: Path = BUILD,
    cache: Path = BUILD / ".jupyter_cache",
    beside: str = "",
) -> bool:
    """Run Sphinx with Jupyter Book's configuration; True when it gave neither error nor warning.

    Args:
        root: the folder of the settings and sources.
        build: the folder of what is built.
        cache: the folder of the executed cells.
        beside: a digest of all that pages are made from beside their sources. Pages that have not
            changed since a good build with the same one are not read again; "": all are.
    """
    from jupyter_book.sphinx import build_sphinx

    surroundings.settle(ROOT, BUILD)
    ipython_folder()
    os.environ[panels.STACK] = "1"  # figures for phones, too
    read = build / ".doctrees" / "made-beside"
    known = read.read_text(encoding="utf-8") if read.is_file() else ""
    for stale in ("html",) if beside and known == beside else ("html", ".doctrees", EXECUTED):
        shutil.rmtree(build / stale, ignore_errors=True)
    read.unlink(missing_ok=True)
    result = build_sphinx(
        root,
        build / "html",
        noconfig=True,
        path_config=root / "_config.yml",
        confoverrides={
            "external_toc_path": (root / "_toc.yml").as_posix(),
            "nb_execution_cache_path": cache.as_posix(),
            "latex_individualpages": False,
        },
        warningiserror=True,
        keep_going=True,
        quiet=True,  # warnings and errors only; tools.gsbook names the chapters
    )
    if result != 0:  # an exception is returned, too
        return False
    read.write_text(beside, encoding="utf-8")
    return True


def report(seconds: float | None) -> None:
    """Print each chapter's execution time, and where the book is."""
    times = json.loads((BUILD / gsbook.TIMES).read_text(encoding="utf-8"))
    for docname, run in sorted(times.items()):
        note = "" if run["executed_now"] else "  (in an earlier build)"
        say(f"  {docname:<40} executed in {run['seconds']:6.1f} s{note}")
    done = "is up to date" if seconds is None else f"was built in {seconds:.0f} s"
    say(f"The book {done}: {os.path.relpath(BUILD / 'html' / 'index.html')}")


@contextmanager
def alone(target: str) -> Iterator[None]:
    """Make one of make's targets while no other program does here: a second waits, and says so."""
    BUILD.mkdir(parents=True, exist_ok=True)
    lock = FileLock(BUILD / f"{target}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"Another `make {target}` is at work in this folder: waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def main() -> int:
    """Build the book if anything changed; the exit status is 0 when it is good to read."""
    try:
        address.address(ROOT)
        surroundings.check(ROOT)
    except ValueError as error:
        say(error, error=True)
        return 1
    with alone("book"):
        return build()


def build() -> int:
    """Build what is not up to date."""
    digest = inputs_digest()
    if STAMP.is_file() and STAMP.read_text(encoding="utf-8") == digest:
        report(None)
        return 0
    STAMP.unlink(missing_ok=True)
    start = time.monotonic()
    gc.set_threshold(50_000, 20, 1000)  # pages are large and live long: a sixth less time
    if not sphinx(beside=inputs_digest(pages=False)):
        say("The book was NOT built: see the errors and warnings above.", error=True)
        return 1
    report(time.monotonic() - start)
    STAMP.write_text(digest, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(command(main))
