"""Numbers as text, for tables, titles and sentences.

>>> pm([-0.5, -0.75], ".1f", scale=100)
'−62.5 ± 17.7'
"""

import re
from collections.abc import Iterable

import numpy as np


def pm(values: Iterable[float], form: str = ".2f", scale: float = 1.0) -> str:
    """Return "mean ± std" of values over seeds, or the value alone of a single seed.

    >>> pm([0.5, 0.75], ".1f", scale=100)
    '62.5 ± 17.7'
    >>> pm([0.5, 0.75], "+.2f")
    '+0.62 ± 0.18'

    Raises:
        ValueError: there is no value.
    """
    values = np.asarray(list(values), float) * scale
    if not values.size:
        raise ValueError("there must be at least one value, got none")
    mean = minus(format(values.mean(), form))
    std = format(values.std(ddof=1), form.removeprefix("+")) if values.size > 1 else ""
    return f"{mean} ± {std}" if std else mean


def minus(text: str) -> str:
    """Return a text in which numbers have a minus sign before them in place of a hyphen.

    >>> minus("-2e-03"), minus("0.5, -0.3"), minus("non-zero"), minus("1-2")
    ('−2e-03', '0.5, −0.3', 'non-zero', '1-2')
    """
    return re.sub(r"(?<![\w.)`-])-(?=\.?\d)", "\N{MINUS SIGN}", text)
