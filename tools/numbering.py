"""Sphinx extension: figures, tables, formulas, theorems and exercises count anew on every page.

The third figure of chapter 4 is Figure 4.3. A page that is no chapter has a letter for its number,
the first of its name, as appendices have: Figure M.1 is the first one of the mathematics. The first
page has none. Pages, notebooks, slides, problem sets and the PDF read the numbers of Sphinx, which
are made here.

>>> prefix("book/04-perturbation-analysis"), prefix("book/mathematics")
('4', 'M')
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain
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


_resolve = StandardDomain._resolve_numref_xref


class Numbered:
    """An environment whose pages are read once, and not for every number that is asked of them."""

    def __init__(self, env: BuildEnvironment) -> None:
        self._env = env

    def __getattr__(self, name: str) -> Any:
        """Whatever else the environment has."""
        return getattr(self._env, name)

    def get_doctree(self, docname: str) -> nodes.document:
        """The page, to be looked at only: everyone gets the same."""
        path = Path(self._env.doctreedir, f"{docname}.doctree")
        return page(self._env, docname, path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def page(env: BuildEnvironment, docname: str, path: Path, written: int) -> nodes.document:
    """The page `docname` as `path` has had it since it was `written`."""
    return env.get_doctree(docname)


def resolve(self: StandardDomain, env: BuildEnvironment, *args: Any) -> nodes.Element | None:
    """Resolve a reference by number as Sphinx does, from pages that are kept."""
    return _resolve(self, Numbered(env), *args)  # type: ignore[arg-type]


def setup(app: Sphinx) -> dict[str, Any]:
    """Put the functions into the places of Sphinx's own, as Jupyter Book's own extensions do."""
    StandardDomain._resolve_numref_xref = resolve  # type: ignore[assignment, method-assign]
    TocTreeCollector.assign_figure_numbers = count  # type: ignore[method-assign]
    return {"parallel_read_safe": True, "parallel_write_safe": True}
