r"""What an exercise refers to, taken from the chapters: formulas, theorems and figures by label.

A passage is printed as its chapter has it: a formula with the paragraph that leads to it and the
end of its sentence, a definition or theorem in full, a figure as the picture of the last build with
its caption. What a passage refers to is printed, too, so that no number stands alone.

>>> references("Derive {eq}`eq-a` under Eq. 9, as in {numref}`fig-b`.")
['eq-a', 'eq-dual-flow', 'fig-b']
"""

import base64
import io
import re
from dataclasses import dataclass
from pathlib import Path

from bs4 import BeautifulSoup
from markdown_it.token import Token
from myst_nb.core.read import read_myst_markdown_notebook
from PIL import Image

from tools.course.source import blocks
from tools.notebooks import values
from tools.notebooks.markdown import Chapter
from tools.notebooks.syntax import GLUED, Directive, Facts

# The names that the paper gives them, by which chapters call them, too.
PAPER = {
    "Eq. 3": "eq-ntk-linear", "Eq. 4": "eq-ntk-response", "Eq. 5": "eq-dual-loss",
    "Eq. 8": "eq-dual-dual", "Eq. 9": "eq-dual-flow", "Eq. 10": "eq-pert-taylor",
    "Eq. 11": "eq-dual-response", "Eq. 12": "eq-pert-lambert", "Eq. 13": "eq-pert-lambert",
    "Eq. 14": "lem-pert-newton", "Eq. 15": "eq-dual-coupling", "Eq. 16": "thm-pert-paper",
    "Eq. 17": "eq-sd-loss", "Eq. 18": "prop-sd-cancellation", "Definition 1": "def-features",
    "Definition 2": "def-starvation", "Theorem 1": "thm-pert-attract",
    "Theorem 2": "thm-pert-paper", "Lemma 1": "lem-pert-newton",
}  # fmt: skip
_NAME = re.compile(r"\b(?:Eq\. \d+(?: and \d+)*|(?:Definition|Theorem|Lemma) [12])")
_ROLE = re.compile(r"\{(?:eq|numref|prf:ref)\}`(?:[^`<]*<)?([\w-]+)>?`")
_LABEL = re.compile(r"^:label: ([\w-]+)", re.MULTILINE)
_SHOWS = re.compile(r"^% shows: (.+)$", re.MULTILINE)
WIDTH = 1000  # pixels of a figure; a notebook that is handed in should be small
SEPARATE = {"slide", "bet"}  # blocks between a formula and what leads to it


def named(text: str) -> dict[str, str]:
    """The labels of what a passage of MyST calls by the paper's name, by these names."""
    found: dict[str, str] = {}
    for match in _NAME.finditer(text):
        kind, *numbers = re.findall(r"\w+\.?", match[0].replace("and", ""))
        found |= {f"{kind} {n}": PAPER[f"{kind} {n}"] for n in numbers if f"{kind} {n}" in PAPER}
    return found


def references(text: str) -> list[str]:
    """The labels that a passage of MyST refers to, and those that it is to be shown with."""
    found: dict[int, list[str]] = {}
    for match in _ROLE.finditer(text):
        found[match.start()] = [match[1]]
    for match in _NAME.finditer(text):
        found[match.start()] = list(named(match[0]).values())
    for match in _SHOWS.finditer(text):
        found[match.start()] = match[1].split()
    return list(dict.fromkeys(label for _, labels in sorted(found.items()) for label in labels))


@dataclass(frozen=True)
class Passage:
    """A passage as plain Markdown, and as MyST."""

    text: str
    source: str


class _Fragment(Chapter):
    """A part of a chapter: its formulas are numbered by what they are, the rest by its label."""

    def __init__(self, chapter: Chapter, label: str) -> None:
        super().__init__(chapter.source, chapter.site, chapter.md, chapter.facts, chapter.macros)
        self.given = chapter.labels.get(label, "")

    def display(self, latex: str, numbered: bool, line: int) -> str:
        """See `Page.display`; no tag where Sphinx splits a formula, on the course's site."""
        shown = super().display(latex, numbered, line)
        return re.sub(r"\\tag\{(.*?)\}", r"\\qquad\\text{(\1)}", shown) if r"\\" in shown else shown

    def number(self, kind: str, key: str, line: int) -> str:
        if kind != "displaymath":
            return self.given
        facts = self.facts or Facts()
        return next((n for found, n in facts.numbers.get(kind, []) if found == key), "")


class Passages:
    """The passages of a book.

    Args:
        chapters: by name, each chapter's source and the chapter as it was converted.
        build: the folder of the built book, which has figures and the values that texts quote.
    """

    def __init__(self, chapters: dict[str, tuple[str, Chapter]], build: Path) -> None:
        self.chapters, self.build = chapters, build
        self.home: dict[str, str] = {}
        self.inside: dict[str, str] = {}  # of which theorem a formula is a part
        for name, (text, _) in chapters.items():
            found = re.findall(r"^\$\$ \(([\w-]+)\)|^:label: ([\w-]+)|^    name: (\S+)", text, re.M)
            self.home |= {label: name for labels in found for label in labels if label}
            for token in blocks(text):
                if _name(token).startswith("prf:") and (own := re.search(_LABEL, token.content)):
                    parts = re.findall(r"^\$\$ \(([\w-]+)\)", token.content, re.MULTILINE)
                    self.inside |= dict.fromkeys(parts, own[1])

    def needed(self, text: str) -> dict[str, str]:
        """All that a passage of MyST refers to, and what that refers to, by label in order.

        Raises:
            ValueError: a label is that of nothing that can be printed.
        """
        found: dict[str, str] = {}
        todo, names = [(label, True) for label in references(text)], named(text)
        while todo:
            label, direct = todo.pop(0)
            label = self.inside.get(label, label)
            if label in found or label.startswith("ex-"):
                continue
            passage = self.passage(label, direct)
            found[label] = passage.text
            todo += [(other, False) for other in references(passage.source) if other != label]
            names |= named(passage.source)
        for name, label in names.items():
            label = self.inside.get(label, label)
            if name not in found[label]:
                found[label] = f"*{name} of the paper:*\n\n{found[label]}"
        return found

    def passage(self, label: str, lead: bool = True) -> Passage:
        """The passage with a label; a formula without `lead` stands alone.

        Raises:
            ValueError: there is none.
        """
        if label not in self.home:
            raise ValueError(f"{label} is no formula, theorem or figure of a chapter")
        text, chapter = self.chapters[self.home[label]]
        if label.startswith("fig-"):
            return self._figure(label, text, chapter)
        raw = _cut(text, label, lead)
        shown = self._filled(_Fragment(chapter, label).text(raw), chapter)
        return Passage(shown, raw)

    def _filled(self, text: str, chapter: Chapter) -> str:
        if not GLUED.search(text):
            return text
        glued = values.read(self.build, chapter.site.docname)
        return values.fill(text, glued, chapter.source)

    def _figure(self, label: str, text: str, chapter: Chapter) -> Passage:
        """A figure as the picture of the last build, its caption, and its words."""
        page = self.build / "html" / f"{chapter.site.docname}.html"
        found = re.search(rf'<figure[^>]* id="{label}".*?</figure>', page.read_text("utf-8"), re.S)
        image = BeautifulSoup(found[0] if found else "", "html.parser").img
        if not image:
            raise ValueError(f"{label} has no picture in {page.name}: make book")
        cells = [c for c in read_myst_markdown_notebook(text).cells if c.cell_type == "code"]
        shown = [cell.metadata.get("mystnb", {}).get("figure", {}) for cell in cells]
        raw = next(figure["caption"] for figure in shown if figure.get("name") == label)
        caption = self._filled(_Fragment(chapter, label).text(raw), chapter)
        alt = re.sub(r"[][]", "", str(image.get("alt", "")))
        picture = f"![{alt}]({small(page.parent / str(image['src']))})"
        return Passage(f"{picture}\n\n**{chapter.labels[label]}.** {caption}", raw)


def small(picture: Path) -> str:
    """A PNG as the address of a smaller one, of 64 colours, which holds it."""
    image = Image.open(picture).convert("RGB")
    image.thumbnail((WIDTH, 4 * WIDTH))
    made = io.BytesIO()
    image.quantize(64).save(made, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(made.getvalue()).decode()


def _cut(text: str, label: str, lead: bool) -> str:
    """The source of a formula or theorem, with what leads to it."""
    lines, tokens = text.splitlines(), blocks(text)
    place = next(i for i, token in enumerate(tokens) if _holds(token, label))
    token, parts = tokens[place], [tokens[place]]
    name = _name(token)
    if token.type != "math_block_label" and not name.startswith("prf:"):
        inside = Directive.read(token.info, token.content, 0).body if name else ""
        return _cut(inside, label, lead) if name else _formula(label, text)
    if lead or name:
        before = place - 1
        while before >= 0 and (
            _name(tokens[before]) in SEPARATE or tokens[before].type == "myst_line_comment"
        ):
            before -= 1
        if before >= 0 and tokens[before].type == "paragraph_open":
            parts.insert(0, tokens[before])
    pieces = [_source(part, lines) for part in parts]
    if lead and not name and place + 1 < len(tokens):
        pieces.append(_end_of_sentence(tokens[place + 1], lines))
    return "\n\n".join(filter(None, pieces))


def _name(token: Token) -> str:
    """The name of the directive that a block is, or ""."""
    found = re.match(r"\{([\w:-]+)\}", token.info.strip()) if token.type.endswith("fence") else None
    return found[1] if found else ""


def _holds(token: Token, label: str) -> bool:
    if token.type == "math_block_label":
        return token.info == label
    return bool(re.search(rf"^(:label: {label}|.*\$\$ \({label}\))$", token.content, re.MULTILINE))


def _source(token: Token, lines: list[str]) -> str:
    assert token.map is not None
    return "\n".join(lines[slice(*token.map)]).strip("\n")


def _end_of_sentence(token: Token, lines: list[str]) -> str:
    """What follows a formula and ends its sentence, or nothing."""
    text = _source(token, lines) if token.type == "paragraph_open" else ""
    if not re.match(r"[a-z]|\$[^$]+\$ [a-z]", text):
        return ""
    return re.split(r"(?<=[.?)])\s+(?=[A-Z*$])", text.replace("\n", " "))[0]


def _formula(label: str, text: str) -> str:
    """A formula that stands inside of something else, alone."""
    end = text.index(f"$$ ({label})")
    inside = text[text.rindex("$$", 0, end) : end].splitlines()
    return "\n".join([*(line.strip() for line in inside), f"$$ ({label})"])
