r"""Cells of tables that a spreadsheet opens: text stays text, in Excel's every language.

A cell that begins like a formula is one, with the wide signs of Chinese and Japanese keyboards as
well, and behind a tab or a line's end. Where lists are separated by semicolons, what stands behind
one is the next cell.

>>> cell("Müller"), cell("=1+1"), cell("-x; =2"), cell("a;b")
('Müller', "'=1+1", "'-x; '=2", 'a;b')
"""

import re

_FORMULA = re.compile(r"(^|[;\t\r\n])(\s*)(?=[=+\-@＝＋－＠\t\r])")


def cell(text: str) -> str:
    """Return text for a cell, with an apostrophe before what would be a formula."""
    return _FORMULA.sub(r"\1\2'", text)
