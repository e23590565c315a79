"""How an answer is judged: verdicts, the list of checks, and what an answer may be.

>>> Verdict(False, "Not the mean.")
✗ Not the mean.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Verdict:
    """Whether an answer passed, and one sentence that helps."""

    passed: bool
    message: str

    def __repr__(self) -> str:
        """Show a mark and the sentence."""
        return f"{'✓' if self.passed else '✗'} {self.message}"


Check = Callable[[Callable[..., Any]], Verdict]
CHECKS: dict[str, Check] = {}


def exercise(judge: Callable[[Callable[..., Any]], str | None]) -> Check:
    """Make a check of a function that returns a hint, or None where the answer is right."""

    def check(answer: Callable[..., Any]) -> Verdict:
        if not callable(answer):
            return Verdict(False, f"Pass the function itself, not {answer!r}.")
        try:
            hint = judge(answer)
        except _Unsolved:
            return Verdict(False, "Not solved yet: your function returned None.")
        except Exception as error:
            return Verdict(False, f"Your function failed with {type(error).__name__}: {error}")
        return Verdict(hint is None, hint or "Right.")

    check.__name__, check.__doc__ = judge.__name__, judge.__doc__
    CHECKS[judge.__name__.replace("_", "-")] = check
    return check


class _Unsolved(Exception):
    """The answer is still the stub."""


def number(value: Any) -> float:
    """Return a scalar answer as a float."""
    if value is None or value is Ellipsis:
        raise _Unsolved
    array = np.asarray(value.detach() if isinstance(value, torch.Tensor) else value, float)
    if array.size != 1:
        raise ValueError(f"one number is expected, your function returned shape {array.shape}")
    return float(array.reshape(()))


def array(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return an answer as an array of the expected shape."""
    if value is None or value is Ellipsis:
        raise _Unsolved
    array = np.asarray(value.detach() if isinstance(value, torch.Tensor) else value, float)
    if array.shape != shape:
        raise ValueError(f"shape {shape} is expected, your function returned {array.shape}")
    return array
