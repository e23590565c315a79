"""The question bank: complete, borne out by its chapters, and not to be guessed by its looks."""

import re

import pytest
import yaml
from conftest import ROOT

from tools.course import bank, source
from tools.course.marked import Marked

FILES = {path.stem: path for path in sorted((ROOT / bank.FOLDER).glob("*.yml"))}
CHAPTERS = {c.name: c for c in source.chapters(ROOT)}
SOURCES = {name: (ROOT / "book" / f"{name}.md").read_text(encoding="utf-8") for name in CHAPTERS}
BANK = {name: yaml.safe_load(path.read_text(encoding="utf-8")) for name, path in FILES.items()}
READING = [q for data in BANK.values() for q in data["reading"] if "question" in q]


def test_every_chapter_has_its_questions():
    assert list(FILES) == list(CHAPTERS) == [data["chapter"] for data in BANK.values()]


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_as_its_schema_says(name):
    text = FILES[name].read_text(encoding="utf-8")
    assert Marked(text).mistakes(bank.schema(ROOT)) == []


def test_a_mistake_would_be_found():
    text = FILES["01-clever-hans"].read_text(encoding="utf-8")
    without = text.replace("  see: fig-robustness\n", "", 1)
    two = text.replace("- wrong:", "- right:", 1)
    assert all(Marked(wrong).mistakes(bank.schema(ROOT)) for wrong in (without, two))


@pytest.mark.parametrize("name", FILES)
def test_a_question_names_a_place_in_its_chapter(name):
    text = SOURCES[name]
    labels = set(
        re.findall(r"^:label: (\S+)|^ *:?name: (\S+)|\((eq-[\w-]+)\)$", text, re.MULTILINE)
    )
    labels = {label for found in labels for label in found if label}
    headings = {h.strip() for h in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    headings |= set(re.findall(r"^```\{admonition\} (.+)$", text, re.MULTILINE))
    for asked in [*BANK[name]["reading"], *BANK[name]["exam"]]:
        assert asked.get("see", asked.get("bet")) in labels | headings


@pytest.mark.parametrize("name", FILES)
def test_one_reading_question_is_the_bet_of_the_page(name):
    (bet,) = re.findall(r"^:::\{bet\} (\S+)$", SOURCES[name], re.MULTILINE)
    assert [q["bet"] for q in BANK[name]["reading"] if "bet" in q] == [bet]


@pytest.mark.parametrize("name", FILES)
def test_the_points_of_an_exam_question_add_up(name):
    for asked in BANK[name]["exam"]:
        assert sum(mark["points"] for mark in asked["marking"]) == asked["points"]


def test_nobody_guesses_the_answer_by_its_place_or_its_length():
    places = [["right" in a for a in q["answers"]].index(True) for q in READING]
    longest = [
        max(q["answers"], key=lambda a: len(a.get("right", a.get("wrong")))) for q in READING
    ]
    for place in range(4):
        assert 0.1 < places.count(place) / len(places) < 0.4
    assert sum("right" in answer for answer in longest) / len(READING) < 0.4


def test_a_page_has_all_of_its_file_and_the_bet_in_the_chapters_words():
    made = bank.pages(ROOT)
    assert list(made) == list(FILES)
    for name, text in made.items():
        data = BANK[name]
        assert text.count("*Right:*") == len(data["reading"])
        for idea in data["projects"]:
            assert all(words in text for words in idea.values())
    assert "It straightens, close to the points. *Right:*" in made["01-clever-hans"]


def test_a_bet_that_a_chapter_does_not_have_is_said():
    data = {**BANK["01-clever-hans"], "reading": [{"bet": "fig-no"}]}
    with pytest.raises(ValueError, match="01-clever-hans has no bet fig-no"):
        bank.page(data, SOURCES["01-clever-hans"])
