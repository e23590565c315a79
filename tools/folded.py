r"""Sphinx extension: a folded cell says what it holds, on the page as in the notebook.

>>> holds("import re"), holds("rows = []\ntable(['a'], rows)"), holds("x = 1")
('Imports', 'Table', 'Code')
"""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def holds(source: str, figure: bool = False) -> str:
    """What a cell holds, in a word.

    Args:
        source: its code.
        figure: whether it draws one.
    """
    imports = re.match(r"(from|import) ", source)
    if figure:
        return "Imports and plot" if imports else "Plot"
    if imports:
        return "Imports"
    return "Table" if re.search(r"^(\w+_)?table\(", source, re.MULTILINE) else "Code"


def name(app: Sphinx, doctree: nodes.document) -> None:
    """Put the word, or the cell's title, in the place of MyST-NB's "Show the source"."""
    for cell in doctree.findall(nodes.container):
        if cell.get("hide_mode") == "input":
            figure = "figure" in cell["cell_metadata"].get("mystnb", {})
            word = holds(cell.children[0].astext(), figure)
            words = cell["cell_metadata"].get("title", word) if word == "Code" else word
            cell["prompt_show"] = cell["prompt_hide"] = words


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("doctree-read", name)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
