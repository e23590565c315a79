"""The two sites of a course, and the folders beside them, made from the book as it is built.

Each edition is the book's own sources in a folder of their own, with its solutions taken out or
opened, and then what `tools.book` does. The code cells stay the same, so that their results come
from the cache and nothing is executed again.
"""

import contextlib
import dataclasses
import hashlib
import io
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tools import book, gsbook, identity, notebooks
from tools.course import nbgrader, pages, sets, source
from tools.course.settings import Course
from tools.notebooks import Addresses

FOLDERS = ("student", "instructor", "slides", "problem-sets", "answer-key", "nbgrader-source")
NOTES = "book/instructors"
HOME = "course"
COPIED = ("book", gsbook.PACKAGE, "results", "pyproject.toml", "_config.yml", "_toc.yml")
SLIDES = Path("html", "slides")


class BuildError(RuntimeError):
    """A course could not be made; the message says why."""


def stamp(course: Course) -> str:
    """Return a digest of all that a course is made from; the book must be built."""
    made = [repr(course), book.STAMP.read_text(encoding="utf-8")]
    tools = [*Path(__file__).parent.glob("*.py"), *Path(notebooks.__file__).parent.glob("*.py")]
    made += [path.read_text(encoding="utf-8") for path in sorted(tools)]
    return hashlib.sha256("\n".join(made).encode()).hexdigest()


def make(course: Course, out: Path, root: Path = book.ROOT, build: Path = book.BUILD) -> None:
    """Make a course.

    Args:
        course: what to make.
        out: its folder, made if need be; those in `FOLDERS` are replaced.
        root: the folder of the book's sources.
        build: the folder of the built book, whose cache has the executed cells.

    Raises:
        BuildError: Sphinx gave a warning or an error.
        ValueError: a chapter or `_config.yml` holds what cannot be converted.
    """
    online = notebooks.addresses(root)
    course = dataclasses.replace(course, package=course.package or online.package)
    notes = NOTES if (root / f"{NOTES}.md").is_file() else ""
    decks = sorted((build / SLIDES).glob("*.html"))
    with tempfile.TemporaryDirectory(dir=build, prefix="course-") as folder:
        student, instructor = Path(folder, "student"), Path(folder, "instructor")
        _copy(root, student, lambda text, name: source.for_students(text, course.hidden, name))
        _copy(root, instructor, lambda text, name: source.opened(text))
        if notes:
            _leave_out(notes, student, instead="grading")
        others = Addresses(course.package, f"{course.site}/", online.files)
        stripped = _convert(student, others, build)
        full = _convert(instructor, online, build)
        tasks = sets.tasks(course, stripped, full)
        given = {week.name: sets.notebook(course, week, tasks) for week in course.sets}
        solved = {week.name: sets.notebook(course, week, tasks, key=True) for week in course.sets}
        _write(student / "problem-sets", given)
        _write(instructor / "problem-sets", given)
        _write(instructor / "answer-key", solved)
        (student / f"{HOME}.md").write_text(pages.home(course), encoding="utf-8")
        (instructor / f"{HOME}.md").write_text(
            pages.home(course, True, [deck.stem for deck in decks], notes), encoding="utf-8"
        )
        footer = pages.footer(course, identity.provenance(root))
        _settings(student, course, course.repository, footer)
        _settings(instructor, course, "", footer)
        _sphinx(student, build)
        _sphinx(instructor, build)
        for name in FOLDERS:
            shutil.rmtree(out / name, ignore_errors=True)
        out.mkdir(parents=True, exist_ok=True)
        for edition in (student, instructor):
            shutil.move(edition / "_build" / "html", out / edition.name)
    (out / "student" / ".nojekyll").touch()  # GitHub Pages leaves out _static and _sources else
    shutil.rmtree(out / "student" / "slides", ignore_errors=True)
    _write(out / "problem-sets", given)
    _write(out / "answer-key", solved)
    (out / "answer-key" / "index.html").write_text(pages.key(course), encoding="utf-8")
    if course.nbgrader:  # in folders as nbgrader wants them
        for name, text in given.items():
            _write(out / "nbgrader-source" / name, {name: nbgrader.source(text, solved[name])})
    if decks:
        shutil.copytree(build / SLIDES, out / "slides")
        shutil.copytree(build / SLIDES, out / "instructor" / "slides", dirs_exist_ok=True)


def _copy(root: Path, edition: Path, change: Callable[[str, str], str]) -> None:
    """Copy what the book is made from, each page's source changed."""
    for name in COPIED:
        if (root / name).is_dir():
            skipped = shutil.ignore_patterns("*.ipynb", "__pycache__", ".ipynb_checkpoints")
            shutil.copytree(root / name, edition / name, ignore=skipped)
        elif (root / name).is_file():
            shutil.copyfile(root / name, edition / name)
    for page in (edition / "book").rglob("*.md"):
        name = page.relative_to(edition).as_posix()
        page.write_text(change(page.read_text(encoding="utf-8"), name), encoding="utf-8")


def _leave_out(page: str, edition: Path, instead: str) -> None:
    """Take a page out of an edition: the landing page's link to it leads to another `instead`."""
    toc = yaml.safe_load((edition / "_toc.yml").read_text(encoding="utf-8"))
    for part in toc["parts"]:
        part["chapters"] = [c for c in part["chapters"] if c["file"] != f"{page}.md"]
    _dump(toc, edition / "_toc.yml")
    (edition / f"{page}.md").unlink()
    landing = edition / toc["root"]
    text = landing.read_text(encoding="utf-8").replace(
        f":link: {Path(page).name}\n", f":link: {instead}\n"
    )
    landing.write_text(text, encoding="utf-8")


def _convert(edition: Path, online: Addresses, build: Path) -> sets.Converted:
    """Write the notebooks of an edition's chapters, and return them."""
    converted = notebooks.convert(edition, online, build)
    for path, (_, text) in converted.items():
        path.write_text(text, encoding="utf-8")
    return converted


def _write(folder: Path, made: dict[str, str]) -> None:
    """Write notebooks by their names."""
    folder.mkdir(parents=True)
    for name, text in made.items():
        (folder / f"{name}.ipynb").write_text(text, encoding="utf-8")


def _settings(edition: Path, course: Course, repository: str, footer: str) -> None:
    """Write an edition's settings and table of contents.

    Its buttons lead to the repository, in which the notebooks lie as in the site, or are left out:
    the book's own repository has the solutions, and no problem sets.
    """
    config = yaml.safe_load((edition / "_config.yml").read_text(encoding="utf-8"))
    config["title"] = f"{course.title}, {course.term}"
    config["html"] |= {"extra_footer": footer}
    if repository:
        where = {"url": repository, "branch": course.branch, "path_to_book": "_sources"}
        config["repository"] = where
    else:
        config["html"] |= {"use_repository_button": False, "use_issues_button": False}
    if edition.name == "student":
        config["html"]["baseurl"] = course.site
    config["exclude_patterns"] = ["book/**.ipynb", "_build", ".*"]
    config["execute"]["exclude_patterns"] = ["problem-sets/*", "answer-key/*"]
    _dump(config, edition / "_config.yml")
    toc = yaml.safe_load((edition / "_toc.yml").read_text(encoding="utf-8"))
    parts = [{"caption": "The book", "chapters": [{"file": toc["root"]}]}, *toc["parts"]]
    for folder, caption in (("answer-key", "Answer key"), ("problem-sets", "Problem sets")):
        if files := sorted((edition / folder).glob("*.ipynb")):
            chapters = [{"file": f"{folder}/{path.name}"} for path in files]
            parts.insert(0, {"caption": caption, "chapters": chapters})
    _dump({**toc, "root": HOME, "parts": parts}, edition / "_toc.yml")


def _dump(data: dict[str, Any], path: Path) -> None:
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8")


def _sphinx(edition: Path, build: Path) -> None:
    """Build the site of an edition, with executed cells from the book's cache."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sphinx-external-toc asks every object for its class
        good = book.sphinx(edition, edition / "_build", build / ".jupyter_cache")
    if not good:
        raise BuildError(f"the {edition.name} edition was not built: see the warnings above")
