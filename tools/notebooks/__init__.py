"""Make the committed notebooks: each chapter `book/NAME.md` gives `book/NAME.ipynb` beside it.

    python -m tools.notebooks            # write them
    python -m tools.notebooks --check    # exit status 1 if one differs from its source

A notebook holds no outputs, and Markdown that Colab, Jupyter and GitHub all show. A paragraph that
quotes measured values becomes a cell that prints it. Code cells are kept as they are; a caption in
their metadata becomes a Markdown cell below.
"""

from dataclasses import dataclass
from pathlib import Path

import yaml
from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook
from sphinx_external_toc.parsing import parse_toc_yaml

import gsutils
from tools.notebooks import numbers
from tools.notebooks.cells import notebook
from tools.notebooks.markdown import Chapter
from tools.notebooks.syntax import Facts, Site, parser
from tools.release import address

ROOT = Path(__file__).resolve().parents[2]


def chapters(root: Path) -> dict[str, Path]:
    """The pages in the table of contents that are notebooks with code cells, by Sphinx's name."""
    found = {}
    for entry in parse_toc_yaml(root / "_toc.yml"):
        name = entry.removesuffix(".md")
        path = root / f"{name}.md"
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            if is_myst_markdown_notebook(text):
                cells = read_myst_markdown_notebook(text).cells
                if any(cell.cell_type == "code" for cell in cells):
                    found[name] = path
    return found


@dataclass(frozen=True)
class Addresses:
    """Where notebooks find things.

    Attributes:
        package: what pip installs to get the package, from the release tag.
        pages: the published pages.
        files: the repository's files at the release tag.
    """

    package: str
    pages: str
    files: str


def addresses(root: Path) -> Addresses:
    """The addresses that follow from `_config.yml`.

    Raises:
        ValueError: it holds no address of a repository on GitHub.
    """
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    repository = address(root)
    owner, name = repository.split("/")[-2:]
    pages = config.get("html", {}).get("baseurl") or f"https://{owner.lower()}.github.io/{name}"
    release = f"v{gsutils.__version__}"
    return Addresses(
        package=f"gsutils @ git+{repository}@{release}",
        pages=pages.rstrip("/") + "/",
        files=f"https://raw.githubusercontent.com/{owner}/{name}/{release}/",
    )


def make(root: Path) -> dict[Path, str]:
    """The notebooks of the book in `root`, by path, as they should be.

    Raises:
        SourceError: a chapter holds something that has no place in a notebook.
    """
    return {path: text for path, (_, text) in convert(root, addresses(root)).items()}


def convert(root: Path, online: Addresses) -> dict[Path, tuple[Chapter, str]]:
    """Each chapter of the book in `root` as it was converted, and its notebook, by path.

    Raises:
        SourceError: a chapter holds something that has no place in a notebook.
    """
    config = numbers.settings(root)
    md = parser(numbers.parser_settings(config))
    macros = config.get("mathjax3_config", {}).get("tex", {}).get("macros", {})
    found = chapters(root)

    def one(name: str, facts: Facts | None) -> tuple[Chapter, str]:
        source = found[name].relative_to(root).as_posix()
        chapter = Chapter(source, Site(online.pages, online.files, name), md, facts, macros)
        return chapter, notebook(chapter, found[name].read_text(encoding="utf-8"), online.package)

    wanted = {name: one(name, None)[0].wanted for name in found}
    facts = numbers.read_book(root, config, wanted, online.pages, online.files)
    return {path.with_suffix(".ipynb"): one(name, facts[name]) for name, path in found.items()}


def differing(root: Path) -> list[Path]:
    """The notebooks that differ from what the sources give, are missing, or have no source."""
    made = make(root)
    folders = {path.parent for path in made}
    present = {path for folder in folders for path in folder.glob("*.ipynb")}
    current = {path: path.read_text(encoding="utf-8") for path in present}
    return sorted(path for path in present | set(made) if current.get(path) != made.get(path))
