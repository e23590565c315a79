r"""What becomes of each MyST directive in a notebook: one small function per kind.

A handler takes the page, which converts what is nested inside, and the directive as it is
written, and gives plain Markdown. `DIRECTIVES` is the whole list; ``prf:*`` stands for the rest of
a family.

>>> print(quote("Note", "It learns one feature.\n\nThe other starves."))
> **Note**
>
> It learns one feature.
>
> The other starves.
"""

import html
import re
from collections.abc import Callable

from markdown_it import MarkdownIt

from tools import bets
from tools.notebooks.syntax import Directive, Page

Handler = Callable[[Page, Directive], str]
ADMONITIONS = ["attention", "caution", "danger", "error", "hint", "important", "note", "tip"]
ADMONITIONS += ["warning", "seealso"]
TITLES = {"seealso": "See also"}


def flat(text: str) -> str:
    """Displayed formulas on one line: in a quotation, Jupyter takes each ">" for mathematics."""
    formula = re.compile(r"^( *)(\$\$\n.*?\n *\$\$)$", re.MULTILINE | re.DOTALL)
    return formula.sub(lambda m: m[1] + " ".join(m[2].split()), text)


def quote(title: str, body: str) -> str:
    """A block quote that opens with a bold title."""
    text = flat(f"**{title}**\n\n{body}" if title else body)
    return "\n".join(f"> {line}".rstrip() for line in text.strip().splitlines())


def details(title: str, body: str) -> str:
    """A block that opens on a click; the blank lines let Markdown work inside."""
    summary = html.escape(title) if "$" in title else MarkdownIt().renderInline(title)
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"


def fence(language: str, code: str) -> str:
    """A block of code, fenced by more backticks than it holds."""
    ticks = "`" * max(3, 1 + max(map(len, re.findall(r"`+", code)), default=0))
    return f"{ticks}{language}\n{code}\n{ticks}"


def captioned(c: Page, kind: str, caption: str, line: int) -> str:
    """A caption with the number that the book gives it."""
    label, *rest = c.text(caption, line).split("\n\n", 1)
    return "\n\n".join([f"**{c.number(kind, '', line)}.** {label}", *rest])


def _body(c: Page, d: Directive) -> str:
    return c.text(d.body, d.body_line)


def _removed(c: Page, d: Directive) -> str:
    return ""


def _admonition(c: Page, d: Directive) -> str:
    if d.name in ADMONITIONS:  # these take no title: their body may start on the first line
        title = TITLES.get(d.name, d.name.capitalize())
        body = c.text(f"{d.argument}\n{d.body}", d.body_line - 1)
    else:
        title, body = c.text(d.argument, d.line), _body(c, d)
    return details(title, body) if d.has_class("dropdown") else quote(title, body)


def _dropdown(c: Page, d: Directive) -> str:
    return details(c.text(d.argument, d.line) or "More", _body(c, d))


def _theorem(c: Page, d: Directive) -> str:
    kind = d.name.removeprefix("prf:")
    number = "" if "nonumber" in d.options else " " + c.number("prf", kind, d.line)
    c.labels[str(d.options.get("label"))] = number.strip()
    title = f" ({c.text(d.argument, d.line)})" if d.argument else ""
    return quote(f"{kind.capitalize()}{number}{title}.", _body(c, d))


def _proof(c: Page, d: Directive) -> str:
    return details("Proof", "\n\n".join(filter(None, [c.text(d.argument, d.line), _body(c, d)])))


def _exercise(c: Page, d: Directive) -> str:
    number = "Exercise" if "nonumber" in d.options else c.number("exercise", "", d.line)
    title = f" ({c.text(d.argument, d.line)})" if d.argument else ""
    label = str(d.options.get("label"))
    c.titles[label] = title
    c.exercises[label] = f"### {number}{title}\n\n{_body(c, d)}"
    return c.exercises[label]


def _solution(c: Page, d: Directive) -> str:
    exercise = c.fact(f"{{ref}}`{d.argument}`", d.line) + c.titles.get(d.argument, "")
    c.solutions[d.argument] = _body(c, d)
    return details(f"Solution to {exercise}", c.solutions[d.argument])


def _figure(c: Page, d: Directive) -> str:
    caption = captioned(c, "figure", d.body, d.body_line) if d.body.strip() else ""
    return f"{_image(c, d)}\n\n{caption}".strip()


def _image(c: Page, d: Directive) -> str:
    image = f"![{d.options.get('alt', '')}]({c.site.file(d.argument)})"
    return f"[{image}]({d.options['target']})" if "target" in d.options else image


def _math(c: Page, d: Directive) -> str:
    return c.display(f"{d.argument}\n{d.body}", "label" in d.options, d.line)


def _table(c: Page, d: Directive) -> str:
    caption = captioned(c, "table", d.argument, d.line) + "\n\n" if d.argument else ""
    return caption + (_body(c, d) if d.name == "table" else _rows(c, d))


def _rows(c: Page, d: Directive) -> str:
    """The rows of a list-table: a list of lists, each inner item a cell."""
    rows: list[list[str]] = []
    lines = d.body.splitlines()
    for token in c.md.parse(d.body):
        if token.type != "list_item_open" or token.map is None:
            continue
        if token.level == 1:
            rows.append([])
            opened = token.map[0]
        elif token.level == 3:
            first, last = token.map
            marks = 2 if first == opened else 1
            head = re.sub(rf"^\s*(?:[*+-](?:\s+|$)){{{marks}}}", "", lines[first])
            cell = "\n".join([head, *(line.strip() for line in lines[first + 1 : last])])
            text = c.text(cell, d.body_line + first).replace("\n\n", "<br>").replace("\n", " ")
            text = re.sub(r"\$[^$]+\$", lambda m: m[0].replace("|", r"\vert{}"), text)
            rows[-1].append(text.replace("|", r"\|"))
    if not rows or len({len(row) for row in rows}) > 1:
        raise c.error(d.line, "a list-table needs rows of the same length")
    if int(d.options.get("header-rows", 0)) == 0:
        rows.insert(0, [" "] * len(rows[0]))
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _glossary(c: Page, d: Directive) -> str:
    entries: list[tuple[list[str], list[str], int]] = []
    for at, line in enumerate(d.body.splitlines()):
        if line and not line.startswith((" ", ":")):
            if not entries or entries[-1][1]:
                entries.append(([], [], d.body_line + at + 1))
            entries[-1][0].append(line)
        elif entries:
            entries[-1][1].append(re.sub(r"^(?::|\s)\s*", "", line))
    return "\n\n".join(
        f"**{', '.join(c.text(term, line) for term in terms)}.** {c.text(chr(10).join(text), line)}"
        for terms, text, line in entries
    )


def _bibliography(c: Page, d: Directive) -> str:
    return f"The references are listed on [the page online]({c.site.page})."


def _code(c: Page, d: Directive) -> str:
    caption = str(d.options.get("caption", ""))
    title = captioned(c, "code-block", caption, d.line) + "\n\n" if caption else ""
    return title + fence(d.argument, d.body)


def _raw(c: Page, d: Directive) -> str:
    return c.online_only() if "html" in d.argument else ""


def _bet(c: Page, d: Directive) -> str:
    try:
        bet = bets.read(d.argument, d.body, d.body_line)
    except bets.BetError as error:
        raise c.error(d.body_line + error.line, str(error)) from None
    folds = [f"**{bets.TITLE}.** {c.text(bet.question, bet.line)}"]
    for letter, one in zip(bets.LETTERS, bet.answers, strict=True):
        text = c.text(one.text, one.line)
        folds.append(details(f"{letter}. {text}", c.text(bet.why(one), one.reason_line)))
    return "\n\n".join(folds)


def _titled(c: Page, d: Directive) -> str:
    title = c.text(d.argument, d.line)
    if link := str(d.options.get("link", "")):
        role = d.options.get("link-type", "url")
        title = (
            f"[{title}]({link})"
            if role == "url"
            else c.fact(f"{{{role}}}`{title} <{link}>`", d.line)
        )
    return f"**{title}**\n\n{_body(c, d)}" if title else _body(c, d)


DIRECTIVES: dict[str, Handler] = {
    **dict.fromkeys([*ADMONITIONS, "admonition", "sidebar", "margin", "topic"], _admonition),
    "prf:proof": _proof,
    "prf:*": _theorem,
    "exercise": _exercise,
    "solution": _solution,
    "figure": _figure,
    "image": _image,
    "math": _math,
    **dict.fromkeys(["table", "list-table"], _table),
    "glossary": _glossary,
    "bibliography": _bibliography,
    "bet": _bet,
    **dict.fromkeys(["code-block", "code", "sourcecode"], _code),
    "raw": _raw,
    "playground": lambda c, d: c.online_only(),
    "dropdown": _dropdown,
    **dict.fromkeys(["tab-item", "card", "grid-item-card", "rubric"], _titled),
    **dict.fromkeys(
        ["tab-set", "div", "container", "grid", "grid-item", "card-header", "card-footer"], _body
    ),
    **dict.fromkeys(["epigraph", "pull-quote"], lambda c, d: quote("", _body(c, d))),
    **dict.fromkeys(["toctree", "tableofcontents", "contents", "index", "slide"], _removed),
}
