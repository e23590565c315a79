"""Sphinx extension: figures, tables, formulas, theorems and exercises count anew on every page.

The third figure of chapter 4 is Figure 4.3. A page that is no chapter has a letter for its number,
the first of its name, as appendices have: Figure M.1 is the first one of the mathematics. The first
page has none. Pages, notebooks, slides, problem sets and the PDF read the numbers of Sphinx, which
are made here.

>>> prefix("book/04-perturbation-analysis"), prefix("book/mathematics")
('4', 'M')
"""

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.environment.collectors.toctree import TocTreeCollector

CHAPTER = re.compile(r"(?:.*/)?0*(\d+)-[^/]+")


def prefix(page: str) -> str:
    """What stands before the point in a page's numbers."""
    chapter = CHAPTER.fullmatch(page)
    return chapter[1] if chapter else page.rpartition("/")[2][0].upper()


_count = TocTreeCollector.assign_figure_numbers


def count(self: TocTreeCollector, env: BuildEnvironment) -> list[str]:
    """Count as Sphinx does where every page is a numbered section; return what has changed."""
    kept = env.toc_secnumbers
    pages = env.all_docs.keys() - {env.config.root_doc}
    numbers: dict[str, dict[str, Any]] = {page: {"": (prefix(page),)} for page in pages}
    env.toc_secnumbers = numbers
    try:
        return _count(self, env)
    finally:
        env.toc_secnumbers = kept


def setup(app: Sphinx) -> dict[str, Any]:
    """Put the function into the place of Sphinx's own, as Jupyter Book's own extensions do."""
    TocTreeCollector.assign_figure_numbers = count  # type: ignore[method-assign]
    return {"parallel_read_safe": True, "parallel_write_safe": True}
