r"""The exercises and solutions of a chapter's source: found, taken out, or opened.

>>> text = "# A\n\n:::{exercise} Add\n:label: ex-add\n:::\n\n"
>>> text += ":::{solution} ex-add\nOne.\n:::\n\nEnd.\n"
>>> chapter("01-a", text).exercises
[Exercise(label='ex-add', chapter='01-a', check='')]
>>> for_students(text, {"ex-add"})
'# A\n\n:::{exercise} Add\n:label: ex-add\n:::\n\n\nEnd.\n'
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from markdown_it.token import Token

from tools import notebooks
from tools.notebooks.syntax import Directive, SourceError, parser

TAG = "exercise-"
HEADING = re.compile(r"(★*) *(.*?)( \(open\))?")
POINTS_OF_AN_OPEN_QUESTION = 6


@dataclass(frozen=True)
class Exercise:
    """An exercise: its label, the name of its chapter, and of the check of its code or "".

    Of its heading it has the title, the number of stars, and whether it is an open question.
    """

    label: str
    chapter: str
    check: str = ""
    title: str = field(default="", repr=False)
    stars: int = field(default=1, repr=False)
    open: bool = field(default=False, repr=False)

    @property
    def points(self) -> int:
        """What it is worth unless a course says otherwise: a point a star, six if it is open."""
        return POINTS_OF_AN_OPEN_QUESTION if self.open else self.stars


@dataclass(frozen=True)
class Chapter:
    """A chapter: its name such as 01-clever-hans, its title, its exercises."""

    name: str
    title: str
    exercises: list[Exercise] = field(default_factory=list, hash=False)


def chapters(root: Path) -> list[Chapter]:
    """Return the chapters of the book in `root` that have exercises, in their order."""
    sources = notebooks.chapters(root).values()
    found = [chapter(path.stem, path.read_text(encoding="utf-8")) for path in sources]
    return [chapter for chapter in found if chapter.exercises]


def chapter(name: str, text: str) -> Chapter:
    """Return what a chapter's source holds."""
    first = re.search(r"^# (.+)$", text, re.MULTILINE)
    exercises: list[Exercise] = []
    for _, _, directive in _directives(text):
        if directive.name == "exercise":
            heading = HEADING.fullmatch(directive.argument.strip())
            stars, title, is_open = heading.groups() if heading else ("", "", None)
            label = str(directive.options.get("label", ""))
            exercises.append(Exercise(label, name, "", title, len(stars) or 1, is_open is not None))
        elif directive.name == "code-cell" and exercises:
            tags = re.findall(rf"\b{TAG}([\w-]+)", str(directive.options.get("tags", "")))
            exercises[-1:] = [replace(exercises[-1], check=tag) for tag in tags] or exercises[-1:]
    return Chapter(name, first[1] if first else name, exercises)


@dataclass(frozen=True)
class Statement:
    """An exercise as its chapter states it.

    Attributes:
        text: in MyST.
        cells: the chapter's code that belongs to it, besides the cell for its answer.
        questions: those to answer in words, from its comments ``% words: …``.
    """

    text: str
    cells: list[str]
    questions: list[str]


def statement(text: str, label: str) -> Statement:
    """Return the exercise with a label, from its chapter's source."""
    found, cells, inside = "", [], False
    for _, _, directive in _directives(text):
        if directive.name in ("exercise", "solution"):
            inside = directive.name == "exercise" and directive.options.get("label") == label
            found = directive.body if inside else found
        elif inside and directive.name == "code-cell" and TAG not in str(directive.options):
            cells.append(directive.body)
    return Statement(found, cells, re.findall(r"^% words: (.+)$", found, re.MULTILINE))


def for_students(text: str, hidden: Collection[str], source: str = "") -> str:
    """Return a chapter's source without hidden solutions, given by the labels of their exercises.

    The marks for slides go too: they hold notes for the lecturer.

    Raises:
        SourceError: one of these stands inside something else, where it would be missed.
    """

    def unwanted(name: str, argument: str) -> bool:
        return name == "slide" or (name == "solution" and argument in hidden)

    lines = text.splitlines(keepends=True)
    for first, last, directive in reversed(_directives(text)):
        if unwanted(directive.name, directive.argument):
            del lines[first:last]
    kept = "".join(lines)
    for left in re.finditer(r"[:`]{3,}\{(slide|solution)\} *(\S*)", kept):
        if unwanted(*left.groups()):
            what = text.find(left[0])
            line = 1 + text.count("\n", 0, what)
            raise SourceError(f"{source}:{line}: {left[0]} inside a block: let it stand by itself")
    return kept


def opened(text: str) -> str:
    """Return a chapter's source with its solutions open instead of collapsed."""
    lines = text.splitlines(keepends=True)
    for first, last, directive in _directives(text):
        if directive.name == "solution":
            lines[first:last] = [
                line if line.strip() != ":class: dropdown" else "\n" for line in lines[first:last]
            ]
    return "".join(lines)


def code(text: str) -> str:
    """Return the code of a page's cells, as one program; magics and shell commands do nothing."""
    cells = [d.body for _, _, d in _directives(text) if d.name == "code-cell"]
    return re.sub(r"^( *)[%!].*", r"\1pass", "\n".join(cells), flags=re.MULTILINE)


def answers(text: str) -> dict[str, str]:
    """Return the code of a page's solutions, by the labels of their exercises."""
    found = {}
    for _, _, directive in _directives(text):
        if directive.name == "solution":
            blocks = re.findall(r"(?ms)^```python\n(.*?)^```", directive.body)
            if blocks:
                found[directive.argument] = "\n".join(blocks)
    return found


@cache
def blocks(text: str) -> tuple[Token, ...]:
    """Return the blocks of a chapter's source that stand by themselves, with their lines."""
    return tuple(token for token in parser().parse(text) if token.map and token.level == 0)


@cache
def _directives(text: str) -> tuple[tuple[int, int, Directive], ...]:
    """Return the directives that stand by themselves, with their first line and the one after."""
    return tuple(_found(text))


def _found(text: str) -> Iterator[tuple[int, int, Directive]]:
    for token in blocks(text):
        fenced = token.type in ("fence", "colon_fence") and token.info.strip().startswith("{")
        if fenced and token.map:
            first, last = token.map
            yield first, last, Directive.read(token.info, token.content, first)
