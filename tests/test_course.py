"""A course of the book: what is wrong in course.yml is said, and no hidden solution gets out."""

import datetime
import html
import json
import re
from functools import cache

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import ROOT, missing
from myst_nb.core.read import read_myst_markdown_notebook

from gsutils.grading.grader import grade
from tools import book, gsbook
from tools.course import editions, pages, sets, settings, source
from tools.course.__main__ import MARK, main
from tools.course.settings import CourseError
from tools.notebook_markdown import SourceError

EXAMPLE = (ROOT / "course.yml").read_text(encoding="utf-8")
CHAPTERS = source.chapters(ROOT)
LABELS = {exercise.label for chapter in CHAPTERS for exercise in chapter.exercises}
PAGES = {c.name: (ROOT / "book" / f"{c.name}.md").read_text(encoding="utf-8") for c in CHAPTERS}
IN_THE_TEXT = {"ex-pert-lambert"}  # a cell of the chapter has the same lines
READ = [path for path in sorted((ROOT / "book").glob("*.md")) if path.stem != "instructors"]
SMALL = """\
title: Shortcuts
term: Spring 2027
start: 2027-02-01
weeks:
  - week: 1
    chapters: [01-clever-hans]
    exercises: [ex-half, ex-line: 2]
    due: 2027-02-08
  - week: 3
    chapters: [07-colored-mnist]
    due: 2027-02-22
links:
  site: https://example.org/shortcuts/
"""


def read(text, today=datetime.date(2027, 1, 1)):
    return settings.read(text, "my.yml", CHAPTERS, today)


def changed(old, new):
    assert SMALL.count(old) == 1
    return SMALL.replace(old, new)


# --- course.yml ---------------------------------------------------------------------------------


def test_a_course_is_read_with_its_weeks_points_and_dates():
    course = read(SMALL)
    first, second = course.weeks
    assert [(e.label, points) for e, points in first.exercises] == [("ex-half", 1), ("ex-line", 2)]
    assert (first.begins, first.due) == (datetime.date(2027, 2, 1), datetime.date(2027, 2, 8))
    assert second.begins == datetime.date(2027, 2, 15)
    assert [e.label for e, _ in second.exercises] == [
        e.label for e in CHAPTERS[6].exercises
    ]  # all of its chapter
    assert course.site == "https://example.org/shortcuts"
    assert set(course.hidden) == LABELS


def test_the_example_has_no_mistake_and_hides_all_but_one():
    course = settings.load(ROOT / "course.yml", CHAPTERS)
    assert LABELS - set(course.hidden) == {"ex-half"}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "the file is empty: copy course.yml"),
        ("# only a comment\n", 1, "the file is empty"),
        ("Shortcuts", 1, "the file must be a list of keys"),
        (changed("term:", "trem:"), 2, "unknown key trem: did you mean term?"),
        (changed("term:", "trem:"), 1, "term is missing: add it, text such as"),
        (changed("    due: 2027-02-22", "    duo: 1"), 11, "unknown key duo: did you mean due?"),
        (
            changed("Spring 2027", "2027"),
            2,
            "term must be text such as Spring 2027, got the number",
        ),
        (changed("Spring 2027", ""), 2, "got nothing"),
        (changed("2027-02-01", "1.2.2027"), 3, "start must be a date as year-month-day"),
        (changed("2027-02-01", "2027-02-30"), 3, "start: 2027-02-30 is no day"),
        (changed("due: 2027-02-08", "due: 2027-01-08"), 8, "before week 1 begins (2027-02-01)"),
        (changed("    due: 2027-02-08\n", ""), 5, "due is missing: add a date"),
        (changed("[01-clever-hans]", "[01-clever-hnas]"), 6, "did you mean 01-clever-hans?"),
        (
            changed("[01-clever-hans]", "[1]"),
            6,
            "entry 1 of chapters must be the name of a chapter",
        ),
        (changed("[01-clever-hans]", "01-clever-hans"), 6, "chapters must be a list of chapters"),
        (changed("ex-half", "ex-hlaf"), 7, "unknown exercise ex-hlaf: did you mean ex-half?"),
        (changed("ex-half", "zzz"), 7, "unknown exercise zzz: expected one of ex-half, ex-line"),
        (changed("ex-line: 2", "ex-line: two"), 7, "or with its points such as ex-line: 2"),
        (changed("ex-half", "ex-line"), 7, "ex-line is assigned in line 7 already"),
        (changed("[ex-half, ex-line: 2]", "[]"), 8, "due without exercises"),
        (changed("week: 3", "week: 1"), 9, "week 1 stands in line 5 already"),
        (changed("week: 3", "week: 0"), 9, "week must be the week's number"),
        (changed("week: 1", "week: 4"), 9, "week 3 comes late: put the weeks in order"),
        (changed("week: 1", "week: one"), 5, "week must be the week's number"),
        (changed("https:", "ftp:"), 13, "site must be an address that starts with https://, got"),
        (changed("  site: https://example.org/shortcuts/", "  more: {}"), 13, "site is missing"),
        (SMALL + "  branch: main\n", 14, "branch without repository"),
        (SMALL + "  repository: https://gitlab.com/a/b\n", 14, "https://github.com/you/"),
        (SMALL + "title: Again\n", 14, "title stands in line 1 already: remove one"),
        (SMALL + "nbgrader: maybe\n", 14, "nbgrader must be true or false"),
        (SMALL + "solutions: {hide: some}\n", 14, "hide must be all, none, or a list"),
        (SMALL + "solutions: {hide: [ex-hlaf]}\n", 14, "did you mean ex-half?"),
        (SMALL + "solutions: {release: later}\n", 14, "release must be the words after due, or"),
        (changed("title: Shortcuts", "title: A: B"), 1, "this is not YAML"),
        (
            changed("    due: 2027-02-08", "\tdue: 2027-02-08"),
            8,
            "indent with spaces, not with tabs",
        ),
        (changed("[ex-half,", "[ex-half"), 7, ""),
        ("a: &a [*a]", 1, ""),
        ("? [a, b]\n: c", 1, ""),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_a_remedy(text, line, message):
    with pytest.raises(CourseError) as error:
        read(text)
    assert any(
        found.startswith(f"my.yml:{line}: ") and message in found
        for found in str(error.value).splitlines()
    ), str(error.value)


def test_all_mistakes_are_reported_at_once_in_their_order():
    text = SMALL.replace("ex-half", "ex-hlaf").replace("[07-colored-mnist]", "[7-color]")
    with pytest.raises(CourseError) as error:
        read(text)
    assert re.findall(r"^my.yml:(\d+)", str(error.value), re.MULTILINE) == ["7", "10"]


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ("{hide: none}", LABELS),
        ("{hide: all, release: [ex-half, 02-ntk-linearization]}", 1 + len(CHAPTERS[1].exercises)),
        ("{hide: [01-clever-hans], release: [ex-half]}", LABELS - {"ex-line", "ex-objective"}),
        ("{release: after due}", {"ex-half", "ex-line"}),
    ],
)
def test_solutions_are_hidden_and_released_as_the_file_says(rule, shown):
    found = LABELS - set(read(SMALL + f"solutions: {rule}\n", datetime.date(2027, 2, 9)).hidden)
    if isinstance(shown, int):
        assert len(found) == shown
    elif rule.startswith("{hide: ["):
        assert found < shown | {"ex-half"}
        assert "ex-half" in found
        assert "ex-adam" not in found
    else:
        assert found == shown


def test_nothing_is_released_on_the_day_it_is_due():
    text = SMALL + "solutions: {release: after due}\n"
    assert set(read(text, datetime.date(2027, 2, 8)).hidden) == LABELS


def test_a_missing_file_and_one_that_is_no_text_get_one_line_and_status_1(tmp_path, capsys):
    (tmp_path / "my.yml").write_bytes(b"\xff\xfe\x00")
    for name, message in (
        ("nowhere.yml", "there is no such file"),
        ("my.yml", "not text in UTF-8"),
    ):
        assert main([str(tmp_path / name), "--out", str(tmp_path / "out")]) == 1
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_files_is_not_written_to(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(book, "STAMP", tmp_path / "course.yml")
    (tmp_path / "course.yml").write_text(EXAMPLE, encoding="utf-8")
    assert main([str(tmp_path / "course.yml"), "--out", str(tmp_path)]) == 1
    assert "has other files: name a folder that is new or empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["course.yml"]


# --- the sources --------------------------------------------------------------------------------


def code(text):
    cells = read_myst_markdown_notebook(text).cells
    return [(c.source, c.metadata) for c in cells if c.cell_type == "code"]


@pytest.mark.parametrize("name", PAGES)
def test_an_edition_changes_neither_cells_nor_exercises(name):
    stripped, opened = source.for_students(PAGES[name], LABELS), source.opened(PAGES[name])
    assert code(stripped) == code(opened) == code(PAGES[name])
    exercises = source.chapter(name, PAGES[name]).exercises
    assert source.chapter(name, stripped).exercises == exercises
    assert "{solution}" not in stripped
    assert "{slide}" not in stripped
    assert opened.count("{solution}") == len(exercises)
    assert not re.search(r"\{solution\}[^\n]*\n:class: dropdown", opened)


def test_only_hidden_solutions_are_taken_out():
    stripped = source.for_students(PAGES["01-clever-hans"], LABELS - {"ex-half"})
    assert re.findall(r"\{solution\} (\S+)", stripped) == ["ex-half"]


def test_a_solution_inside_a_block_is_refused_with_its_line():
    text = "# A\n\n::::{tip}\n:::{solution} ex-a\nOne.\n:::\n::::\n"
    assert source.for_students(text, {"ex-b"}) == text
    with pytest.raises(SourceError, match=r"a\.md:4: :::\{solution\} ex-a inside a block"):
        source.for_students(text, {"ex-a"}, "a.md")


def test_an_edition_uses_the_executed_cells_of_the_book(tmp_path):
    tmp_path /= "student"
    editions._copy(ROOT, tmp_path, lambda text, name: source.for_students(text, LABELS, name))
    for name in ("01-clever-hans", "07-colored-mnist"):
        text = (tmp_path / "book" / f"{name}.md").read_text(encoding="utf-8")
        assert text != PAGES[name]
        assert gsbook.chapter_digest(tmp_path, text) == gsbook.chapter_digest(ROOT, PAGES[name])


# --- problem sets -------------------------------------------------------------------------------

TASKS = {
    "ex-half": sets.Task("Clever Hans", "https://a/1.html", "### Half", "", "", "It bends.", []),
    "ex-line": sets.Task(
        *("Clever Hans", "https://a/1.html", "### Line"),
        stub="def linear_margin(w, b, X, y):\n    ...\n\n\nchecks.linear_margin(linear_margin)",
        code="def linear_margin(w, b, X, y):\n    return (y * (X @ w + b)).min() / np.hypot(*w)",
        words="",
        setup=["import numpy as np", "from gsutils import checks"],
    ),
}


def made(course, key=False):
    return nbformat.reads(sets.notebook(course, course.weeks[0], TASKS, key), 4)


def test_a_problem_set_has_its_date_its_exercises_and_what_they_need():
    cells = made(read(SMALL)).cells
    text = "\n".join(cell.source for cell in cells)
    assert "Problem set, week 1" in cells[0].source
    assert "Due **Monday, 8 February 2027**. 2 points for code" in cells[0].source
    assert cells[2].source == "import numpy as np\nfrom gsutils import checks"
    assert text.index("### Half") < text.index("*Your answer:*") < text.index("### Line")
    (stub,) = [c for c in cells if c.metadata.get("tags") == ["exercise-linear-margin"]]
    assert (stub.source, stub.metadata.points) == (TASKS["ex-line"].stub, 2)
    assert "It bends" not in text
    assert "hypot" not in text
    answers = "\n".join(cell.source for cell in made(read(SMALL), key=True).cells)
    assert "It bends" in answers
    assert "hypot" in answers


def test_for_nbgrader_each_answer_has_its_cell_its_points_and_a_locked_test():
    cells = made(read(SMALL + "nbgrader: true\n")).cells
    found = {c.metadata.nbgrader["grade_id"]: c for c in cells if "nbgrader" in c.metadata}
    assert set(found) == {"ex-half", "linear-margin", "linear-margin-test"}
    kinds = {
        n: (c.metadata.nbgrader["grade"], c.metadata.nbgrader["solution"]) for n, c in found.items()
    }
    assert kinds == {
        "ex-half": (True, True),  # graded by hand
        "linear-margin": (False, True),
        "linear-margin-test": (True, False),
    }
    test = found["linear-margin-test"]
    assert test.metadata.nbgrader["points"] == 2
    assert test.metadata.nbgrader["locked"]
    assert test.source == "assert checks.linear_margin(linear_margin).passed"


def test_what_a_teacher_writes_is_text_on_the_home_page():
    course = read(SMALL.replace("Shortcuts", "'Bias | *and* {doc}`x` <b>'"))
    assert r"# Bias \| \*and\* \{doc\}\`x\` \<b\>" in pages.home(course)
    assert "<h1>Bias | *and* {doc}`x` &lt;b&gt;" in pages.key(course)


# --- the course that was made -------------------------------------------------------------------

OUT = book.BUILD / "course"


@pytest.fixture(scope="module")
def course():
    """The example, made: `make course` has run on the book as it is."""
    found = settings.load(ROOT / "course.yml", CHAPTERS)
    mark = OUT / MARK
    if not mark.is_file() or mark.read_text(encoding="utf-8") != editions.stamp(found):
        missing("_build/course is not made of course.yml as it is: make course")
    return found


def squeezed(text):
    """Letters and digits only: the same in MyST, in Markdown, in HTML and in JSON."""
    return re.sub(r"[\W_]+", "", html.unescape(re.sub(r"<[^<>]*>", "", text)))


@cache
def fragments():
    """By exercise, what only its solution says: its lines, cut at roles, links and formulas."""
    shown = [source.for_students(path.read_text(encoding="utf-8"), LABELS) for path in READ]
    public = "".join(squeezed(text) + squeezed(re.sub("[<>]", "", text)) for text in shown)
    found = {}
    for text in PAGES.values():
        for _, _, directive in source._directives(text):
            if directive.name != "solution":
                continue
            lines = re.split(r"\n|\{[\w:]+\}`[^`]*`|\]\([^)]*\)|\$[^$]*\$", directive.body)
            pieces = [squeezed(line) for line in lines]
            own = [piece for piece in pieces if len(piece) >= 16 and piece not in public]
            found[directive.argument] = own
    return found


def leaks(folder, labels):
    """The labels of those exercises of which some line stands in a file of a folder."""
    found = {}
    for path in (path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes().decode("utf-8", "ignore")
        text = squeezed(content) + squeezed(re.sub("[<>]", "", content))
        for label in labels:
            if any(piece in text for piece in fragments()[label]):
                found.setdefault(label, []).append(path.relative_to(folder).as_posix())
    return found


def test_every_solution_says_something_that_can_be_searched_for():
    assert set(fragments()) == LABELS
    assert {label for label, pieces in fragments().items() if not pieces} == IN_THE_TEXT


def test_no_file_for_students_has_a_line_of_a_hidden_solution(course):
    assert leaks(OUT / "student", course.hidden) == {}
    assert leaks(OUT / "problem-sets", course.hidden) == {}


def test_the_search_finds_all_solutions_where_they_are_shown(course):
    shown = leaks(OUT / "instructor" / "book", LABELS)
    assert set(shown) == LABELS - IN_THE_TEXT
    sources = leaks(OUT / "instructor" / "_sources", LABELS)
    assert set(sources) == LABELS - IN_THE_TEXT
    assert all({".md", ".ipynb"} <= {"." + p.split(".")[-1] for p in f} for f in sources.values())
    assert "book/01-clever-hans.html" in leaks(OUT / "student", ["ex-half"])["ex-half"]


def test_the_words_of_hidden_solutions_are_not_in_the_index_for_searching(course):
    def terms(edition):
        text = (OUT / edition / "searchindex.js").read_text(encoding="utf-8")
        return set(json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))["terms"])

    shown, public = terms("instructor"), terms("student")
    own = {w for pieces in solution_words(course).values() for w in pieces} & shown
    assert len(own) > 10
    assert len(own - public) > 0.9 * len(own)  # a few are in what cells print


def solution_words(course):
    """By exercise, words that stand nowhere in the book but in hidden solutions."""
    stripped = [source.for_students(text, course.hidden) for text in PAGES.values()]
    others = [path.read_text(encoding="utf-8") for path in READ if path.stem not in PAGES]
    public = set(re.findall(r"\w+", " ".join([*stripped, *others, pages.home(course)]).lower()))
    return {
        d.argument: set(re.findall(r"\w+", d.body.lower())) - public
        for text in PAGES.values()
        for _, _, d in source._directives(text)
        if d.name == "solution" and d.argument in course.hidden
    }


def links(page):
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    return {a["href"] for a in soup.find_all("a", href=True)}


def test_no_link_for_students_leads_to_the_solutions_in_the_repository(course):
    repository = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    found = [
        (page.name, href)
        for page in (OUT / "student").rglob("*.html")
        for href in links(page)
        if href.startswith((repository, "https://colab"))
    ]
    assert found == []


def test_the_home_page_has_the_weeks_their_chapters_and_dates(course):
    page = OUT / "student" / "course.html"
    text = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").article.get_text(" ")
    assert {"book/01-clever-hans.html", "problem-sets/week-01.html"} <= links(page)
    for part in (course.title, course.term, "Mon 8 Feb", "5 points", "Forum"):
        assert part in text
    instructor = links(OUT / "instructor" / "course.html")
    assert {"answer-key/week-01.html", "book/instructors.html"} <= instructor
    for href in (h for h in instructor if h.startswith(("slides/", "answer-key/"))):
        assert (OUT / "instructor" / href).is_file()


def test_a_solution_is_open_for_instructors_and_released_ones_are_there_for_students(course):
    name = "book/01-clever-hans.html"
    for edition, count in (("student", 1), ("instructor", len(CHAPTERS[0].exercises))):
        soup = BeautifulSoup((OUT / edition / name).read_text(encoding="utf-8"), "html.parser")
        assert len(soup.select("div.solution")) == count
    assert not soup.select("div.solution.dropdown")


def test_the_answer_keys_get_every_point_and_the_problem_sets_none(course):
    for week in course.sets:
        handed_out = OUT / "problem-sets" / f"{week.name}.ipynb"
        key = grade(OUT / "answer-key" / f"{week.name}.ipynb", handed_out)
        assert key.score == key.points == sum(p for e, p in week.exercises if e.check)
        empty = grade(handed_out, handed_out)
        assert {mark.status for mark in empty.marks} == {"unsolved"}


def test_the_notebooks_to_download_are_those_that_are_handed_out(course):
    for name in PAGES:
        assert (OUT / "student" / "_sources" / "book" / f"{name}.ipynb").is_file()
        assert f"../_sources/book/{name}.ipynb" in links(OUT / "student" / "book" / f"{name}.html")
    for path in (OUT / "problem-sets").glob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        assert (OUT / "student" / "_sources" / "problem-sets" / path.name).read_text() == text
        assert not re.search(r"\{[a-z]+\}`|^:::", text, re.MULTILINE)
        assert course.site in text
