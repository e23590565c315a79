"""What the built book says: numbers, and the texts of references and citations.

Sphinx reads the book once, with the book's own settings and without running a cell, and everything
is taken from the result, so that notebooks and pages cannot disagree. Two things are added to what
it reads. A code cell whose output is a figure with a caption gets an empty picture as its output,
so that myst-nb makes the figure just as in the real build. And the passages that a notebook wants
spelled out (roles and links) are repeated at the end of their page, one to a paragraph.

>>> from docutils import nodes
>>> markdown(nodes.emphasis("", "", nodes.Text("et al."), nodes.math("", "x^2")), "", "")
'*et al.$x^2$*'
"""

import base64
import contextlib
import dataclasses
import io
import re
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import nbformat
from docutils import nodes
from myst_nb.core.read import read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders.dummy import DummyBuilder
from sphinx.util.docutils import docutils_namespace, patch_docutils
from sphinxcontrib.bibtex.plugin import register_plugin
from sphinxcontrib.bibtex.style.referencing import BracketStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle

from tools.notebooks.syntax import REFERENCE_ROLES, Facts, formula_key

PICTURE = base64.b64encode(b"a picture that nobody looks at").decode()
PASSAGES = "gs-passages"
_MARKS = {
    nodes.emphasis: ("*", "*"),
    nodes.title_reference: ("*", "*"),
    nodes.strong: ("**", "**"),
    nodes.literal: ("`", "`"),
    nodes.math: ("$", "$"),
    nodes.subscript: ("<sub>", "</sub>"),
    nodes.superscript: ("<sup>", "</sup>"),
}


def _round() -> BracketStyle:
    return BracketStyle(left="(", right=")")


@dataclasses.dataclass
class RoundBrackets(AuthorYearReferenceStyle):
    """Citations as "Pezeshki et al. (2021)" and "(Pezeshki et al., 2021)"."""

    bracket_parenthetical: BracketStyle = dataclasses.field(default_factory=_round)
    bracket_textual: BracketStyle = dataclasses.field(default_factory=_round)
    bracket_author: BracketStyle = dataclasses.field(default_factory=_round)
    bracket_label: BracketStyle = dataclasses.field(default_factory=_round)
    bracket_year: BracketStyle = dataclasses.field(default_factory=_round)


def settings(root: Path) -> dict[str, Any]:
    """The Sphinx settings that Jupyter Book makes from the `_config.yml` in `root`."""
    from jupyter_book.config import get_final_config

    toc = {"external_toc_path": (root / "_toc.yml").as_posix(), "latex_individualpages": False}
    config, _ = get_final_config(user_yaml=root / "_config.yml", cli_config=toc, sourcedir=root)
    return dict(config)


def parser_settings(config: dict[str, Any]) -> MdParserConfig:
    """The settings of the Markdown parser among Sphinx's."""
    known = {f.name for f in dataclasses.fields(MdParserConfig)} - {"url_schemes"}
    chosen = {k.removeprefix("myst_"): v for k, v in config.items() if k.startswith("myst_")}
    chosen = {k: v for k, v in chosen.items() if k in known}
    return MdParserConfig(**chosen | {"enable_extensions": set(chosen["enable_extensions"])})


def unrun(text: str) -> nbformat.NotebookNode:
    """Read a page for the numbers: a code cell that makes a figure has an empty picture."""
    notebook = read_myst_markdown_notebook(text, add_source_map=True)
    for cell in notebook.cells:
        if cell.cell_type == "code" and "figure" in cell.metadata.get("mystnb", {}):
            picture = nbformat.v4.new_output("display_data", {"image/png": PICTURE})
            cell.outputs = [picture]
    return notebook


def read_book(
    root: Path, config: dict[str, Any], wanted: dict[str, list[str]], pages: str, files: str
) -> dict[str, Facts]:
    """Read the book and return the facts of each page.

    Args:
        root: the folder of `_config.yml`.
        config: from `settings`.
        wanted: by page name, the passages to resolve, as MyST.
        pages: address of the published pages, ending in "/".
        files: address of the repository's files at the release, ending in "/".
    """
    out = root / "_build" / "notebooks"
    config = config | {
        "extensions": [*config["extensions"], __name__],
        "nb_custom_formats": {".md": f"{__name__}.unrun"},
        "nb_execution_mode": "off",
        "nb_mime_priority_overrides": [(NumbersBuilder.name, "image/png", 1)],
        "bibtex_reference_style": "round-brackets",
        "gs_wanted": {page: list(dict.fromkeys(passages)) for page, passages in wanted.items()},
        "gs_addresses": (pages, files),
    }
    messages = io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(messages),
        patch_docutils(None),
        docutils_namespace(),
    ):
        warnings.simplefilter("ignore")  # deprecations inside Sphinx's extensions
        app = Sphinx(
            root, None, out, out / "doctrees", "gs-numbers", config, None, messages, freshenv=True
        )
        app.build()
    return app.builder.facts  # type: ignore[attr-defined]


class NumbersBuilder(DummyBuilder):
    """A builder that writes nothing and keeps the facts of each page."""

    name = "gs-numbers"
    allow_parallel = False
    supported_image_types = ["image/png", "image/svg+xml", "image/jpeg", "image/gif"]  # noqa: RUF012

    def init(self) -> None:
        """Start with no facts."""
        self.facts: dict[str, Facts] = {}

    def get_target_uri(self, docname: str, typ: str | None = None) -> str:
        """The address of a page, relative to the site."""
        return f"{docname}.html"

    def write_doc(self, docname: str, doctree: nodes.document) -> None:
        """Take the facts from a page on which every reference is resolved."""
        facts = self.facts[docname] = Facts()
        kinds = self.env.toc_fignumbers.get(docname, {})
        formats = self.config.numfig_format
        for node in doctree.findall(nodes.Element):
            for kind, by_id in kinds.items():
                if by_id.get(next(iter(node["ids"]), "")) is None or not _is(self, node, kind):
                    continue
                number = ".".join(map(str, by_id[node["ids"][0]]))
                if kind == "displaymath":
                    fact = (kind, formula_key(node.astext()), number)
                elif "realtype" in node:
                    fact = ("prf", node["realtype"], number)
                else:
                    fact = (kind, "", formats.get(kind, "%s") % number)
                facts.numbers.setdefault(fact[0], []).append(fact[1:])
        pages, files = self.config.gs_addresses
        page = urljoin(pages, self.get_target_uri(docname))
        passages = self.config.gs_wanted.get(docname, [])
        for box in doctree.findall(
            lambda n: PASSAGES in getattr(n, "attributes", {}).get("classes", ())
        ):
            for passage, node in zip(passages, box.children, strict=True):
                facts.inline[passage] = markdown(node, page, files) if _led(passage, node) else ""


def _is(builder: NumbersBuilder, node: nodes.Element, kind: str) -> bool:
    """Whether Sphinx counts a node among the numbered ones of a kind."""
    domains = builder.env.domains.values()
    return any(domain.get_enumerable_node_type(node) == kind for domain in domains)


def _led(passage: str, node: nodes.Node) -> bool:
    """Whether a passage that should lead somewhere became a link."""
    role = re.match(r"\{(.*?)\}`", passage)
    if role and role[1] not in REFERENCE_ROLES:
        return True
    links = (nodes.reference, addnodes.download_reference)
    return bool(node.astext()) and any(isinstance(child, links) for child in node.findall())


def markdown(node: nodes.Node, page: str, files: str) -> str:
    """Inline nodes as Markdown; a link within the same page becomes plain text."""
    if isinstance(node, nodes.Text):
        return re.sub(r"([*$\[\]<`\\])", r"\\\1", node.astext())
    if isinstance(node, (nodes.math, nodes.literal)):
        inner = node.astext()
    else:
        inner = "".join(markdown(child, page, files) for child in node.children)
    if isinstance(node, addnodes.download_reference):
        return f"[{inner}]({urljoin(files, node['reftarget'])})"
    if isinstance(node, nodes.abbreviation) and "explanation" in node:
        return f"{inner} ({node['explanation']})"
    if isinstance(node, nodes.reference) and "refuri" in node:
        address = urljoin(page, node["refuri"])
        return inner if address.startswith(page + "#") else f"[{inner}]({address})"
    before, after = _MARKS.get(type(node), ("", ""))
    return before + inner + after


def _repeat(app: Sphinx, docname: str, source: list[str]) -> None:
    """Repeat the wanted passages at the end of a page, one to a paragraph."""
    if passages := app.config.gs_wanted.get(docname):
        box = "\n\n".join(passages)
        source[0] += f"\n\n``````````{{container}} {PASSAGES}\n{box}\n``````````\n"


def _locate(app: Sphinx, doctree: nodes.document) -> None:
    """Name the files to download from the root of the repository."""
    for node in doctree.findall(addnodes.download_reference):
        if "://" not in node["reftarget"]:
            node["reftarget"] = app.env.relfn2path(node["reftarget"], app.env.docname)[0]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx; only `read_book` does this, the built book does not."""
    register_plugin(
        "sphinxcontrib.bibtex.style.referencing", "round-brackets", RoundBrackets, force=True
    )
    app.add_builder(NumbersBuilder)
    app.add_config_value("gs_wanted", {}, "")
    app.add_config_value("gs_addresses", ("", ""), "")
    app.connect("source-read", _repeat)
    app.connect("doctree-read", _locate)
    return {"parallel_read_safe": False, "parallel_write_safe": False}
