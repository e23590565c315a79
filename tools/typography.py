r"""Sphinx extension: lines break where a reader expects them to, and a minus looks like one.

- A per cent sign stays with its number, ± with the two it joins, and punctuation with the formula
  before it.
- A quoted value below zero has a minus sign, not the hyphen of Python's numbers.

Code and what it prints stay as they are.

>>> text = nodes.paragraph("", "About 5 % of ", nodes.math("", "x"), nodes.Text(", or 100 %"))
>>> mend(text)
>>> [type(child).__name__ for child in text.children]
['Text', 'inline', 'Text']
>>> text.astext()
'About 5\xa0% of x, or 100\xa0%'
"""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from gsutils.text import minus

VERBATIM = (nodes.literal, nodes.FixedTextElement, nodes.raw, nodes.math)
TOGETHER = "gs-together"
_SIGN = re.compile(r"(?:(?<=\d)|^) (?=[%±])|(?<=±) (?=\d|$)")
_PUNCTUATION = re.compile(r"[.,;:!?)]+")


def mend(tree: nodes.Element) -> None:
    """Mend the texts of a document, or of a part of it."""
    for parent in list(tree.findall(nodes.Element)):
        if not isinstance(parent, VERBATIM):
            parent[:] = _mended(parent)


def _mended(parent: nodes.Element) -> list[nodes.Node]:
    """The children of an element, mended."""
    result: list[nodes.Node] = []
    for child in parent.children:
        if not isinstance(child, nodes.Text):
            result.append(child)
            continue
        text = _SIGN.sub("\N{NO-BREAK SPACE}", child)
        if "pasted-text" in parent.get("classes", ()):
            text = minus(text)
        sign = _PUNCTUATION.match(text)
        if sign and result and isinstance(result[-1], nodes.math):
            group = [result.pop(), nodes.Text(sign[0])]
            result.append(nodes.inline("", "", *group, classes=[TOGETHER]))
            text = text[sign.end() :]
        result.append(nodes.Text(text))
    return result


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("doctree-resolved", lambda app, tree, name: mend(tree), priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
