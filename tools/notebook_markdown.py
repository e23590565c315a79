r"""MyST Markdown turned into the plain Markdown that Colab, Jupyter and GitHub show.

The text is parsed by the book's own parser (markdown-it with MyST's plugins), which says where each
role, link, formula and directive stands. Only those places are rewritten; all else stays as the
author wrote it, and nothing inside code is touched. What an unknown role or directive means is
not guessed: it is an error that names the file and the line.

>>> text = "*A* ``{eq}`x` `` is {math}`x`.\n\n:::{tip}\nUse `lam`.\n:::"
>>> chapter = Chapter("a.md", Site("https://example.org/", "https://example.org/raw/", "book/a"))
>>> print(chapter.text(text))
*A* ``{eq}`x` `` is $x$.
<BLANKLINE>
> **Tip**
>
> Use `lam`.

What a reference says is taken from the built book, in `Facts`; without it, a chapter only
collects, in `wanted`, the passages that Sphinx has to resolve.
"""

import posixpath
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import yaml
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from tools.notebook_directives import DIRECTIVES, flat

EXTENSIONS = {"amsmath", "attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath"}
EXTENSIONS |= {"html_image", "substitution", "tasklist"}
REFERENCE_ROLES = {"eq", "numref", "ref", "doc", "any", "download", "term", "prf:ref"}
REFERENCE_ROLES |= {"cite", "cite:t", "cite:p", "cite:ts", "cite:ps"}
TEXT_ROLES = {"abbr", "kbd", "sub", "sup", "subscript", "superscript", "guilabel"}
INLINE_RULES = {"myst_role", "link", "image", "math_inline", "attr", "span", "autolink"}
INLINE_RULES |= {"substitution_inline", "html_inline"}
GLUED = re.compile("\ue000(.*?)\ue001")  # the place of a glued value, until the cell is written
_ITEM = re.compile(r"[ >]*(?:(?:[-*+:]|\d+[.)])[ >]+)*")  # what stands before a nested block
LEFT_OVER = re.compile(r"\{[a-z][a-z:-]*\}`|^[ \t>]*(?::::|```+\{)", re.MULTILINE)


class SourceError(ValueError):
    """A chapter holds something that has no place in a notebook; names the file and the line."""


@dataclass
class Facts:
    """What the built book says on one page, read by `notebook_numbers`."""

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


class Chapter:
    """One page on its way to a notebook.

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
        self.titles: dict[str, str] = {}  # of the exercises, by label
        self.exercises: dict[str, str] = {}  # as they were converted, by label
        self.solutions: dict[str, str] = {}  # the same, by the exercise's label

    def error(self, line: int, message: str) -> SourceError:
        """An error at a line of the source, counted from 0 as the parser does."""
        return SourceError(f"{self.source}:{line + 1}: {message}")

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

    def text(self, text: str, line: int = 0) -> str:
        """A passage converted, as one text."""
        return "".join(self.blocks(text, line)).strip("\n")

    def blocks(self, text: str, line: int = 0) -> list[str]:
        """The converted root blocks of a passage that starts at a line; joined, they are the text.

        Raises:
            SourceError: an unknown role or directive, or a reference that leads nowhere.
        """
        lines = text.splitlines()
        starts = [0]
        for one in lines:
            starts.append(starts[-1] + len(one) + 1)
        env: dict[str, Any] = {}
        edits: list[tuple[int, int, str]] = []
        roots = {0: False}  # where each root block starts, and whether it is replaced as a whole
        cursor: dict[int, int] = {}  # how far each line of a table has been read
        before = ""
        for token in self.md.parse(text, env):
            kind, before = before, token.type
            if token.map is None:
                continue
            first, last = token.map
            if token.level == 0:
                roots[starts[first] if first else 0] = False
            if token.type == "inline":
                in_row = kind in ("th_open", "td_open")
                at = _places(token, lines, starts, cursor if in_row else None)
                for start, end, new in self.inline_edits(token, env, line):
                    edits.append((at[start], at[end - 1] + 1, new))
                continue
            if token.type == "amsmath":  # its map leaves the last line out
                last = first + token.content.count("\n") + 1
            while last > first + 1 and not lines[last - 1].strip(" >"):
                last -= 1
            mark = _ITEM.match(lines[first]) if token.level else None
            column = mark.end() if mark else 0
            raw = "\n".join([lines[first][column:], *lines[first + 1 : last]])
            replacement = self.block(token, raw, line + first)
            if replacement is not None:
                prefix = re.sub(r"[^ >]", " ", lines[first][:column])
                replacement = flat(replacement) if ">" in prefix else replacement
                replacement = replacement.replace("\n", "\n" + prefix)
                replacement = re.sub(r"^ +$", "", replacement, flags=re.MULTILINE)
                edits.append((starts[first] + column, starts[last] - 1, replacement))
                roots |= {starts[first]: True} if token.level == 0 else {}
        return _apply(text, edits, roots)

    def inline_edits(
        self, token: Token, env: dict[str, Any], line: int
    ) -> list[tuple[int, int, str]]:
        """Replacements (start, end, new text) in the content of an inline token."""
        env |= {"content": token.content, "spans": []}
        self.md.inline.parse(token.content, self.md, env, [])
        edits: list[tuple[int, int, str]] = []
        reached = 0
        for start, end, rule, found in sorted(env["spans"], key=lambda s: (s[0], -s[1])):
            if start < reached:  # inside what is already replaced
                continue
            here = line + token.map[0] + token.content.count("\n", 0, start)  # type: ignore[index]
            new = self.inline(rule, found, token.content[start:end], here)
            if new is not None:
                edits.append((start, end, new))
                reached = end
        return edits

    def inline(self, rule: str, token: Token | None, raw: str, line: int) -> str | None:
        """What replaces an inline construct; None leaves it as it is."""
        if rule == "attr":
            return ""
        if rule == "math_inline":
            expanded = self.expand(raw, line).replace("\n", " ")
            return expanded if expanded != raw else None
        if rule == "html_inline":
            return self.html(raw)
        if token is None or rule in ("span", "substitution_inline"):
            raise self.error(line, f"{raw} has no counterpart in a notebook: write it without")
        if rule == "image":
            return raw.replace(str(token.attrs["src"]), self.site.file(str(token.attrs["src"])), 1)
        if rule in ("link", "autolink"):
            href = str(token.attrs.get("href", ""))
            return None if re.match(r"https?:|mailto:", href) else self.fact(raw, line)
        name = token.meta["name"]
        if name == "math":
            return f"${self.expand(token.content, line)}$"
        if name == "glue:text":
            if not re.fullmatch(r"[\w-]+(:[^{}`]+)?", token.content):
                raise self.error(line, f"{raw} must be a name, or a name, ':' and a format")
            return f"\ue000{token.content}\ue001"
        if name not in REFERENCE_ROLES | TEXT_ROLES:
            raise self.error(line, f"unknown role {{{name}}} in {raw}")
        return self.fact(raw, line)

    def block(self, token: Token, raw: str, line: int) -> str | None:
        """What replaces a block; None leaves it as it is."""
        kind = token.type
        if kind in ("fence", "colon_fence") and token.info.strip().startswith("{"):
            return self.directive(Directive.read(token.info, token.content, line))
        if kind == "colon_fence":
            raise self.error(line, f"a block {token.markup}{token.info} without a directive")
        if kind in ("math_block", "math_block_label", "amsmath"):
            numbered = kind == "math_block_label" or (
                kind == "amsmath" and token.meta["numbered"] != "*"
            )
            return self.display(token.content, numbered, line)
        if kind in ("myst_target", "myst_line_comment", "myst_block_break", "attrs_block"):
            return ""
        if kind == "html_block":
            interactive = re.search(r"<(script|iframe|style|canvas)\b", raw)
            return self.online_only() if interactive else self.html(raw)
        if kind == "substitution_block":
            raise self.error(line, f"{raw} has no counterpart in a notebook: write it out")
        return None

    def html(self, raw: str) -> str | None:
        """HTML with the addresses of its images made absolute; None where there is none."""
        local = re.search(r'(?<=src=")(?!https?:)[^"]*', raw)
        return raw.replace(local[0], self.site.file(local[0])) if local else None

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

    def directive(self, d: Directive) -> str:
        """What replaces a directive.

        Raises:
            SourceError: the directive is unknown.
        """
        handler = DIRECTIVES.get(d.name) or DIRECTIVES.get(d.name.split(":")[0] + ":*")
        if handler is None:
            raise self.error(d.line, f"unknown directive {{{d.name}}}")
        return handler(self, d)


def formula_key(latex: str) -> str:
    """A formula without white space, to compare the source with the book."""
    return "".join(latex.split())


def _places(
    token: Token, lines: list[str], starts: list[int], cursor: dict[int, int] | None
) -> list[int]:
    """Where each character of an inline token's content stands in the text."""
    places = []
    for row, part in enumerate(token.content.split("\n"), token.map[0]):  # type: ignore[index]
        line = lines[row]
        if cursor is None:
            column = line.rfind(part)
        else:  # a cell of a table: several stand on one line, and "|" is written with a backslash
            column = line.find(part.replace("|", r"\|"), cursor.get(row, 0))
        for character in part:
            column += line[column] != character
            places.append(starts[row] + column)
            column += 1
        places.append(starts[row] + column)
        if cursor is not None:
            cursor[row] = column
    return places


def _apply(text: str, edits: list[tuple[int, int, str]], roots: dict[int, bool]) -> list[str]:
    """The root blocks of the text with the replacements made; blocks left empty are dropped."""
    starts = sorted(roots)
    blocks: list[str] = []
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        piece, at = "", start
        for a, b, new in sorted(edits):
            if start <= a < end:
                piece, at = piece + text[at:a] + new, b
        piece += text[at:end]
        if roots[start] and blocks:
            blocks[-1] = blocks[-1].rstrip("\n") + "\n\n"
        if roots[start]:
            piece = piece.rstrip("\n") + "\n\n"
        if piece.strip():
            blocks.append(piece)
    return blocks
