"""The two sites of a course, and the folders beside them, made from the book as it is built.

Each edition is the book's own sources in a folder of their own, with its solutions taken out or
opened, and then what `tools.book` does. The code cells stay the same, so that their results come
from the cache and nothing is executed again.
"""

import dataclasses
import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tools import address, book, gsbook, identity, notebooks, numbering
from tools.course import bank, decks, elsewhere, nbgrader, pages, sets, sites, source
from tools.course.elsewhere import References
from tools.course.memory import Memory, moved
from tools.course.settings import Course, Week
from tools.course.tasks import Converted, Task
from tools.course.tasks import tasks as all_tasks
from tools.notebooks import Addresses
from tools.notebooks.syntax import Facts

FOLDERS = ("student", "instructor", "slides", "problem-sets", "answer-key", "nbgrader-source")
NOTES = "book/instructors"
MEMORY = "course.json"  # in the folder of the built book
HOME, ABOUT = "course", "about"
TEACHERS = {"book/grading", "book/instructors"}  # pages that are not for students
WHOLE = {"book/errata", "book/ledger"}  # pages that speak of every chapter
COPIED = ("book", gsbook.PACKAGE, "results", "pyproject.toml", "_config.yml", "_toc.yml")
SLIDES = Path("html", "slides")


def stamp(course: Course | None = None) -> str:
    """Return a digest of all that a course is made from; the book must be built."""
    made = [repr(course), book.STAMP.read_text(encoding="utf-8")]
    made += [path.read_text(encoding="utf-8") for path in sorted(book.ROOT.glob("teaching/*.yml"))]
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
        sites.BuildError: Sphinx gave a warning or an error.
        ValueError: a chapter or `_config.yml` holds what cannot be converted.
    """
    online = notebooks.addresses(root)
    course = dataclasses.replace(course, package=course.package or online.package)
    deck_files = sorted((build / SLIDES).glob("*.html"))
    with tempfile.TemporaryDirectory(dir=build, prefix="course-") as folder:
        student, instructor = Path(folder, "student"), Path(folder, "instructor")
        tasks, gone = _chapters(course, online, student, instructor, root, build)

        def problems(week: Week, key: bool = False) -> str:
            made = sets.notebook(course, week, tasks, key)
            return elsewhere.unlinked(made, gone, course.site, course.book)

        handed = {week.name: problems(week) for week in course.sets}
        solved = {week.name: problems(week, key=True) for week in course.sets}
        _write(student / "problem-sets", handed)
        _write(instructor / "problem-sets", handed)
        _write(instructor / "answer-key", solved)
        _front(course, student, instructor, root, [deck.stem for deck in deck_files])
        footer = pages.footer(course, identity.provenance(root))
        _settings(student, course, course.repository, footer)
        _settings(instructor, course, "", footer)
        sites.write([student, instructor], out, build)
    for name in set(FOLDERS) - {student.name, instructor.name}:
        shutil.rmtree(out / name, ignore_errors=True)
    (out / "student" / ".nojekyll").touch()  # GitHub Pages leaves out _static and _sources else
    shutil.rmtree(out / "student" / "slides", ignore_errors=True)
    _write(out / "problem-sets", handed)
    _write(out / "answer-key", solved)
    (out / "answer-key" / "index.html").write_text(pages.key(course), encoding="utf-8")
    if course.nbgrader:  # in folders as nbgrader wants them
        for name, text in handed.items():
            _write(out / "nbgrader-source" / name, {name: nbgrader.source(text, solved[name])})
    if deck_files:
        _write_decks(course, deck_files, out)


def _chapters(
    course: Course, online: Addresses, student: Path, instructor: Path, root: Path, build: Path
) -> tuple[dict[str, Task], set[str]]:
    """Write both editions' chapters; return the exercises, and the pages that students lack."""
    _copy(root, student, lambda text, name: source.for_students(text, course.hidden, name))
    _copy(root, instructor, lambda text, name: source.opened(text))
    others = dataclasses.replace(
        online, package=course.package, pages=f"{course.site}/", ask="your teacher"
    )
    known = Memory(build / MEMORY, f"{stamp()} {online} {others}")
    full = _convert(instructor, online, build, known.facts)
    facts = {chapter.site.docname: chapter.facts or Facts() for chapter, _ in full.values()}
    theirs = moved(facts, online, others)
    if not (tasks := known.tasks):  # of all exercises: next week others are due
        every = [e for chapter in source.chapters(root) for e in chapter.exercises]
        stripped = notebooks.convert(student, others, build, theirs)
        tasks = all_tasks(every, stripped, full, build)
        known.keep(facts, tasks)
    gone = _leave_out(student, course, build)
    _convert(student, others, build, theirs)
    return tasks, gone


def _front(
    course: Course, student: Path, instructor: Path, root: Path, deck_names: list[str]
) -> None:
    """Write the pages that the book does not have: the course's own, and the question bank."""
    notes = NOTES if (root / f"{NOTES}.md").is_file() else ""
    teaching = (root / f"{notes}.md").read_text(encoding="utf-8") if notes else ""
    slides = [name for name in deck_names if name in course.chapters and course.slides]
    made = {
        student / HOME: pages.home(course, slides=slides),
        student / ABOUT: pages.about(course, teaching),
        instructor / HOME: pages.home(course, True, deck_names, notes),
    }
    made |= {instructor / bank.FOLDER / name: text for name, text in bank.pages(root).items()}
    for path, text in made.items():
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".md").write_text(text, encoding="utf-8")


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


def _leave_out(edition: Path, course: Course, build: Path) -> set[str]:
    """Take out of an edition what is not for students, and all that leads there; return it."""
    toc = yaml.safe_load((edition / "_toc.yml").read_text(encoding="utf-8"))
    files = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    names = [file.removesuffix(".md") for file in files]
    chapters = {page for page in names if numbering.CHAPTER.fullmatch(page)}
    gone = {page for page in chapters if Path(page).name not in course.chapters}
    gone |= {page for page in names if page in (TEACHERS | WHOLE if gone else TEACHERS)}
    for part in toc["parts"]:
        part["chapters"] = [
            c for c in part["chapters"] if c["file"].removesuffix(".md") not in gone
        ]
    toc["parts"] = [part for part in toc["parts"] if part["chapters"]]
    _dump(toc, edition / "_toc.yml")
    for page in gone:
        (edition / f"{page}.md").unlink()
    said, landing = References.read(build / "html"), edition / toc["root"]
    for path in (edition / "book").rglob("*.md"):
        text = path.read_text(encoding="utf-8")
        if path == landing:
            text = elsewhere.landing(text, gone, next(iter(course.chapters), ""))
        path.write_text(said.rewritten(text, gone, course.book), encoding="utf-8")
    return gone


def _write_decks(course: Course, sources: list[Path], out: Path) -> None:
    """Write the decks: for lectures, for the instructor's edition and, if wanted, for students."""

    def published(name: str) -> str | None:
        there = (out / "student" / "book" / f"{name}.html").is_file()
        place = course.site if there else course.book
        return f"{place}/book/{name}.html" if place else None

    def beside(name: str) -> str | None:
        there = (out / "student" / "book" / f"{name}.html").is_file()
        return f"../book/{name}.html" if there else published(name)

    decks.write(sources, out / "slides", course, published)
    decks.write(sources, out / "instructor" / "slides", course, "../book/{}.html".format)
    if course.slides:
        chosen = [path for path in sources if path.stem in course.chapters]
        decks.write(chosen, out / "student" / "slides", course, beside, notes=False)


def _convert(
    edition: Path, online: Addresses, build: Path, known: dict[str, Facts] | None
) -> Converted:
    """Write the notebooks of an edition's chapters, and return them."""
    converted = notebooks.convert(edition, online, build, known)
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
    own = address.address(book.ROOT)  # the copy has no remote
    config["repository"]["url"] = own if address.is_plain(own) else ""
    config["html"] |= {"extra_footer": footer}
    if repository:
        where = {"url": repository, "branch": course.branch, "path_to_book": "_sources"}
        config["repository"] = where
    theme = config["sphinx"]["config"].setdefault("html_theme_options", {})
    if not repository:
        theme |= {"use_repository_button": False, "use_issues_button": False}
    theme["logo"] = {**theme.get("logo", {}), "text": course.title}
    if edition.name == "student":
        config["html"]["baseurl"] = course.site
    config["sphinx"]["config"]["gsbook_notebooks"] = ""  # buttons lead where the edition lies
    config["exclude_patterns"] = ["book/**.ipynb", "_build", ".*"]
    config["execute"]["exclude_patterns"] = ["problem-sets/*", "answer-key/*"]
    _dump(config, edition / "_config.yml")
    toc = yaml.safe_load((edition / "_toc.yml").read_text(encoding="utf-8"))
    parts = [{"caption": "The book", "chapters": [{"file": toc["root"]}]}, *toc["parts"]]
    for folder, caption in (("answer-key", "Answer key"), ("problem-sets", "Problem sets")):
        if files := sorted((edition / folder).glob("*.ipynb")):
            chapters = [{"file": f"{folder}/{path.name}"} for path in files]
            parts.insert(0, {"caption": caption, "chapters": chapters})
    if files := sorted((edition / bank.FOLDER).glob("*.md")):
        chapters = [{"file": f"{bank.FOLDER}/{path.name}"} for path in files]
        parts.append({"caption": "Question bank", "chapters": chapters})
    if (edition / f"{ABOUT}.md").is_file():
        parts.insert(0, {"caption": "The course", "chapters": [{"file": ABOUT}]})
    _dump({**toc, "root": HOME, "parts": parts}, edition / "_toc.yml")


def _dump(data: dict[str, Any], path: Path) -> None:
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
