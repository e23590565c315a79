r"""What the other modules share: MyST as it is written, and a page that is being converted.

>>> d = Directive.read("{figure} a.png", ":alt: A picture\n\nA *caption*.", 6)
>>> d.name, d.argument, d.options, d.body, d.body_line
('figure', 'a.png', {'alt': 'A picture'}, 'A *caption*.', 9)
"""

import posixpath
import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import yaml
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

EXTENSIONS = {"amsmath", "attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath"}
EXTENSIONS |= {"html_image", "substitution", "tasklist"}
REFERENCE_ROLES = {"eq", "numref", "ref", "doc", "any", "download", "term", "prf:ref"}
REFERENCE_ROLES |= {"cite", "cite:t", "cite:p", "cite:ts", "cite:ps"}
TEXT_ROLES = {"abbr", "kbd", "sub", "sup", "subscript", "superscript", "guilabel"}
INLINE_RULES = {"myst_role", "link", "image", "math_inline", "attr", "span", "autolink"}
INLINE_RULES |= {"substitution_inline", "html_inline"}
GLUED = re.compile("\ue000(.*?)\ue001")  # the place of a glued value, until the cell is written
LEFT_OVER = re.compile(r"\{[a-z][a-z:-]*\}`|^[ \t>]*(?::::|```+\{)", re.MULTILINE)


class SourceError(ValueError):
    """A chapter holds something that has no place in a notebook; names the file and the line."""


@dataclass
class Facts:
    """What the built book says on one page, read by `numbers`."""

    inline: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


@dataclass
class Site:
    """Where a page (`docname`) and the repository's files are found online."""

    pages: str
    files: str
    docname: str

    @property
    def page(self) -> str:
        """The address of the page."""
        return f"{self.pages}{self.docname}.html"

    def file(self, path: str) -> str:
        """The address of a file named in the page: relative to it, or from the root with "/"."""
        if "://" in path:
            return path
        folder = "" if path.startswith("/") else posixpath.dirname(self.docname)
        return urljoin(self.files, posixpath.normpath(posixpath.join(folder, path.lstrip("/"))))


@dataclass
class Directive:
    """A directive as written: `line` is where it opens, `body_line` where its body starts."""

    name: str
    argument: str
    options: dict[str, Any]
    body: str
    line: int
    body_line: int

    @classmethod
    def read(cls, info: str, content: str, line: int) -> "Directive":
        """Split a fence into the directive's parts."""
        name, argument = info.strip()[1:].split("}", 1)
        lines = content.splitlines()
        count = 0
        options: dict[str, Any] = {}
        if lines and lines[0].startswith("---"):
            count = lines.index("---", 1) + 1
            options = yaml.safe_load("\n".join(lines[1 : count - 1])) or {}
        else:
            while count < len(lines) and (m := re.match(r"\s*:([\w-]+):\s*(.*)", lines[count])):
                options[m[1]] = m[2]
                count += 1
        while count < len(lines) and not lines[count].strip():
            count += 1
        body = "\n".join(lines[count:])
        return cls(name.strip(), argument.strip(), options, body, line, line + 1 + count)

    def has_class(self, name: str) -> bool:
        """Whether the option `class` holds a name."""
        return name in str(self.options.get("class", "")).split()


def parser(config: MdParserConfig | None = None) -> MarkdownIt:
    """The book's Markdown parser, which also records where the inline constructs stand.

    Parsing the content of an inline token fills ``env["spans"]`` with (start, end, rule, token).
    """
    config = config or MdParserConfig(enable_extensions=EXTENSIONS)
    md = create_md_parser(config, RendererHTML)
    md.core.ruler.disable(["inline", "attr", "github-tasklists"], ignoreInvalid=True)

    def recording(name: str, rule: Callable[..., bool]) -> Callable[..., bool]:
        def run(state: StateInline, silent: bool) -> bool:
            start, count, flushed = state.pos, len(state.tokens), bool(state.pending)
            found = rule(state, silent)
            if found and not silent and state.src == state.env["content"]:
                token = state.tokens[count + flushed] if len(state.tokens) > count else None
                state.env["spans"].append((start, state.pos, name, token))
            return found

        return run

    for rule in md.inline.ruler.__rules__:
        if rule.name in INLINE_RULES:
            md.inline.ruler.at(rule.name, recording(rule.name, rule.fn), {"alt": rule.alt})
    return md


def formula_key(latex: str) -> str:
    """A formula without white space, to compare the source with the book."""
    return "".join(latex.split())


class Page(ABC):
    """What a page on its way to a notebook knows, and what the book says of it.

    Args:
        source: the file's name, for messages.
        site: where the page and the repository's files are online.
        md: from `parser`.
        facts: what the built book says; None to collect the passages to ask for in `wanted`.
        macros: TeX macros of the book without arguments, name to meaning; spelled out.
    """

    def __init__(
        self,
        source: str,
        site: Site,
        md: MarkdownIt | None = None,
        facts: Facts | None = None,
        macros: dict[str, str] | None = None,
    ) -> None:
        self.source, self.site, self.md, self.facts = source, site, md or parser(), facts
        self.macros = macros or {}
        self.wanted: list[str] = []
        self.numbers = {k: deque(v) for k, v in facts.numbers.items()} if facts else {}
        self.labels: dict[str, str] = {}  # the numbers of figures and theorems, by label
        self.titles: dict[str, str] = {}  # of the exercises, by label
        self.exercises: dict[str, str] = {}  # as they were converted, by label
        self.solutions: dict[str, str] = {}  # the same, by the exercise's label

    def error(self, line: int, message: str) -> SourceError:
        """An error at a line of the source, counted from 0 as the parser does."""
        return SourceError(f"{self.source}:{line + 1}: {message}")

    @abstractmethod
    def text(self, text: str, line: int = 0) -> str:
        """A passage converted, as one text."""

    def fact(self, passage: str, line: int) -> str:
        """What stands in the built book in place of a role or a link."""
        passage = " ".join(passage.split())
        if self.facts is None:
            self.wanted.append(passage)
            return ""
        if not (text := self.facts.inline.get(passage)):
            raise self.error(line, f"{passage} leads nowhere in the book: correct its target")
        return text

    def number(self, kind: str, key: str, line: int) -> str:
        """The number of the next block of a kind; `key` is compared with the book's own block."""
        if self.facts is None:
            return ""
        queue = self.numbers.get(kind)
        found, number = queue.popleft() if queue else ("nothing", "")
        if found != key:
            raise self.error(line, f"the book has {found!r} where the source has {key!r} ({kind})")
        return number

    def expand(self, latex: str, line: int) -> str:
        """A formula with the book's own macros spelled out: a notebook does not know them."""
        for name, meaning in self.macros.items():
            pattern = rf"\\{name}(?![A-Za-z])"
            if re.search(pattern, latex) and not isinstance(meaning, str):
                raise self.error(line, f"the macro \\{name} takes arguments: spell it out")
            latex = re.sub(pattern, str(meaning).replace("\\", r"\\"), latex)
        return latex

    def display(self, latex: str, numbered: bool, line: int) -> str:
        r"""A displayed formula between ``$$``, with ``\tag`` where the book numbers it."""
        number = self.number("displaymath", formula_key(latex), line) if numbered else ""
        latex = re.sub(r"(?<!\\)%.*", "", latex)
        latex = "\n".join(one.rstrip() for one in latex.strip().splitlines() if one.strip())
        latex = self.expand(latex, line)
        if outer := re.fullmatch(
            r"\\begin\{(align|alignat|gather|equation)\*?\}(.*)\\end\{\1\*?\}", latex, re.DOTALL
        ):
            latex = outer[2].strip("\n")
            if outer[1] != "equation":
                latex = f"\\begin{{{outer[1]}ed}}{outer[2]}\\end{{{outer[1]}ed}}"
        elif r"\\" in latex and r"\begin" not in latex:
            latex = f"\\begin{{aligned}}\n{latex}\n\\end{{aligned}}"
        return f"$$\n{latex}\n" + (f"\\tag{{{number}}}\n" if number else "") + "$$"

    def online_only(self) -> str:
        """The sentence that stands for what only a web page can hold."""
        return f"*This part is interactive: see [the page online]({self.site.page}).*"
