"""Values that the prose quotes: measured in a cell, never typed by hand.

A chapter stores a value with :func:`glue` and quotes it in a sentence. The built book fills it
in; a notebook has the book's value there, and shows those of its own run with :func:`yours`.

>>> written(-2.125, ".1f")
'−2.1'
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gsutils.text import minus, pm

if TYPE_CHECKING:
    from IPython.display import Markdown

__all__ = ["Value", "glue", "minus", "pm", "table", "written", "yours"]

Value = float | int | str
_values: dict[str, Value] = {}


def glue(name: str, value: Value) -> None:
    """Store a value under a name, for this page's prose.

    Args:
        name: letters, digits, "_" and "-".
        value: a number or a text; NumPy and PyTorch scalars are turned into Python's.

    Raises:
        ValueError: another name; or the value is neither a scalar nor a text, or not finite.
    """
    if not re.fullmatch(r"[\w-]+", name, re.ASCII):
        raise ValueError(f"a name must be of letters, digits, _ and -, got {name!r}")
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


def written(value: Value, form: str = "") -> str:
    """Return a value as prose has it, with a true minus sign."""
    return minus(format(value, form))


def yours(quoted: Mapping[str, str]) -> None:
    """Display the values of this run beside those of the book, as the text above quotes them.

    Args:
        quoted: "name" or "name:format" -> what the text says; "" of a text that is long.

    Raises:
        KeyError: nothing was stored under a name.
    """
    from IPython.display import Markdown, display

    rows, texts = [], []
    for key, book in quoted.items():
        name, _, form = key.partition(":")
        if name not in _values:
            raise KeyError(f"nothing was glued as {name!r}: run the cells above first")
        here = written(_values[name], form)
        if book:
            rows.append([name.replace("_", " "), book, here])
        else:
            texts.append(here)
    if rows and all(book == here for _, book, here in rows):
        display(Markdown("The numbers of this section are the same here as in the book."))
    elif rows:
        display(table(["number", "in the text", "here"], rows))
    for text in texts:
        display(Markdown(f"Here: {text}"))


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> "Markdown":
    """Return a table to display: numbers right-aligned, the first column and words left-aligned.

    Raises:
        ValueError: a row has not as many cells as the header.
    """
    from IPython.display import Markdown

    cells = [[str(cell) for cell in row] for row in rows]
    for row in cells:
        if len(row) != len(header):
            raise ValueError(f"a row must have {len(header)} cells, as {list(header)}, got {row}")
    columns = list(zip(*cells))[1:] or [()] * (len(header) - 1)
    lines = [header, [":--", *("--:" if _numbers(column) else ":--" for column in columns)], *cells]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return Markdown(minus(text).replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"))


def _numbers(column: Sequence[str]) -> bool:
    """Whether the cells are short and most of them, dashes aside, begin as a number does."""
    filled = [cell for cell in column if cell not in ("", "–", "not run")]
    begins = sum(bool(re.match(r"[-+−<≤>≥]?\.?\d", cell)) for cell in filled)
    return 2 * begins >= len(filled) and max(map(len, filled), default=0) <= 24
