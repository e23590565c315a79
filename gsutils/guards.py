"""What numbers an argument may be: whatever else is refused at the door, by name.

Labels have theirs in :mod:`gsutils.losses`, the matrices of the dual in
:mod:`gsutils.dual.problem`.

>>> number("lr", 0.5, above=0.0), count("steps", 3)
(0.5, 3)
>>> number("lr", -1.0, above=0.0)
Traceback (most recent call last):
ValueError: lr must be a finite number > 0, got -1.0
>>> count("steps", 2.5)
Traceback (most recent call last):
ValueError: steps must be an integer >= 1, got 2.5
"""

import math
import numbers
from collections.abc import Iterable, Sequence
from typing import Any

INFINITY = math.inf


def number(
    name: str,
    value: Any,
    *,
    least: float = -INFINITY,
    most: float = INFINITY,
    above: float = -INFINITY,
    below: float = INFINITY,
) -> float:
    """Return a finite number as a float.

    Args:
        name: of the argument.
        value: what was given; booleans and text are no numbers, NumPy's and PyTorch's scalars are.
        least: it may be equal to it.
        most: it may be equal to it.
        above: it may not be equal to it.
        below: it may not be equal to it.

    Raises:
        ValueError: it is anything else; the message says what is asked for.
    """
    found = math.nan
    if not isinstance(value, bool | str | bytes) and value is not None:
        try:
            found = float(value)
        except (TypeError, ValueError, RuntimeError, OverflowError):
            found = math.nan
    if math.isfinite(found) and least <= found <= most and above < found < below:
        return found
    limits = [
        f"{sign} {limit:g}"
        for sign, limit in ((">=", least), (">", above), ("<=", most), ("<", below))
        if math.isfinite(limit)
    ]
    asked = " and ".join(limits)
    raise ValueError(f"{name} must be a finite number{' ' * bool(asked)}{asked}, got {value!r}")


def count(name: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """Return an integer in a range.

    Raises:
        ValueError: it is no integer, or out of range; 2.0 and True are no integers.
    """
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if whole and least <= int(value) and (most is None or int(value) <= most):
        return int(value)
    asked = f">= {least}" if most is None else f"in {least}..{most}"
    raise ValueError(f"{name} must be an integer {asked}, got {value!r}")


def chosen(name: str, value: Any, among: Iterable[str]) -> str:
    """Return a name that is one of several.

    Raises:
        ValueError: it is none of them.
    """
    known = tuple(among)
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} must be in {known}, got {value!r}")
    return value


def interval(name: str, value: Any) -> tuple[float, float]:
    """Return a pair of finite numbers in ascending order.

    Raises:
        ValueError: it is anything else.
    """
    if isinstance(value, Sequence) and not isinstance(value, str | bytes) and len(value) == 2:
        low, high = (number(name, part) for part in value)
        if low < high:
            return low, high
    raise ValueError(f"{name} must be a pair (low, high) with low < high, got {value!r}")
