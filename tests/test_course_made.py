"""The course that `make course` has made: no hidden solution gets out, and all else is there."""

import html
import json
import re
from functools import cache
from urllib.parse import unquote

import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import ROOT, missing

from grading.grader import grade
from tools import address, book
from tools.course import bank, editions, given, pages, settings, source
from tools.course.__main__ import MARK

CHAPTERS = source.chapters(ROOT)
LABELS = {exercise.label for chapter in CHAPTERS for exercise in chapter.exercises}
PAGES = {c.name: (ROOT / "book" / f"{c.name}.md").read_text(encoding="utf-8") for c in CHAPTERS}
READ = [path for path in sorted((ROOT / "book").glob("*.md")) if path.stem != "instructors"]
TEXT = {".html", ".ipynb", ".md", ".js", ".json", ".txt"}
DECKS = ("slides", "instructor/slides", "student/slides")
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
    assert all(fragments().values())


def test_no_file_for_students_has_a_line_of_a_hidden_solution(course):
    assert leaks(OUT / "student", course.hidden) == {}
    assert leaks(OUT / "problem-sets", course.hidden) == {}


def test_the_search_finds_all_solutions_where_they_are_shown(course):
    shown = leaks(OUT / "instructor" / "book", LABELS)
    assert set(shown) == LABELS
    sources = leaks(OUT / "instructor" / "_sources", LABELS)
    assert set(sources) == LABELS
    assert all({".md", ".ipynb"} <= {"." + p.split(".")[-1] for p in f} for f in sources.values())
    assert "book/01-clever-hans.html" in leaks(OUT / "student", ["ex-half"])["ex-half"]


def test_the_words_of_hidden_solutions_are_not_in_the_index_for_searching(course):
    def terms(edition):
        text = (OUT / edition / "searchindex.js").read_text(encoding="utf-8")
        return set(json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))["terms"])

    shown, public = terms("instructor"), terms("student")
    own = {w for pieces in solution_words(course).values() for w in pieces} & shown
    words = public_words(course)
    own -= {w for w in own if any(word.startswith(w) for word in words)}  # the index holds stems
    assert len(own) > 10
    assert len(own - public) > 0.9 * len(own)  # a few are in what cells print


def handed_out(course):
    """All code that students get: cells of pages, problem sets and slides, by where it stands."""
    found = {}
    for path in (OUT / "student" / "_sources").rglob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        lines = "".join("".join(c["source"]) + "\n" for c in cells if c["cell_type"] == "code")
        found[path.stem] = f"```{{code-cell}} ipython3\n{lines}```\n"
    for path in (OUT / "student" / "slides").glob("*.html"):
        soup = BeautifulSoup(re.sub(r"base64,[\w+/=]+", "", path.read_text("utf-8")), "html.parser")
        lines = "\n".join(pre.get_text() for pre in soup.select("pre"))
        found[f"slides {path.stem}"] = f"```{{code-cell}} ipython3\n{lines}\n```\n"
    return found


def test_no_code_for_students_solves_an_exercise_whose_solution_is_hidden(course):
    solutions = given.solutions(PAGES.values(), course.hidden)
    assert len(solutions) > 30
    assert given.away(handed_out(course), solutions) == []


def test_students_get_their_chapters_and_nothing_of_the_teachers(course):
    book_of = {path.stem for path in (OUT / "student" / "book").glob("*.html")}
    assert {name for name in book_of if name[0].isdigit()} == set(course.chapters)
    assert not book_of & {"grading", "instructors", "ledger", "errata"}
    for path in (OUT / "student").rglob("*.html"):
        assert "Grade the exercises" not in path.read_text(encoding="utf-8")
    logo = BeautifulSoup(
        (OUT / "student" / "book" / "intro.html").read_text("utf-8"), "html.parser"
    )
    assert logo.select_one(".logo__title").get_text(" ", strip=True) == course.title


@pytest.mark.parametrize("edition", ["student", "instructor", "slides"])
def test_no_link_is_dead(course, edition):
    folder, dead, marks = OUT / edition, [], {}
    for path in folder.rglob("*.html"):
        text = re.sub(r"base64,[\w+/=]+", "", path.read_text(encoding="utf-8"))
        marks[path.resolve()] = set(re.findall(r'\bid="([^"]+)"', text))
        hrefs = set(re.findall(r'<a\b[^<>]*\bhref="([^"]+)"', text))
        for href in hrefs:
            if href.startswith(f"{course.site}/"):
                target, here = href.removeprefix(f"{course.site}/"), OUT / "student"
            elif re.match(r"[a-z]+:", href):
                continue
            else:
                target, here = href, path.parent
            target, _, mark = html.unescape(unquote(target)).partition("#")
            page = (here / target.partition("?")[0]).resolve() if target else path.resolve()
            known = marks.get(page, {mark})
            if not page.exists() or (mark and "/" not in mark and mark not in known):
                dead.append((path.name, href))
    assert dead == []


def test_a_deck_says_the_course_the_teacher_and_the_day(course):
    names = {folder: sorted(p.stem for p in (OUT / folder).glob("*.html")) for folder in DECKS}
    assert names["slides"] == names["instructor/slides"] == list(PAGES)
    assert names["student/slides"] == list(course.chapters)
    for folder in DECKS:
        deck = (OUT / folder / "03-legendre-dual.html").read_text(encoding="utf-8")
        for said in ("Why networks take shortcuts, Spring 2027", "Ada Example", "8 February 2027"):
            assert said in deck
        assert ('class="notes"' in deck) == (folder != "student/slides")
        assert "<!-- course -->" not in deck


def test_the_question_bank_is_for_teachers_alone(course):
    made = bank.pages(ROOT)
    pieces = {squeezed(q["answer"]) for q in exam_questions()}
    assert len(pieces) == 4 * len(made)
    for folder in ("student", "problem-sets", "slides"):
        for path in (path for path in (OUT / folder).rglob("*") if path.suffix in TEXT):
            text = squeezed(re.sub(r"base64,[\w+/=]+", "", path.read_text(encoding="utf-8")))
            assert not any(piece in text for piece in pieces), path
    for name in made:
        page = (OUT / "instructor" / "teaching" / f"{name}.html").read_text(encoding="utf-8")
        assert sum(piece in squeezed(page) for piece in pieces) == 4


def exam_questions():
    for path in (ROOT / bank.FOLDER).glob("*.yml"):
        yield from yaml.safe_load(path.read_text(encoding="utf-8"))["exam"]


def public_words(course):
    """The words of all that students are given, and of the package, which the API page quotes."""
    stripped = [source.for_students(text, course.hidden) for text in PAGES.values()]
    others = [path.read_text(encoding="utf-8") for path in READ if path.stem not in PAGES]
    others += [path.read_text(encoding="utf-8") for path in (ROOT / "gsutils").rglob("*.py")]
    return set(re.findall(r"\w+", " ".join([*stripped, *others, pages.home(course)]).lower()))


def solution_words(course):
    """By exercise, words that stand nowhere in the book but in hidden solutions."""
    public = public_words(course)
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
    repository = address.address(ROOT)
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
    assert {"book/01-clever-hans.html", f"problem-sets/{course.sets[0].name}.html"} <= links(page)
    for part in (course.title, course.term, "Mon 8 Feb", "5 points", "Forum"):
        assert part in text
    instructor = links(OUT / "instructor" / "course.html")
    assert {f"answer-key/{course.sets[0].name}.html", "book/instructors.html"} <= instructor
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
        cells = json.loads(handed_out.read_text(encoding="utf-8"))["cells"]
        shares = [c["metadata"].get("points", 0) for c in cells]
        assert sum(shares) == pytest.approx(sum(points for _, points in week.exercises))
        assert key.points == pytest.approx(sum(shares))
        assert {m.status for m in key.marks if not m.by_hand} <= {"passed"}
        assert {m.status for m in key.marks if m.by_hand} <= {"unmarked"}
        empty = grade(handed_out, handed_out)
        assert {mark.status for mark in empty.marks} == {"unsolved"}


def test_the_notebooks_to_download_are_those_that_are_handed_out(course):
    for name in course.chapters:
        assert (OUT / "student" / "_sources" / "book" / f"{name}.ipynb").is_file()
        assert f"../_sources/book/{name}.ipynb" in links(OUT / "student" / "book" / f"{name}.html")
    for path in (OUT / "problem-sets").glob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        assert (OUT / "student" / "_sources" / "problem-sets" / path.name).read_text() == text
        assert not re.search(r"\{[a-z]+\}`|^:::", text, re.MULTILINE)
        assert course.site in text
