"""Make the committed notebooks: each chapter `book/NAME.md` gives `book/NAME.ipynb` beside it.

    python -m tools.notebooks            # write them
    python -m tools.notebooks --check    # exit status 1 if one differs from its source

A notebook holds no outputs, and Markdown that Colab, Jupyter and GitHub all show. What a paragraph
quotes has the value of the book's last build; a folded cell at the section's end shows the reader's
own. Code cells are kept as they are, under a title where they are folded; a caption in their
metadata becomes a Markdown cell below.
"""

from dataclasses import dataclass
from pathlib import Path

import yaml
from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook
from sphinx_external_toc.parsing import parse_toc_yaml

import gsutils
from tools.notebooks import numbers, values
from tools.notebooks.cells import notebook
from tools.notebooks.markdown import Chapter
from tools.notebooks.syntax import Facts, Site, parser
from tools.release import address

ROOT = Path(__file__).resolve().parents[2]
BUILD = "_build"  # the folder of the built book, in that of its sources


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
    pages = (config.get("html") or {}).get("baseurl") or f"https://{owner.lower()}.github.io/{name}"
    release = f"v{gsutils.__version__}"
    return Addresses(
        package=f"gsutils @ git+{repository}@{release}",
        pages=str(pages).rstrip("/") + "/",
        files=f"https://raw.githubusercontent.com/{owner}/{name}/{release}/",
    )


def make(root: Path) -> dict[Path, str]:
    """The notebooks of the book in `root`, by path, with the values of its last build.

    Raises:
        SourceError: a chapter holds something that has no place in a notebook, or is not built.
    """
    return {path: text for path, (_, text) in convert(root, addresses(root), root / BUILD).items()}


def convert(root: Path, online: Addresses, build: Path | None) -> dict[Path, tuple[Chapter, str]]:
    """Each chapter of the book in `root` as it was converted, and its notebook, by path.

    Args:
        root: the folder of the book.
        online: where notebooks find things.
        build: the folder of the built book, whose values are quoted; None leaves marks instead.

    Raises:
        SourceError: a chapter holds something that has no place in a notebook, or is not built.
    """
    config = numbers.settings(root)
    md = parser(numbers.parser_settings(config))
    macros = config.get("mathjax3_config", {}).get("tex", {}).get("macros", {})
    found = chapters(root)

    def one(name: str, facts: Facts | None) -> tuple[Chapter, str]:
        source = found[name].relative_to(root).as_posix()
        chapter = Chapter(source, Site(online.pages, online.files, name), md, facts, macros)
        glued = values.read(build, name) if build and facts else None
        text = found[name].read_text(encoding="utf-8")
        return chapter, notebook(chapter, text, online.package, glued)

    wanted = {name: one(name, None)[0].wanted for name in found}
    facts = numbers.read_book(root, config, wanted, online.pages, online.files)
    return {path.with_suffix(".ipynb"): one(name, facts[name]) for name, path in found.items()}


def differing(root: Path) -> list[Path]:
    """The notebooks that differ from what the sources give, are missing, or have no source.

    Values are not compared: another processor changes a last digit.
    """
    made = convert(root, addresses(root), None)
    folders = {path.parent for path in made}
    present = {path for folder in folders for path in folder.glob("*.ipynb")}
    current = {path: path.read_text(encoding="utf-8") for path in present}

    def same(path: Path) -> bool:
        if path not in made or path not in current:
            return False
        return bool(values.masked(made[path][1]).fullmatch(current[path]))

    return sorted(path for path in present | set(made) if not same(path))
