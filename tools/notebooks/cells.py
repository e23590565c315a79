r"""The cells of a notebook: the chapter's own, those that open it, and those that print values.

>>> "{{ratio:.1f}} times" in say("SD gives \ue000ratio:.1f\ue001 times the margin.")
True
"""

import hashlib
import json
from typing import Any

import nbformat
from myst_nb.core.read import read_myst_markdown_notebook

from tools.notebooks.markdown import Chapter
from tools.notebooks.syntax import GLUED, LEFT_OVER

INSTALL = """\
# In Colab, this adds the book's package and leaves Colab's own libraries as they are.
import importlib.util
import sys

if "google.colab" in sys.modules:
    %pip install --quiet --no-deps "{package}" "pooch>=1.8" "dacite>=1.8.1"
elif importlib.util.find_spec("gsutils") is None:
    print('This notebook needs gsutils: pip install "{package}"')"""

DEVICE = """\
import os

from gsutils.page.runtime import describe_runtime
{say}
# os.environ["GSUTILS_SIZE"] = "paper"  # the published settings in place of the quick ones
describe_runtime({arguments})"""


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
