r"""The cells of a notebook: the chapter's own, those that open it, those that show the values.

Until the last step a quoted value is a mark, its name between two private characters.

>>> print(own("ratio:.1f"))
#@title Your own values of what this section quotes
yours({"ratio:.1f": "\ue000ratio:.1f\ue001"})
"""

import hashlib
import json
import re
import textwrap
from typing import TYPE_CHECKING, Any

import nbformat
from myst_nb.core.read import read_myst_markdown_notebook

from tools.address import Addresses
from tools.folded import holds
from tools.notebooks.markdown import Chapter
from tools.notebooks.syntax import GLUED, LEFT_OVER
from tools.notebooks.values import fill

if TYPE_CHECKING:
    from gsutils.page.prose import Value

CREDIT = """\
*A chapter of an executable book: [read it online]({page}). Text and figures CC BY 4.0, code MIT, by
the Gradient Starvation book authors. Numbers in the text are those of the book's own build; once
you have run a section, the cell at its end shows yours.*"""

INSTALL = """\
# In Colab, this adds the book's package and leaves Colab's own libraries as they are.
import importlib.util
import sys

from IPython.core.error import UsageError

if "google.colab" in sys.modules:
    %pip install --quiet --no-deps "{package}" "pooch>=1.8" "dacite>=1.8.1"
    importlib.invalidate_caches()
if importlib.util.find_spec("gsutils") is None:
    raise UsageError(
        'gsutils is not installed: try pip install "{package}", '
        "and if that fails, ask {ask}."
    )"""

DEVICE = """\
{imported}from gsutils.page.runtime import describe_runtime

{size}describe_runtime({arguments})"""

SIZE = """\
# os.environ["GSUTILS_SIZE"] = "paper"  # the published settings in place of the quick ones
"""
# A call that takes the size in force.
SIZED = re.compile(r"chosen_size\(|ENTRIES\[[^\]]+\]\.(?:train|record)\((?![\"'])")

# Code that the page hides is folded in Colab and in Jupyter too: a click opens it.
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}
UNSEEN = {"hide-input", "remove-cell"}


def own(*quoted: str) -> str:
    """The code of a cell that shows the reader's own values, each "name" or "name:format"."""
    pairs = [f'"{key}": "\ue000{key}\ue001"' for key in quoted]
    inside = pairs[0] if len(pairs) == 1 else "\n    " + ",\n    ".join(pairs) + ",\n"
    return f"#@title Your own values of what this section quotes\nyours({{{inside}}})"


def title(cell: nbformat.NotebookNode, figure: str = "", caption: str = "") -> str:
    """What a folded cell holds, in words: its figure's number and the first sentence below it."""
    if figure:
        words = re.sub(r"[*_`]|\[(.*?)\]\(.*?\)", r"\1", " ".join(caption.split()))
        words = re.sub(r"^(Left|Top): ", "", words)  # a panel's place says nothing of the figure
        first = re.split(r"(?<!\b(?:Fig|Eqs))(?<!\bEq)[.:;]\s", words)[0].rstrip(".:;")
        imports = "Imports, " * holds(cell.source, True).startswith("Imports")
        return textwrap.shorten(f"{imports}{figure}: {first}", 100, placeholder=" …")
    if "remove-cell" in cell.metadata.get("tags", []):
        return "Values that the text quotes"
    held, said = holds(cell.source), str(cell.metadata.get("title", ""))
    return f"Table: {said}" if held == "Table" and said else said or held


def cells(chapter: Chapter, source: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells of a chapter, converted, in order; values are marks."""
    result: list[nbformat.NotebookNode] = []
    quoted: dict[str, None] = {}

    def show_own() -> None:
        if quoted:
            result.append(nbformat.v4.new_code_cell(own(*quoted), metadata=FOLDED))
            quoted.clear()

    def add(blocks: list[str]) -> None:
        """Add blocks in one cell, but a heading begins another one, after the values before it."""
        text = ""
        for block in blocks:
            if re.match(r"\s*#", block):
                write(text)
                show_own()
                text = ""
            text += block
            quoted.update(dict.fromkeys(GLUED.findall(block)))
        write(text)

    def write(text: str) -> None:
        if text.strip("\n"):
            result.append(nbformat.v4.new_markdown_cell(text.strip("\n")))

    for cell, line in zip(source.cells, source.metadata.source_map, strict=True):
        if cell.cell_type != "code":
            add(chapter.blocks(cell.source, line))
            continue
        metadata = {k: v for k, v in cell.metadata.items() if k not in ("mystnb", "title")}
        shown = cell.metadata.get("mystnb", {})
        code, below, label, first = cell.source, "", "", ""
        if caption := shown.get("figure", {}).get("caption"):
            label = chapter.number("figure", "", line)
            chapter.labels[str(shown["figure"].get("name"))] = label
            first = "".join(chapter.blocks(caption, line)).strip("\n")
            below = f"**{label}.** {first}\n\n"
        if alt := " ".join(shown.get("image", {}).get("alt", "").split()):
            below += f"<details>\n<summary>The figure in words</summary>\n\n{alt}\n\n</details>"
        if UNSEEN.intersection(metadata.get("tags", [])):
            metadata |= FOLDED
            if not (
                {"figure", "title"}.intersection(shown | cell.metadata)
                or "remove-cell" in metadata["tags"]
                or holds(cell.source) == "Imports"
            ):
                raise chapter.error(line, "a folded cell without a figure needs a line :title: …")
            code = f"#@title {title(cell, label, first)}\n{code}"
        result.append(nbformat.v4.new_code_cell(code, metadata=metadata))
        add([below])
    show_own()
    return result


def opening(
    chapter: Chapter, settings: dict[str, Any], online: Addresses, body: list[nbformat.NotebookNode]
) -> list[nbformat.NotebookNode]:
    """The cells that install the package in Colab and name the device, the time and the size."""
    costs = {key: str(value) for key, value in settings.get("cost", {}).items()}
    if unknown := set(costs) - {"cpu", "gpu"}:
        raise chapter.error(0, f"gsbook.cost holds {sorted(unknown)}: expected cpu and gpu")
    arguments = [f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in costs.items()]
    arguments += ["wants_gpu=True"] * bool(settings.get("gpu"))
    sized = any(cell.cell_type == "code" and SIZED.search(cell.source) for cell in body)
    arguments += [] if sized else ["sized=False"]
    lines = "".join(f"    {argument},\n" for argument in arguments)
    quotes = any("\nyours(" in cell.source for cell in body)
    device = DEVICE.format(
        imported="import os\n\n" * sized + "from gsutils.page.prose import yours\n" * quotes,
        size=SIZE * sized,
        arguments=f"\n{lines}",
    )
    return [
        nbformat.v4.new_code_cell(INSTALL.format(package=online.package, ask=online.ask)),
        nbformat.v4.new_code_cell(device),
    ]


def notebook(
    chapter: Chapter, text: str, online: Addresses, values: "dict[str, Value] | None" = None
) -> str:
    """The notebook made from a chapter's text, as the text of its file.

    Args:
        chapter: the chapter.
        text: its text.
        online: where the notebook finds things.
        values: what the text quotes; None leaves marks, see :func:`tools.notebooks.values.masked`.

    Raises:
        SourceError: the text has no counterpart in a notebook, or quotes what is not there.
    """
    source = read_myst_markdown_notebook(text, add_source_map=True)
    settings = source.metadata.get("gsbook", {})
    body = cells(chapter, source)
    heading, _, rest = body[0].source.partition("\n") if body else ("", "", "")
    if not heading.startswith("# "):
        raise chapter.error(0, f"a chapter starts with a title '# …', got {heading!r}")
    heading += f"\n\n{CREDIT.format(page=chapter.site.page)}"
    body[0].source = rest.strip("\n")
    head = [nbformat.v4.new_markdown_cell(heading), *opening(chapter, settings, online, body)]
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
        if values is not None:
            cell.source = fill(cell.source, values, chapter.source, cell.cell_type == "code")
    result = nbformat.v4.new_notebook(cells=made, metadata=metadata)
    nbformat.validate(result)
    return nbformat.writes(result, indent=1, ensure_ascii=False) + "\n"
