"""The instructor's page: its tables, recomputed from the chapters that they speak of."""

import os
import re
import subprocess
import textwrap
from dataclasses import dataclass
from itertools import pairwise

import pytest
from chapters import WRONG
from conftest import ROOT
from test_chapters import CHAPTERS, PAGES, page

from gsutils.checks import CHECKS
from tools.course import settings

WORDS_A_MINUTE = 90
MINUTES = {1: 10, 2: 25, 3: 60}  # for an exercise, by its stars
POINTS_OF_AN_OPEN_QUESTION = 6
TEXT = PAGES["instructors"]
NUMBERS = {int(name[:2]): name for name in CHAPTERS}


@dataclass
class Exercise:
    """An exercise of a chapter; `check` is None where no code is asked for."""

    label: str
    title: str
    stars: int
    open: bool
    check: str | None

    @property
    def points(self):
        return POINTS_OF_AN_OPEN_QUESTION if self.open else self.stars


def exercises_of(name):
    checks = {label: check for check, (_, label) in page(PAGES[name]).stubs.items()}
    return [
        Exercise(
            label=(label := directive.options["label"]),
            title=re.sub(r"^★+ | \(open\)$", "", directive.argument),
            stars=directive.argument.count("★"),
            open=directive.argument.endswith("(open)"),
            check=checks.get(label),
        )
        for directive in page(PAGES[name]).named("exercise")
    ]


TIMES = {
    "twenty minutes": 20, "half an hour": 30, "thirty-five minutes": 35, "forty minutes": 40,
    "three quarters of an hour": 45, "an hour": 60,
}  # fmt: skip


def reading_minutes(name):
    """A chapter's words before its exercises, marks of slides left out, in minutes."""
    text = re.sub(r"(?ms)^:::\{slide\}.*?^:::$", "", PAGES[name].partition("\n## Exercises")[0])
    return sum(len(re.findall(r"[\w'’-]+", words)) for words in page(text).prose) / WORDS_A_MINUTE


def tables(text):
    """The tables of a passage, each a list of rows, each a dict by the headers."""
    found = []
    for block in re.findall(r"(?m)^\|.*\n(?:\|.*\n)+", text):
        header, _, *rows = (line.strip("| ").split(" | ") for line in block.splitlines())
        found.append([dict(zip(header, row, strict=True)) for row in rows])
    return found


def section(title):
    return re.split(rf"(?m)^#+ {title}.*$", TEXT)[1].split("\n## ")[0].split("\n### ")[0]


def labels(cell):
    return re.findall(r"\{ref\}`[^<`]*<(ex-[\w-]+)>`", cell)


def chapters_in(cell):
    return re.findall(r"\]\((\d\d-[\w-]+)\.md\)", cell)


EXERCISES = {name: exercises_of(name) for name in CHAPTERS}
BY_LABEL = {e.label: e for found in EXERCISES.values() for e in found}
GLANCE = dict(zip(CHAPTERS, tables(section("At a glance"))[0], strict=True))
SCHEDULES = {
    weeks: tables(section(f"{weeks} weeks"))[0] for weeks in ("Two", "Four", "Six", "Twelve")
}
NEEDS = {
    name: [NUMBERS[int(n)] for n in re.findall(r"\d+", row["needs"])]
    for name, row in GLANCE.items()
}


@pytest.mark.parametrize("name", CHAPTERS)
def test_exercises_lead_from_a_warm_up_to_an_open_question(name):
    exercises = EXERCISES[name]
    assert len(exercises) >= 4
    assert sum(e.check is not None for e in exercises) >= 2
    assert exercises[0].stars == 1
    assert all(one.stars <= next_.stars for one, next_ in pairwise(exercises))
    assert [e.open for e in exercises] == [False] * (len(exercises) - 1) + [True]


def test_the_page_calls_every_exercise_by_its_title():
    called = re.findall(r"\{ref\}`([^<`]*) <(ex-[\w-]+)>`", TEXT)
    assert set(called) == {(e.title, e.label) for e in BY_LABEL.values()}


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_exercise_assesses_one_goal_of_its_chapter(name):
    (passage,) = re.findall(rf"(?ms)^### \[[^]]*\]\({name}\.md\)$.*?(?=^##)", TEXT)
    (goals,) = tables(passage)
    assessed = [label for row in goals for label in labels(row["assessed by"])]
    assert sorted(assessed) == sorted(e.label for e in EXERCISES[name])
    assert all(labels(row["assessed by"]) for row in goals)


def test_the_labels_for_course_yml_are_those_of_the_chapters_in_their_order():
    rows = tables(section("The labels of exercises"))[0]
    assert [chapters_in(row["chapter"]) for row in rows] == [[name] for name in CHAPTERS]
    for name, row in zip(CHAPTERS, rows, strict=True):
        said = re.findall(r"`(ex-[\w-]+)` \{ref\}`[^<`]*<(ex-[\w-]+)>`", row.popitem()[1])
        assert said == [(e.label, e.label) for e in EXERCISES[name]]
    heading = settings.LABELS.rpartition("under ")[2]
    assert f"\n### {heading}\n" in TEXT  # where a message of course.yml sends its reader


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_needs_what_it_says_and_takes_what_it_holds(name):
    row = GLANCE[name]
    assert chapters_in(row["chapter"]) == [name]
    (readers,) = re.findall(r"(?s)\*\*For\*\*(.*?)\*\*You will", PAGES[name])
    uses = {NUMBERS[int(n)] for n in re.findall(r"\d+", f"{row['needs']} {row['also uses']}")}
    assert uses == set(chapters_in(readers))
    assert abs(int(row["reading (min)"]) - reading_minutes(name)) <= 5
    (told,) = re.findall(r"\*\*It takes\*\* ([a-z -]+) to read", PAGES[name])
    assert abs(TIMES[told] - int(row["reading (min)"])) <= 5
    assert int(row["exercises (min)"]) == sum(MINUTES[e.stars] for e in EXERCISES[name])
    assert int(row["points"]) == sum(e.points for e in EXERCISES[name])
    assert f"../slides/{name}.html" in row["slides"]


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_a_schedule_keeps_the_order_and_adds_up(schedule):
    taught = []
    for row in schedule:
        for first, last in re.findall(r"decks (\d+) to (\d+)", row["in class"]):
            taught += [NUMBERS[n] for n in range(int(first), int(last) + 1)]
        for name in chapters_in(row["read before"]):
            taught.append(name)
            assert set(NEEDS[name]) <= set(taught), f"{name} comes before what it needs"
        given = labels(row["homework"])
        assert set(given) <= {e.label for name in taught for e in EXERCISES[name]}
        reading = [GLANCE[name]["reading (min)"] for name in chapters_in(row["read before"])]
        solving = [MINUTES[BY_LABEL[label].stars] for label in given]
        hours, left = divmod(sum(map(int, reading + solving)), 60)
        told = f"{hours} h {left:02} min" if hours else f"{left} min"
        assert row["outside class"] == told, row


def test_twelve_weeks_have_every_chapter_and_every_exercise_with_a_key():
    read = [name for row in SCHEDULES["Twelve"] for name in chapters_in(row["read before"])]
    assert read == CHAPTERS
    given = [label for row in SCHEDULES["Twelve"] for label in labels(row["homework"])]
    assert given == [e.label for e in BY_LABEL.values() if not e.open]


def test_the_commands_that_publish_a_course_put_the_edition_as_it_is_on_a_branch(tmp_path):
    (block,) = re.findall(r"(?s)   ```bash\n(.*?)   ```", section("Publish the students' edition"))
    bare, student = tmp_path / "bare.git", tmp_path / "book" / "_build" / "course" / "student"
    subprocess.run(["git", "init", "--quiet", "--bare", bare], check=True)
    names = [".nojekyll", "index.html", "_sources/week.ipynb", "new.html"]
    (student / "_sources").mkdir(parents=True)
    commands = textwrap.dedent(block).replace("https://github.com/YOU/shortcuts", bare.as_uri())
    assert commands != textwrap.dedent(block)
    who = {
        f"GIT_{role}_{what}": "a@b.org"
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    for week in (3, 4):  # the second time a page is added
        for name in names[:week]:
            (student / name).write_text(f"{name} {week}", encoding="utf-8")
        subprocess.run(
            ["bash", "-e", "-c", commands], check=True, cwd=tmp_path / "book", env=os.environ | who
        )
        shown = ["git", "-C", str(bare), "ls-tree", "-r", "--name-only", "main"]
        assert subprocess.check_output(shown, text=True).split() == sorted(names[:week])
        log = ["git", "-C", str(bare), "rev-list", "--count", "main"]
        assert subprocess.check_output(log, text=True).strip() == "1"


def test_the_steps_that_publish_the_whole_book_warn_of_its_solutions():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    steps = re.search(r"(?s)^## Publish it yourself.*?(?=^## )", text, re.MULTILINE)[0]
    assert "**This publishes every solution.**" in steps
    (place,) = re.findall(r"\(book/instructors\.md#([\w-]+)\)", steps)
    headings = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    assert place in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}


SLIPS = tables(section("Misconceptions"))[1]


@pytest.mark.parametrize("row", SLIPS, ids=lambda row: row["the slip"])
def test_a_check_answers_a_slip_in_the_words_that_the_page_quotes(row):
    ((name, words),) = re.findall(r"`([\w-]+)`: “(.*)”", row["the check says"])
    assert name in [e.check for e in EXERCISES[NUMBERS[int(row["chapter"])]]]
    assert any(words in CHECKS[name](answer).message for answer, _ in WRONG[name])


def test_every_chapter_has_a_slip():
    assert {int(row["chapter"]) for row in SLIPS} == set(NUMBERS)


@pytest.mark.parametrize("name", ["README.md", "book/grading.md", "book/instructors.md"])
def test_the_grader_is_called_as_it_runs_after_make_book(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    calls = re.findall(r"(\S*)python -m g(?:rading|sutils grade)", text)
    assert calls
    assert {call.lstrip("`(") for call in calls} == {".venv/bin/"}
