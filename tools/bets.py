r"""Sphinx extension: a bet, a question with three answers, before the figure that decides it.

    :::{bet} fig-name
    What will the figure show?

    - [ ] One answer.

      Why it is wrong.
    - [x] The right one.

      Why it is right.
    - [ ] A third one.

      Why it is wrong.
    :::

On the page an answer opens by a click or a key; the first that a reader opens, opens the right one,
too (`book.js`). It needs no kernel and stores nothing; without JavaScript, on paper and in the
notebook the answers are folds. `tools.slides` makes of it a slide and its notes, and `bets` gives
those of a page to whoever teaches from it.

>>> [bet] = bets(":::{bet} fig-a\nA?\n- [ ] B\n\n  c\n- [x] D\n\n  e\n- [ ] F\n\n  g\n:::")
>>> bet.question, [answer.text for answer in bet.answers], bet.right
('A?', ['B', 'D', 'F'], 1)
"""

import re
from dataclasses import dataclass
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

LETTERS = "ABC"
TITLE = "Your bet"
FORM = "write '- [ ] an answer' or '- [x] the right one', an empty line, and why, indented by two"
_ITEM = re.compile(r"- \[([ xX])\] +")
_FENCE = re.compile(r"^(:{3,}|`{3,})\{bet\} *(.*)\n((?:.*\n)*?)\1[:`]*[ \t]*$", re.MULTILINE)


class BetError(ValueError):
    """A bet that cannot be one; `line` counts from 0 in its content."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Answer:
    """One answer, in MyST; `line` and `reason_line` are where it and its reason stand."""

    text: str
    reason: str
    right: bool
    line: int
    reason_line: int


@dataclass(frozen=True)
class Bet:
    """A question and three answers, in MyST.

    Attributes:
        figure: the name of the figure that decides.
        question: one paragraph; it starts at line `line`, counted from 0.
        answers: three, one of them right.
    """

    figure: str
    question: str
    answers: tuple[Answer, ...]
    line: int

    @property
    def right(self) -> int:
        """The place of the right answer, from 0."""
        return [answer.right for answer in self.answers].index(True)

    def why(self, answer: Answer) -> str:
        """What an answer opens: what the figure says of it, and the reason."""
        figure = f"{{numref}}`{self.figure}`"
        verdict = f"Yes: {figure} bears it out." if answer.right else f"No, not by {figure}."
        return f"**{verdict}** {answer.reason}"


def read(figure: str, content: str, line: int = 0) -> Bet:
    """Read a bet.

    Args:
        figure: the directive's argument.
        content: what stands in it.
        line: where the content starts, for the lines of what is read.

    Raises:
        BetError: it is malformed; the message says how to mend it.
    """
    lines = content.splitlines()
    starts = [at for at, text in enumerate(lines) if _ITEM.match(text)]
    if not figure:
        raise BetError("a bet needs the name of the figure that decides it: {bet} fig-name")
    if len(starts) != len(LETTERS):
        raise BetError(f"a bet has three answers, got {len(starts)}: {FORM}")
    at, question = _paragraph(lines, 0, starts[0], "a bet starts with its question")
    answers = []
    for first, last in zip(starts, [*starts[1:], len(lines)], strict=True):
        blank = next((n for n in range(first, last) if not lines[n].strip()), last)
        text = " ".join(_ITEM.sub("", one).strip() for one in lines[first:blank])
        try:
            place, reason = _paragraph(lines, blank, last, f"the answer {text!r} has no reason")
        except BetError as error:
            raise BetError(str(error), first) from None
        right = lines[first][3] != " "
        answers.append(Answer(text, reason, right, line + first, line + place))
    count = sum(answer.right for answer in answers)
    if count != 1:
        raise BetError(f"one answer of a bet is right, got {count}: mark it, alone, by '- [x]'")
    return Bet(figure, question, tuple(answers), line + at)


def _paragraph(lines: list[str], first: int, last: int, wanted: str) -> tuple[int, str]:
    """The one paragraph between two lines, and where it starts."""
    full = [n for n in range(first, last) if lines[n].strip()]
    if not full:
        raise BetError(f"{wanted}: {FORM}", first)
    text = " ".join(lines[n].strip() for n in full)
    if full[-1] - full[0] + 1 != len(full):
        raise BetError(f"more than one paragraph in {text[:40]!r}: leave the empty line out", first)
    return full[0], text


def bets(text: str, source: str = "") -> list[Bet]:
    """The bets of a page, in order, from its MyST source.

    Raises:
        BetError: one is malformed; the message names the line and, if given, the `source`.
    """
    found = []
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        try:
            found.append(read(match[2].strip(), match[3], line))
        except BetError as error:
            raise BetError(f"{source}:{line + 1 + error.line}: {error}") from None
    return found


class bet(nodes.General, nodes.Element):
    """A bet: first its question, a paragraph, then the answers; `figure` decides."""


class answer(nodes.General, nodes.Element):
    """An answer: its text, a `choice`, and the reason; `letter`, and whether it is `right`."""


class choice(nodes.General, nodes.TextElement):
    """The text of an answer, with its `letter`: what a click or a key opens."""


class BetDirective(SphinxDirective):
    """The directive ``bet``: its argument names the figure, its content asks and answers."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the bet."""
        (figure,) = self.arguments
        try:
            found = read(figure, "\n".join(self.content))
        except BetError as error:
            raise self.error(str(error)) from None
        name = nodes.make_id(f"bet-{figure.removeprefix('fig-')}")
        box = bet("", self._parsed(found.question, found.line), ids=[name], figure=figure)
        self.set_source_info(box)
        for letter, one in zip(LETTERS, found.answers, strict=True):
            text = choice("", "", *self._parsed(one.text, one.line).children, letter=letter)
            reason = self._parsed(found.why(one), one.reason_line)
            box += answer("", text, reason, letter=letter, right=one.right)
        return [box]

    def _parsed(self, text: str, line: int) -> nodes.Element:
        """A paragraph of the content, parsed."""
        box, (source, _) = nodes.Element(), self.get_source_info()
        self.state.nested_parse(StringList([text], source), self.content_offset + line, box)
        if len(box) != 1 or not isinstance(box[0], nodes.paragraph):
            raise self.error(f"{text[:40]!r} must be a paragraph: write it in words")
        return box[0]


def visit_bet(self: Any, node: bet) -> None:
    """Open the group, which its question names."""
    (name,) = node["ids"]
    self.body.append(
        f'<div class="gs-bet" id="{name}" role="group" aria-labelledby="{name}-question">\n'
        f'<p class="gs-bet-title">{TITLE}</p>\n<div id="{name}-question">'
    )


def depart_bet(self: Any, node: bet) -> None:
    """Leave room for the sentence that says what was bet on, and close the group."""
    self.body.append('<p class="gs-bet-said" role="status"></p></div>\n')


def visit_answer(self: Any, node: answer) -> None:
    """Open the fold; with the first one the question ends."""
    ends = "</div>\n" if node["letter"] == LETTERS[0] else ""
    right = " data-right" if node["right"] else ""
    self.body.append(f'{ends}<details class="gs-answer"{right}>')


def depart_answer(self: Any, node: answer) -> None:
    """Close the fold."""
    self.body.append("</details>\n")


def visit_choice(self: Any, node: choice) -> None:
    """Open the line of a fold that is always seen."""
    self.body.append(f'<summary><b class="gs-letter">{node["letter"]}</b> <span>')


def depart_choice(self: Any, node: choice) -> None:
    """Close it."""
    self.body.append("</span></summary>\n")


def plainly(self: Any, node: nodes.Node) -> None:
    """Of other books, show what is inside."""


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    plain = (plainly, plainly)
    app.add_node(bet, html=(visit_bet, depart_bet), latex=plain, text=plain)
    app.add_node(answer, html=(visit_answer, depart_answer), latex=plain, text=plain)
    app.add_node(choice, html=(visit_choice, depart_choice), latex=plain, text=plain)
    app.add_directive("bet", BetDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
