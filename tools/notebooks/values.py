r"""The values that a chapter quotes, as the last build of the book computed them.

>>> masked("It is \ue000ratio:.1f\ue001 times.").fullmatch("It is 2.1 times.") is not None
True
"""

import ast
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tools.notebooks.syntax import GLUED, SourceError

if TYPE_CHECKING:
    from gsutils.page.prose import Value


def read(build: Path, name: str) -> "dict[str, Value]":
    """The values that a chapter glued when the book was built last.

    Args:
        build: the folder of the built book.
        name: the chapter's, as Sphinx knows it.

    Raises:
        SourceError: the book is not built.
    """
    folder = build / "jupyter_execute"
    if not (folder / f"{name}.ipynb").is_file():
        raise SourceError(f"{name} has no values yet: build the book first, with make book")
    file = folder / f"{name}.glue.json"
    if not file.is_file():
        return {}
    glued = json.loads(file.read_text(encoding="utf-8"))
    return {key: ast.literal_eval(one["data"]["text/plain"]) for key, one in glued.items()}


def fill(text: str, values: "dict[str, Value]", source: str, code: bool = False) -> str:
    """A passage with its values in the places of their marks.

    Args:
        text: the passage.
        values: by name.
        source: the file that it comes from, for messages.
        code: whether they stand in strings of a program: of a long text nothing is left then.

    Raises:
        SourceError: a value is not there.
    """
    from gsutils.page.prose import written

    def value(match: re.Match[str]) -> str:
        name, _, form = match[1].partition(":")
        if name not in values:
            raise SourceError(f"{source}: the last build has no {name!r}: run make book again")
        shown = written(values[name], form)
        return "" if code and not re.fullmatch(r'[^"\\\n]{1,40}', shown) else shown

    return GLUED.sub(value, text)


def masked(text: str) -> re.Pattern[str]:
    """A pattern for a text in which any values may stand in the places of its marks."""
    pieces = GLUED.split(text)[::2]
    return re.compile(".*?".join(map(re.escape, pieces)))
