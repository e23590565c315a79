r"""MyST Markdown turned into the plain Markdown that Colab, Jupyter and GitHub show.

The text is parsed by the book's own parser (markdown-it with MyST's plugins), which says where each
role, link, formula and directive stands. Only those places are rewritten; all else stays as the
author wrote it, and nothing inside code is touched. What an unknown role or directive means is
not guessed: it is an error that names the file and the line.

>>> from tools.notebooks.syntax import Site
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

import re
from typing import Any

from markdown_it.token import Token

from tools.notebooks.directives import DIRECTIVES, flat
from tools.notebooks.syntax import REFERENCE_ROLES, TEXT_ROLES, Directive, Page

_ITEM = re.compile(r"[ >]*(?:(?:[-*+:]|\d+[.)])[ >]+)*")  # what stands before a nested block


class Chapter(Page):
    """One page on its way to a notebook."""

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

    def directive(self, d: Directive) -> str:
        """What replaces a directive.

        Raises:
            SourceError: the directive is unknown.
        """
        handler = DIRECTIVES.get(d.name) or DIRECTIVES.get(d.name.split(":")[0] + ":*")
        if handler is None:
            raise self.error(d.line, f"unknown directive {{{d.name}}}")
        return handler(self, d)


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
