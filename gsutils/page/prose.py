"""Values that the prose quotes: measured in a cell, never typed by hand.

A chapter stores a value with :func:`glue` and quotes it in a sentence. The built book fills it
in; the notebook prints the sentence with :func:`say`.

>>> glue("ratio", 2.125)
>>> fill("SD has {{ratio:.1f}} times the margin.")
'SD has 2.1 times the margin.'
"""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gsutils.text import minus, pm

if TYPE_CHECKING:
    from IPython.display import Markdown

__all__ = ["fill", "glue", "minus", "pm", "say", "table"]

_values: dict[str, float | int | str] = {}
_PLACEHOLDER = re.compile(r"\{\{\s*([\w-]+)\s*(?::([^}]*))?\}\}")


def glue(name: str, value: float | int | str) -> None:
    """Store a value under a name, for this page's prose.

    Args:
        name: letters, digits, "_" and "-".
        value: a number or a text; NumPy and PyTorch scalars are turned into Python's.

    Raises:
        ValueError: the value is neither a scalar nor a text, or is not finite.
    """
    if not isinstance(value, str):
        if np.ndim(value):
            raise ValueError(f"glue takes one number or text, got shape {np.shape(value)}")
        value = value.item() if hasattr(value, "item") else value
        if not isinstance(value, (int, float)):
            raise ValueError(f"glue takes one number or text, got {value!r}")
        if not np.isfinite(value):
            raise ValueError(f"{name} is {value}: it cannot be quoted in a sentence")
    _values[name] = value
    try:
        import myst_nb
        from IPython import get_ipython
    except ImportError:
        return
    if get_ipython() is not None:
        myst_nb.glue(name, value, display=False)


def fill(template: str) -> str:
    """Return the text with each ``{{name}}`` or ``{{name:format}}`` replaced by its value.

    Raises:
        KeyError: nothing was stored under a name.
    """

    def value(match: re.Match[str]) -> str:
        name, form = match.groups()
        if name not in _values:
            raise KeyError(f"nothing was glued as {name!r}: run the cells above first")
        return minus(format(_values[name], form or ""))

    return _PLACEHOLDER.sub(value, template)


def say(template: str) -> None:
    """Display a Markdown text with its values filled in."""
    from IPython.display import Markdown, display

    display(Markdown(fill(template)))


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> "Markdown":
    """Return a table to display: numbers right-aligned, the first column and words left-aligned."""
    from IPython.display import Markdown

    cells = [[str(cell) for cell in row] for row in rows]
    columns = list(zip(*cells))[1:] or [()] * (len(header) - 1)
    lines = [header, [":--", *("--:" if _numbers(column) else ":--" for column in columns)], *cells]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return Markdown(minus(text).replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"))


def _numbers(column: Sequence[str]) -> bool:
    """Whether the cells are short and most of them, dashes aside, begin as a number does."""
    filled = [cell for cell in column if cell not in ("", "–", "not run")]
    begins = sum(bool(re.match(r"[-+−<≤>≥]?\.?\d", cell)) for cell in filled)
    return 2 * begins >= len(filled) and max(map(len, filled), default=0) <= 24
