"""Sphinx extension: slides for each chapter, from marks in the chapter's source.

    :::{slide} One claim as the title
    :figure: fig-name
    :equation: eq-name
    :whole:
    - one to four short lines

    Notes: what the lecturer says.
    :::

With `whole`, its figure is not cut. A mark shows nothing on the page, in the search, in the
notebook or in a book on paper. The HTML build makes one deck of each page that has marks,
`slides/PAGE.html`: one file that needs no other and no network, with the page's own figures and
equations, and with the MathJax that sets them. `deck` writes it, and `wall` cuts its figures into
pieces that a last row can read. A bet of the page (`tools.bets`) is a slide, too: the question and
the answers, and in its notes which one is right, and why.

>>> words(nodes.paragraph("", "Two words, ", nodes.math("", "a + b"), nodes.Text(" three.")))
4
"""

import posixpath
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from tools import slim
from tools.bets import bet
from tools.slides import deck, wall

FOLDER = "slides"
WORDS = 60  # more than this nobody reads while somebody speaks
BRIEF, NARROW = 32, 800  # words that stand beside a picture of that many pixels
NOTES = "Notes:"
logger = logging.getLogger(__name__)


class slide(nodes.General, nodes.Element):
    """A mark: first its title, then what the slide shows, then the notes."""


class Slide(SphinxDirective):
    """The directive ``slide``: its argument is the title, its content the lines and the notes."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar = {
        "figure": directives.unchanged_required,
        "equation": directives.unchanged_required,
        "whole": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        """Return the mark; the page is marked too, so that it gets a link to its slides."""
        mark = slide("", **self.options)
        self.set_source_info(mark)
        title, messages = self.state.inline_text(self.arguments[0], self.lineno)
        mark += nodes.inline("", "", *title)
        self.state.nested_parse(self.content, self.content_offset, mark)
        self.env.metadata[self.env.docname]["slides"] = True
        return [mark, *messages]


def words(node: nodes.Node) -> int:
    """How many words a node shows; a formula counts as one."""
    formulas = list(node.findall(nodes.math))
    texts = (text for text in node.findall(nodes.Text) if text.parent not in formulas)
    return len(formulas) + sum(len(text.astext().split()) for text in texts)


def parts(mark: slide) -> tuple[nodes.Element, list[nodes.Element], list[nodes.Element]]:
    """The title, the content and the notes of a mark, the notes without the word that opens them.

    Raises:
        ValueError: the slide shows nothing, or too much, or its notes would be shown.
    """
    title, *rest = [child for child in mark.children if isinstance(child, nodes.Element)]
    starts = [at for at, child in enumerate(rest) if child.astext().startswith(NOTES)]
    shown, notes = (rest[: starts[0]], rest[starts[0] :]) if starts else (rest, [])
    if any(NOTES in child.astext() for child in shown):
        raise ValueError(f"'{NOTES}' would be shown: put an empty line before it")
    if not shown and "figure" not in mark and "equation" not in mark:
        raise ValueError("the slide shows nothing: give it a line, a figure or an equation")
    if notes:
        said = next(notes[0].findall(nodes.Text))
        said.parent.replace(said, nodes.Text(said.removeprefix(NOTES).lstrip()))
    limit(title, *shown)
    return title, shown, notes


def limit(*shown: nodes.Node) -> None:
    """Hold a slide to the words that can be read.

    Raises:
        ValueError: it shows more.
    """
    if (count := sum(map(words, shown))) > WORDS:
        raise ValueError(f"the slide has {count} words, expected at most {WORDS}: split it")


def wager(node: bet) -> tuple[nodes.Element, list[nodes.Element], list[nodes.Element]]:
    """A bet's question, its answers in a list, and notes: each letter with its reason.

    Raises:
        ValueError: there are more words than a slide can show.
    """
    question, *answers = node.deepcopy().children
    title = nodes.inline("", "", *question.children)
    lines = nodes.enumerated_list(enumtype="upperalpha", prefix="", suffix=".")
    notes = []
    for one in answers:
        text, reason = one.children
        lines += nodes.list_item("", nodes.paragraph("", "", *text.children))
        reason.insert(0, nodes.strong("", f"{one['letter']}. "))
        notes.append(reason)
    limit(title, lines)
    return title, [lines], notes


def figure(doctree: nodes.document, name: str) -> nodes.image:
    """The image of the figure with a name.

    Raises:
        ValueError: the page has no such figure, or it is no image.
    """
    found = {
        identifier: node for node in doctree.findall(nodes.figure) for identifier in node["ids"]
    }
    if name not in found:
        raise ValueError(f"the page has no figure {name!r}; it has {', '.join(found) or 'none'}")
    for image in found[name].findall(nodes.image):
        return image
    raise ValueError(f"the figure {name!r} holds no image")


def equation(doctree: nodes.document, label: str) -> nodes.math_block:
    """The displayed equation with a label.

    Raises:
        ValueError: the page has no such equation.
    """
    found = {node.get("label"): node for node in doctree.findall(nodes.math_block)}
    if label not in found:
        known = ", ".join(name for name in found if name) or "none"
        raise ValueError(f"the page has no equation {label!r}; it has {known}")
    return found[label]


def number(app: Sphinx, docname: str, block: nodes.math_block) -> str:
    """The number of an equation, as its page shows it; "" for one that has none."""
    counted = app.env.toc_fignumbers.get(docname, {}).get("displaymath", {})
    parts = counted.get(next(iter(block["ids"]), ""), ())
    return ".".join(map(str, parts)) or str(block.get("number") or "")


class Page:
    """What the slides of one page are made from.

    Args:
        app: the build.
        docname: the page.
        doctree: its content, with every reference resolved.
    """

    def __init__(self, app: Sphinx, docname: str, doctree: nodes.document) -> None:
        self.app, self.docname, self.doctree = app, docname, doctree
        self.address = f"../{docname}.html"  # of the page, from its deck

    def html(self, *content: nodes.Element) -> str:
        """Nodes as HTML that stands on its own: no numbers, links seen from the deck."""
        box = nodes.container("", *(node.deepcopy() for node in content))
        for block in box.findall(nodes.math_block):
            block["ids"], block["number"] = [], None
        for link in box.findall(nodes.reference):
            target = link.attributes.pop("refid", "")
            target = f"#{target}" if target else link.get("refuri", "")
            if "://" not in target:
                folder = "" if target.startswith("#") else posixpath.dirname(self.address) + "/"
                target = (folder or self.address) + target
            link["refuri"] = target
        builder: Any = self.app.builder
        parts = (builder.render_partial(child)["fragment"] for child in list(box.children))
        return "".join(parts)

    def slides(self, mark: slide | bet) -> list[deck.Slide]:
        """The slides of a mark: the pieces of its figure one by one, then what there is to read.

        Raises:
            ValueError: the mark or the bet cannot be a slide.
        """
        title, shown, notes = wager(mark) if isinstance(mark, bet) else parts(mark)
        read = deck.Slide(self.html(title), self.html(*shown), self.html(*notes))
        if label := mark.get("equation"):
            block = equation(self.doctree, label)
            read.equation = self.html(block)
            read.number = number(self.app, self.docname, block)
        if isinstance(mark, bet) or not (name := mark.get("figure")):
            return [read]
        drawn = self.figures(name, "whole" in mark)
        seen = [deck.Slide(read.title, "", read.notes, figure=one) for one in drawn]
        if not shown and not read.equation:
            return seen
        last = seen[-1].figure
        if last and not read.equation and sum(map(words, shown)) <= BRIEF and last.wide <= NARROW:
            seen[-1].text = read.text
            return seen
        return [*seen, read]

    def figures(self, name: str, whole: bool) -> list[deck.Figure]:
        """The pieces of a figure of the page, or all of it in one.

        Raises:
            ValueError: the page has no such figure.
        """
        image = figure(self.doctree, name)
        with Image.open(Path(self.app.srcdir, image["uri"])) as opened:
            drawn = opened.convert("RGB")
        found = [drawn] if whole else wall.pieces(drawn)
        alts = [image["alt"]]
        if (count := len(found)) > 1:
            alts = [f"Part {k} of {count} of a figure. {image['alt']}" for k in range(1, count + 1)]
        memory = slim.memory(self.app)
        return [deck.Figure(one, alt, memory) for one, alt in zip(found, alts, strict=True)]


def take(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Take the marks out of a page and, for the HTML book, write its deck."""
    marks = list(doctree.findall(lambda node: isinstance(node, (slide, bet))))
    for mark in list(doctree.findall(slide)):
        mark.parent.remove(mark)
    if "slides" not in app.env.metadata.get(docname, {}) or app.builder.name != "html":
        return
    slides: list[deck.Slide] = []
    page = Page(app, docname, doctree)
    for mark in marks:
        try:
            slides += page.slides(mark)
        except ValueError as error:
            logger.warning("slide: %s", error, location=mark)
    title = next(doctree.findall(nodes.title)).astext()
    path = Path(app.outdir, FOLDER, posixpath.basename(docname)).with_suffix(".html")
    deck.write(path, slides, title=title, chapter=page.address, config=app.config)


def add_link(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Put a link to its slides into the header of a page."""
    if "slides" not in app.env.metadata.get(page, {}):
        return
    button = {
        "type": "link",
        "url": "../" * page.count("/") + f"{FOLDER}/{posixpath.basename(page)}.html",
        "tooltip": "Slides of this chapter",
        "icon": "fas fa-person-chalkboard",
        "label": "slides",
    }
    context.setdefault("header_buttons", []).append(button)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_node(slide)
    app.add_directive("slide", Slide)
    app.connect("doctree-resolved", take)
    app.connect("html-page-context", add_link, priority=800)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
