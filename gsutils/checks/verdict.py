"""How an answer is judged: verdicts, the list of checks, and what an answer may be.

>>> Verdict(Status.FAILED, "Not the mean.")
✗ Not the mean.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import torch


class Status(StrEnum):
    """What became of an answer."""

    PASSED = "passed"
    FAILED = "failed"
    UNSOLVED = "unsolved"


@dataclass(frozen=True)
class Verdict:
    """What became of an answer, and one sentence that helps."""

    status: Status
    message: str

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.status is Status.PASSED

    def __repr__(self) -> str:
        """Show a mark and the sentence."""
        return f"{'✓' if self.passed else '✗'} {self.message}"


Judge = Callable[[Callable[..., Any]], str | None]


class Check:
    """A check, called with an answer, and what its exercise is.

    Attributes:
        judge: returns a hint, or None where the answer is right.
        chapter: where the exercise stands.
        title: what it asks for.
    """

    __name__: str

    def __init__(self, judge: Judge, chapter: int, title: str):
        self.judge, self.chapter, self.title = judge, chapter, title
        self.__name__, self.__doc__ = judge.__name__, f"Chapter {chapter}: {title}."

    def __call__(self, answer: Callable[..., Any]) -> Verdict:
        """Judge an answer, whatever it does."""
        if not callable(answer):
            return Verdict(Status.FAILED, f"Pass the function itself, not {answer!r}.")
        try:
            hint = self.judge(answer)
        except _Unsolved:
            return Verdict(Status.UNSOLVED, "Not solved yet: your function returned None.")
        except Exception as error:
            text = f"Your function failed with {type(error).__name__}: {error}"
            return Verdict(Status.FAILED, text)
        return Verdict(Status.PASSED if hint is None else Status.FAILED, hint or "Right.")


CHECKS: dict[str, Check] = {}


def exercise(chapter: int, title: str) -> Callable[[Judge], Check]:
    """Make a check of a function that returns a hint, or None where the answer is right."""

    def register(judge: Judge) -> Check:
        check = Check(judge, chapter, title)
        CHECKS[judge.__name__.replace("_", "-")] = check
        return check

    return register


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
