r"""Make the committed notebooks: each chapter `book/NAME.md` gives `book/NAME.ipynb` beside it.

    python -m tools.notebooks            # write them
    python -m tools.notebooks --check    # exit status 1 if one differs from its source

A notebook holds no outputs, and Markdown that Colab, Jupyter and GitHub all show. A paragraph that
quotes measured values becomes a cell that prints it. Code cells are kept as they are; a caption in
their metadata becomes a Markdown cell below.

>>> "{{ratio:.1f}} times" in say("SD gives \ue000ratio:.1f\ue001 times the margin.")
True
"""

import argparse
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import yaml
from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook
from sphinx_external_toc.parsing import parse_toc_yaml

import gsutils
from tools import notebook_numbers
from tools.notebook_markdown import GLUED, LEFT_OVER, Chapter, Facts, Site, SourceError, parser

ROOT = Path(__file__).resolve().parent.parent

INSTALL = """\
# In Colab, this adds the book's package and leaves Colab's own libraries as they are.
import importlib.util
import sys

if "google.colab" in sys.modules:
    %pip install --quiet --no-deps "{package}" "pooch>=1.8"
elif importlib.util.find_spec("gsutils") is None:
    print('This notebook needs gsutils: pip install "{package}"')"""

DEVICE = """\
import os

from gsutils.page.runtime import describe_runtime
{say}
# os.environ["GSUTILS_SIZE"] = "paper"  # the published settings in place of the quick ones
describe_runtime({arguments})"""


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
        ValueError: the repository is not on GitHub.
    """
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    repository = config["repository"]["url"].rstrip("/")
    if not repository.startswith("https://github.com/"):
        raise ValueError(
            f"repository url in _config.yml must be https://github.com/..., got {repository}"
        )
    owner, name = repository.split("/")[-2:]
    pages = config.get("html", {}).get("baseurl") or f"https://{owner.lower()}.github.io/{name}"
    release = f"v{gsutils.__version__}"
    return Addresses(
        package=f"gsutils @ git+{repository}@{release}",
        pages=pages.rstrip("/") + "/",
        files=f"https://raw.githubusercontent.com/{owner}/{name}/{release}/",
    )


# Code that the page hides is folded in Colab and in Jupyter too: a click opens it.
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}
UNSEEN = {"hide-input", "remove-cell"}


def say(text: str) -> str:
    """The code of a cell that prints a passage with its glued values."""
    text = GLUED.sub(r"{{\1}}", text.replace("{{", "{ {"))
    quotes = "'''" if '"""' in text else '"""'
    ends = "\n" if "\n" in text or text.endswith(('"', "\\")) else ""
    return f"say(r{quotes}{ends}{text}{ends}{quotes})"


def cells(chapter: Chapter, source: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells of a chapter, converted, in order."""
    result: list[nbformat.NotebookNode] = []

    def add(blocks: list[str]) -> None:
        """Add blocks in cells: neighbours that quote values together, and the others together."""
        groups: list[tuple[bool, str]] = []
        for block in blocks:
            glued = bool(GLUED.search(block))
            if groups and groups[-1][0] == glued:
                groups[-1] = (glued, groups[-1][1] + block)
            else:
                groups.append((glued, block))
        for glued, text in groups:
            text = text.strip("\n")
            if glued:
                result.append(nbformat.v4.new_code_cell(say(text), metadata=FOLDED))
            else:
                result.append(nbformat.v4.new_markdown_cell(text))

    for cell, line in zip(source.cells, source.metadata.source_map, strict=True):
        if cell.cell_type != "code":
            add(chapter.blocks(cell.source, line))
            continue
        metadata = {k: v for k, v in cell.metadata.items() if k != "mystnb"}
        if UNSEEN.intersection(metadata.get("tags", [])):
            metadata |= FOLDED
        result.append(nbformat.v4.new_code_cell(cell.source, metadata=metadata))
        if caption := cell.metadata.get("mystnb", {}).get("figure", {}).get("caption"):
            label = chapter.number("figure", "", line)
            first, *rest = chapter.blocks(caption, line)
            add([f"**{label}.** {first}", *rest])
    return result


def opening(
    chapter: Chapter, settings: dict[str, Any], package: str, says: bool
) -> list[nbformat.NotebookNode]:
    """The cells that install the package in Colab and name the device and the time."""
    costs = {key: str(value) for key, value in settings.get("cost", {}).items()}
    if unknown := set(costs) - {"cpu", "gpu"}:
        raise chapter.error(0, f"gsbook.cost holds {sorted(unknown)}: expected cpu and gpu")
    costs = {"cpu": "not measured yet", **costs}
    arguments = [f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in costs.items()]
    arguments += ["wants_gpu=True"] * bool(settings.get("gpu"))
    lines = "".join(f"    {argument},\n" for argument in arguments)
    device = DEVICE.format(
        say="from gsutils.page.prose import say\n" if says else "", arguments=f"\n{lines}"
    )
    return [
        nbformat.v4.new_code_cell(INSTALL.format(package=package)),
        nbformat.v4.new_code_cell(device),
    ]


def notebook(chapter: Chapter, text: str, package: str) -> str:
    """The notebook made from a chapter's text, as the text of its file.

    Raises:
        SourceError: the text has no counterpart in a notebook.
    """
    source = read_myst_markdown_notebook(text, add_source_map=True)
    settings = source.metadata.get("gsbook", {})
    body = cells(chapter, source)
    title, _, rest = body[0].source.partition("\n") if body else ("", "", "")
    if not title.startswith("# "):
        raise chapter.error(0, f"a chapter starts with a title '# …', got {title!r}")
    title += f"\n\n*A chapter of an executable book: [read it online]({chapter.site.page}).*"
    body[0].source = rest.strip("\n")
    says = any(cell.source.startswith("say(r") for cell in body)
    head = [nbformat.v4.new_markdown_cell(title), *opening(chapter, settings, package, says)]
    metadata: dict[str, Any] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    if settings.get("gpu"):
        metadata |= {"accelerator": "GPU", "colab": {"gpuType": "T4", "provenance": []}}
    seen: dict[str, int] = {}
    made = [cell for cell in [*head, *body] if cell.source]
    for cell in made:
        if cell.cell_type == "markdown" and (left := LEFT_OVER.search(cell.source)):
            raise chapter.error(
                0, f"MyST is left in the notebook: {cell.source[left.start() :][:60]!r}"
            )
        key = hashlib.sha256(cell.source.encode()).hexdigest()[:10]
        seen[key] = seen.get(key, 0) + 1
        cell.id = key if seen[key] == 1 else f"{key}-{seen[key]}"
    result = nbformat.v4.new_notebook(cells=made, metadata=metadata)
    nbformat.validate(result)
    return nbformat.writes(result, indent=1, ensure_ascii=False) + "\n"


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
    config = notebook_numbers.settings(root)
    md = parser(notebook_numbers.parser_settings(config))
    macros = config.get("mathjax3_config", {}).get("tex", {}).get("macros", {})
    found = chapters(root)

    def one(name: str, facts: Facts | None) -> tuple[Chapter, str]:
        source = found[name].relative_to(root).as_posix()
        chapter = Chapter(source, Site(online.pages, online.files, name), md, facts, macros)
        return chapter, notebook(chapter, found[name].read_text(encoding="utf-8"), online.package)

    wanted = {name: one(name, None)[0].wanted for name in found}
    facts = notebook_numbers.read_book(root, config, wanted, online.pages, online.files)
    return {path.with_suffix(".ipynb"): one(name, facts[name]) for name, path in found.items()}


def differing(root: Path) -> list[Path]:
    """The notebooks that differ from what the sources give, are missing, or have no source."""
    made = make(root)
    folders = {path.parent for path in made}
    present = {path for folder in folders for path in folder.glob("*.ipynb")}
    current = {path: path.read_text(encoding="utf-8") for path in present}
    return sorted(path for path in present | set(made) if current.get(path) != made.get(path))


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Write the notebooks, or check them; the exit status is 0 when they are as they should be."""
    options = argparse.ArgumentParser(prog="python -m tools.notebooks")
    options.add_argument("--check", action="store_true", help="write nothing; report differences")
    check = options.parse_args(arguments).check
    try:
        if check:
            for path in (found := differing(root)):
                print(f"{path.relative_to(root)} differs from its source", file=sys.stderr)
            if found:
                print("Run `make notebooks` and commit the result.", file=sys.stderr)
            return 1 if found else 0
        for path, text in make(root).items():
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(root))
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
