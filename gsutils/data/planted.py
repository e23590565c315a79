r"""Data with a planted cue that gives the label away, for chapter 13's networks.

- :func:`stamped`: digits with a bright pixel in the top row, whose place names a digit;
- :func:`sequences`: tokens of which two decide by their order, and one tells the answer.

The cue is right with a probability, the **agreement**; ``shows`` says where it is.

>>> from gsutils.seeding import stream
>>> made = sequences(1000, agreement=0.95, rng=stream(0, "sequences"))
>>> made.X.shape, round(float(made.shows.float().mean()), 2)
(torch.Size([1000, 8]), 0.95)
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gsutils.data.mnist import Digits

LENGTH, TOKENS = 8, 10
FIRST, SECOND, TELLS = 0, 1, (8, 9)  # the two tokens whose order decides; those that tell


class Planted(NamedTuple):
    """Inputs, labels, and whether each example's cue names its label.

    Attributes:
        X: (n, ...).
        y: (n,).
        shows: bool, (n,).
    """

    X: Tensor
    y: Tensor
    shows: Tensor


def stamped(digits: Digits, agreement: float, rng: np.random.Generator) -> Planted:
    """Return images (n, 1, 14, 14) in [0, 1] with a stamp in column 2 + k of the top row.

    k is the digit with the probability ``agreement``, else one of the nine others.

    Args:
        digits: of 14×14 pixels.
        agreement: in [0, 1]; 0.1 makes the stamp say nothing.
        rng: a stream of :mod:`gsutils.seeding`.
    """
    n = len(digits)
    y = digits.digits.astype(np.int64)
    shift = rng.integers(1, 10, n)
    shift[rng.random(n) < _checked(agreement)] = 0
    X = digits.images[:, None].astype(np.float32) / 255
    X[np.arange(n), 0, 0, 2 + (y + shift) % 10] = 1
    return Planted(torch.from_numpy(X), torch.from_numpy(y), torch.from_numpy(shift == 0))


def sequences(n: int, agreement: float, rng: np.random.Generator) -> Planted:
    """Return sequences (n, 8) of ten tokens, with labels -1/+1 (float32).

    Token 0 and token 1 stand in each sequence once: the label is +1 where token 1 comes first.
    One other token, 9 for +1 and 8 for -1, tells the label with the probability ``agreement``,
    else the other one; the rest are drawn from 2 to 7.

    Args:
        n: how many.
        agreement: in [0, 1]; 0.5 makes the token say nothing.
        rng: a stream of :mod:`gsutils.seeding`.
    """
    X, y = rng.integers(2, 8, (n, LENGTH)), rng.choice([-1, 1], n)
    places = np.argsort(rng.random((n, LENGTH)), 1)[:, :3]
    row, (early, late) = np.arange(n), np.sort(places[:, :2], 1).T
    X[row, early] = np.where(y > 0, SECOND, FIRST)
    X[row, late] = np.where(y > 0, FIRST, SECOND)
    told = np.where(rng.random(n) < _checked(agreement), y, -y)
    X[row, places[:, 2]] = np.where(told > 0, TELLS[1], TELLS[0])
    label = torch.from_numpy(y.astype(np.float32))
    return Planted(torch.from_numpy(X), label, torch.from_numpy(told == y))


def _checked(agreement: float) -> float:
    if not 0 <= agreement <= 1:
        raise ValueError(f"agreement must be in [0, 1], got {agreement}")
    return agreement
