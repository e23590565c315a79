"""The question bank, for teachers alone: a file for each chapter in the folder ``teaching``.

Six reading questions, four exam questions, two project ideas. A bet of the chapter's page is asked
in its own words. ``schema.json`` beside the files says what may stand in them.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from tools.course import source

FOLDER = "teaching"
LETTERS = "ABCD"
ROLES = {"fig-": "numref", "eq-": "eq", "def-": "prf:ref", "thm-": "prf:ref"}
ROLES |= {"lem-": "prf:ref", "prop-": "prf:ref"}
OPTION = re.compile(r"^- \[( |x)\] (.*?)(?=^- \[|\Z)", re.DOTALL | re.MULTILINE)


def schema(root: Path) -> dict[str, Any]:
    """Return the JSON schema of the files of the book in `root`."""
    return dict(json.loads((root / FOLDER / "schema.json").read_text(encoding="utf-8")))


def pages(root: Path) -> dict[str, str]:
    """Return the pages of the bank of the book in `root`, in MyST, by the chapters' names.

    Raises:
        ValueError: a file names a bet that its chapter does not have.
    """
    made = {}
    for path in sorted((root / FOLDER).glob("*.yml")):
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        text = (root / "book" / f"{data['chapter']}.md").read_text(encoding="utf-8")
        made[path.stem] = page(data, text)
    return made


def page(data: dict[str, Any], chapter: str) -> str:
    """Return the page of a file; `chapter` is the source of its chapter."""
    title = source.chapter(data["chapter"], chapter).title
    bets = {d.argument: d.body for _, _, d in source._directives(chapter) if d.name == "bet"}
    parts = [f"# Questions on “{title}”", f"For {{doc}}`/book/{data['chapter']}`."]
    parts.append("## Reading questions")
    for at, asked in enumerate(data["reading"], 1):
        if name := asked.get("bet"):
            if name not in bets:
                raise ValueError(f"{data['chapter']} has no bet {name}")
            asked = {**_bet(bets[name]), "see": name}
        parts.append(f"**{at}.** {asked['question']}")
        parts.append("\n".join(map(_answer, LETTERS, asked["answers"])))
        parts.append(f"*Borne out by {_see(asked['see'])}.*")
    parts.append("## Exam questions")
    for at, asked in enumerate(data["exam"], 1):
        parts.append(f"**{at}.** ({asked['points']} points) {asked['question']}")
        parts.append(f"*Answer.* {asked['answer']}")
        parts.append("\n".join(f"- {one['points']}: {one['for']}" for one in asked["marking"]))
        parts.append(f"*Borne out by {_see(asked['see'])}.*")
    parts.append("## Project ideas")
    for idea in data["projects"]:
        parts += [f"### {idea['title']}", idea["question"]]
        words = {"data": "Data", "size": "Size", "first_week": "First week"}
        parts.append("\n".join(f"- **{word}**: {idea[key]}" for key, word in words.items()))
    return "\n\n".join(parts) + "\n"


def _bet(body: str) -> dict[str, Any]:
    """Return a bet as a reading question."""
    answers = []
    for mark, option in OPTION.findall(body):
        said, _, why = option.partition("\n\n")
        words = [" ".join(part.split()) for part in (said, why)]
        answers.append({"right" if mark == "x" else "wrong": words[0], "why": words[1]})
    return {"question": " ".join(body.partition("- [")[0].split()), "answers": answers}


def _answer(letter: str, answer: dict[str, str]) -> str:
    right = "right" in answer
    told = answer["right"] if right else answer["wrong"]
    return f"- **{letter}.** {told} *{'Right' if right else 'Wrong'}:* {answer['why']}"


def _see(place: str) -> str:
    """Return a label as a reference, and a heading in quotes."""
    for start, role in ROLES.items():
        if place.startswith(start):
            return f"{{{role}}}`{place}`"
    return f"“{place}”"
