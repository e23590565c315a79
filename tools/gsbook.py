r"""Sphinx extension of the book: a chapter runs again when anything that it uses has changed.

The cache of executed notebooks (jupyter-cache) is keyed by a chapter's code cells and its
`kernelspec`. That key knows neither the package `gsutils` nor the stored results, so a figure
would outlive the code that made it. `chapter_digest` hashes what the chapter uses, and
`add_digest` puts the hash into the kernelspec as the page is read.

After the build, `finish` leaves beside the HTML how long each chapter took, and offers the
notebooks of the repository, made for readers, for download in place of the raw executed ones.

>>> sorted(imported("from .losses import logistic\nimport numpy as np", "gsutils"))
['gsutils.losses.logistic', 'numpy']
"""

import ast
import functools
import hashlib
import importlib
import importlib.metadata
import json
import os
import platform
import re
import time
import tomllib
from collections.abc import Iterable
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from IPython.core.inputtransformer2 import TransformerManager
from myst_nb.core.read import read_myst_markdown_notebook
from myst_nb.ext.execution_tables import ExecutionStatsNode, make_stat_table
from packaging.requirements import Requirement
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from gsutils.text import say
from tools import address

PACKAGE = "gsutils"
RECORDS, FETCH = "runs/records.py", "data/fetch.py"  # what reads stored results, and data
TIMES = "chapter-times.json"
FIGURES = "retina"  # IPython's name for PNG with two dots a pixel of the page
_FRONT_MATTER = re.compile(r"\A---\n(.*?\n)---\n", re.DOTALL)


@functools.cache
def imported(source: str, package: str = "") -> frozenset[str]:
    """Dotted names that Python `source` imports, relative ones as seen from inside `package`.

    `from a import b` gives `a.b`, whether `b` is a module or not; `import_module("a.b")` does, too.
    A name that is only computed as the program runs gives "?".

    Raises:
        SyntaxError: `source` is not Python.
    """
    names, computed = set(), 0
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package or None)
            names |= {f"{base}.{alias.name}" for alias in node.names}
        elif getattr(node, "id", getattr(node, "attr", "")) in ("import_module", "__import__"):
            computed += 1
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            match name, node.args:
                case "import_module" | "__import__", [ast.Constant(value=str(literal))]:
                    names.add(literal)
                    computed -= 1  # the function's name is a node of its own
    return frozenset(names | ({"?"} if computed else set()))


def package_files(package: Path, names: Iterable[str]) -> set[Path]:
    """Files that `names` need: modules of `package`, at any depth, and its data files.

    Of `a.b.c`, the last part that is a module is followed to what it imports. The packages above
    it are counted themselves, not what they gather for whoever imports them whole. A module that
    imports by computed names may need any other, so it stands for them all.
    """
    everything = {path for path in package.rglob("*") if path.is_file()}
    everything -= {path for path in everything if "__pycache__" in path.parts}
    found: set[Path] = set()
    followed: set[Path] = set()
    todo = list(names)
    while todo:
        parts = todo.pop().split(".")
        if parts[0] != package.name:
            continue
        places = [package.parent.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]
        candidates = [
            p for place in places for p in (place / "__init__.py", place.with_suffix(".py"))
        ]
        modules = [path for path in candidates if path in everything]
        found |= set(modules)
        if not modules or modules[-1] in followed:
            continue
        followed.add(modules[-1])
        inside = ".".join(modules[-1].relative_to(package.parent).parts[:-1])
        more = imported(modules[-1].read_text(encoding="utf-8"), inside)
        if "?" in more:
            return everything
        todo += more
    return found | {path for path in everything if path.suffix != ".py"} if found else found


def chapter_files(root: Path, text: str) -> set[Path]:
    """Files outside the chapter that its code cells use; `text` is the chapter's MyST source.

    These are modules of the package and, where one of them is `gsutils.runs.records`, the stored
    results. A cell that is not Python could use anything, so it gives everything.
    """
    package = root / PACKAGE
    magics = TransformerManager()
    cells = [c.source for c in read_myst_markdown_notebook(text).cells if c.cell_type == "code"]
    try:
        names = set().union(*(imported(magics.transform_cell(cell)) for cell in cells))
        files = package_files(package, names)
        if "?" in names:
            raise SyntaxError("a cell imports by a computed name")
    except SyntaxError:
        files = package_files(package, [PACKAGE]) | set(package.rglob("*.py"))
    if package / RECORDS in files:
        files |= set((root / "results").glob("*.json"))
    return files


def environment(root: Path, with_data: bool = True) -> dict[str, Any]:
    """What besides files decides a result: size, versions and, if wanted, the data at hand."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = {"python": platform.python_version()}
    for name in (Requirement(line).name for line in project["dependencies"]):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    seen: dict[str, Any] = {"size": os.environ.get("GSUTILS_SIZE", ""), "versions": versions}
    if with_data and (root / PACKAGE / FETCH).is_file():
        seen["data"] = importlib.import_module(f"{PACKAGE}.data.fetch").cached()
    return seen


def digest(root: Path, files: Iterable[Path], seen: dict[str, Any]) -> str:
    """SHA-256 over the names and contents of `files` below `root`, and over `seen`."""
    result = hashlib.sha256(json.dumps(seen, sort_keys=True).encode())
    for path in sorted(files):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        result.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return result.hexdigest()


def chapter_digest(root: Path, text: str) -> str:
    """Digest of all that the chapter with the MyST source `text` uses besides its own cells."""
    files = chapter_files(root, text)
    seen = environment(root, with_data=root / PACKAGE / FETCH in files) if files else {}
    return digest(root, files, {**seen, "figures": FIGURES})


def with_digest(root: Path, text: str) -> str:
    """Put a chapter's digest into its kernelspec, keeping the number of every line."""
    front = _FRONT_MATTER.match(text)
    metadata = yaml.safe_load(front[1]) if front else None
    if not front or not isinstance(metadata, dict) or "kernelspec" not in metadata:
        return text
    metadata["kernelspec"]["inputs"] = chapter_digest(root, text)
    lines = front[1].count("\n")
    return f"---\n{json.dumps(metadata)}" + "\n" * lines + "---\n" + text[front.end() :]


def add_digest(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the chapter's digest into its kernelspec as its page is read."""
    text = with_digest(Path(app.srcdir), source[0])
    if text != source[0]:
        say(f"Chapter {docname}")
    source[0] = text


def adapt_page(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Show the Colab button by itself instead of in a menu of one, and mend a role."""
    buttons = context.get("header_buttons", [])
    if not app.config.html_theme_options.get("use_repository_button"):  # an edition without one
        buttons[:] = [b for b in buttons if b.get("label") != "launch-buttons"]
    theme = app.config.html_theme_options
    for place, button in enumerate(buttons):
        if button.get("label") == "launch-buttons" and len(button["buttons"]) == 1:
            colab = {**button["buttons"][0], "label": "colab"}
            if own := app.config.gsbook_notebooks:
                ours = f"/blob/{theme.get('repository_branch', '')}/"
                colab["url"] = colab["url"].replace(ours, f"/blob/{own}/", 1)
            buttons[place] = colab
    # docutils gives the items of a bibliography a role that a list must not contain.
    if "body" in context:
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


class TimesTable(SphinxPostTransform):
    """The table of MyST-NB's directive `nb-exec-table`: each page's title and its seconds.

    The columns left out say the same of every page here: cached, and without an error.
    """

    default_priority = 7  # before MyST-NB's own, and before links are resolved

    def run(self, **kwargs: Any) -> None:
        """Replace each directive's node by the table."""
        env: Any = self.env
        for node in list(self.document.findall(ExecutionStatsNode)):
            table = make_stat_table(env.docname, env.nb_metadata)
            for row in table.findall(nodes.row):
                page, _, _, seconds, _ = row.children
                row[:] = [page, seconds]
            for link in table.findall(pending_xref):
                link["refexplicit"] = False  # so that it shows the title
            group = table[0]
            group["cols"], group[:] = 2, group.children[3:]
            node.replace_self(table)


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Write the chapters' execution times, and put the notebooks up for download.

    Those of the book are the committed ones with this checkout's addresses, as `tools.publish`
    publishes them; an edition's are as they are.
    """
    if exception is not None or app.builder.name != "html":
        return
    root = Path(app.srcdir)
    ours = bool(app.config.gsbook_notebooks)
    old, new = (address.committed(root), address.addresses(root)) if ours else (None, None)
    times = {}
    for docname, metadata in app.env.nb_metadata.items():  # type: ignore[attr-defined]
        if run := metadata.get("exec_data"):
            ahead = docname in app.config.gsbook_ahead
            fresh = ahead or run["mtime"] >= app.config.gsbook_started
            times[docname] = {"seconds": run["runtime"], "executed_now": fresh}
        notebook = Path(app.srcdir, docname).with_suffix(".ipynb")
        download = Path(app.outdir, "_sources", docname).with_suffix(".ipynb")
        if notebook.is_file() and download.is_file():
            text = notebook.read_text(encoding="utf-8")
            text = old.replaced(text, new) if old and new else text
            download.write_text(text, encoding="utf-8")
    Path(app.outdir).with_name(TIMES).write_text(json.dumps(times, indent=1), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_config_value("gsbook_started", time.time(), "")
    app.add_config_value("gsbook_notebooks", "", "html")  # the branch that Colab's button leads to
    app.add_config_value("gsbook_ahead", [], "")  # chapters executed before their pages were read
    app.add_post_transform(TimesTable)
    app.connect("source-read", add_digest)
    app.connect("html-page-context", adapt_page, priority=900)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
