r"""Features that detectors look for: the data of the blog post "Gradient Dosage", made exact.

Each example has a label :math:`y = \pm 1` and k features :math:`f_j = \pm 1`, independent of each
other given the label; feature j agrees with it with probability :math:`p_j`, its reliability.
A linear model sees the features themselves. A network sees a block of two inputs for each,
:math:`x_j = s_j (e_j + \epsilon,\; f_j e_j + \epsilon')` with a random sign :math:`e_j`: neither
input says anything about :math:`f_j`, their product does, so that a detector has to be learned.

>>> population = Population.of_features((0.9, 0.9, 0.9))
>>> votes = population.f.sum(1)
>>> round(float(population.accuracy(votes)), 4)  # of the majority
0.972
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from gsutils import guards
from gsutils.seeding import stream


def cells(k: int) -> np.ndarray:
    """Return all patterns of k signs, (2**k, k)."""
    guards.count("k", k, most=20)
    return np.array(list(product((1.0, -1.0), repeat=k)))


@dataclass(frozen=True)
class Population:
    """The population in place of a sample: all patterns of features, with their probabilities.

    Attributes:
        X: inputs, (m, d).
        f: the features of each row, (m, k).
        plus: probability of the row and the label +1, (m,).
        minus: probability of the row and the label -1, (m,).
    """

    X: Tensor
    f: Tensor
    plus: Tensor
    minus: Tensor

    @classmethod
    def of_features(cls, reliability: Sequence[float]) -> "Population":
        """Return the 2**k patterns themselves as inputs, float64: exact."""
        f = cells(len(reliability))
        return cls._weighted(f, f, reliability, torch.float64)

    @classmethod
    def of_blocks(
        cls, reliability: Sequence[float], strengths: Sequence[float], samples: int = 64
    ) -> "Population":
        """Return inputs of a network, ``samples`` draws of each pattern, float32.

        Probabilities are exact; signs and noise of the inputs come from one fixed stream.
        """
        f = np.repeat(cells(len(reliability)), samples, 0)
        return cls._weighted(blocks(f, strengths, stream(0, "population")), f, reliability)

    @classmethod
    def _weighted(
        cls,
        X: np.ndarray,
        f: np.ndarray,
        reliability: Sequence[float],
        dtype: torch.dtype = torch.float32,
    ) -> "Population":
        p = _checked(reliability)
        plus, minus = (np.where(sign * f > 0, p, 1 - p).prod(1) for sign in (1, -1))
        parts = X, f, plus / plus.sum() / 2, minus / minus.sum() / 2
        return cls(*(torch.from_numpy(part).to(dtype) for part in parts))

    def to(self, device: str | torch.device) -> "Population":
        """Return a copy on a device."""
        return Population(*(part.to(device) for part in (self.X, self.f, self.plus, self.minus)))

    def responses(self, logits: Tensor) -> Tensor:
        r"""Return :math:`w_j`, the mean of :math:`\hat y f_j` over all patterns alike, (..., k).

        For a linear model it is the weight on feature j.
        """
        return logits @ self.f / len(self.f)

    def accuracy(self, logits: Tensor) -> Tensor:
        """Return the expected accuracy, (...), a fraction; a logit of 0 counts half."""
        sign = torch.sign(logits)
        return (1 + sign @ self.plus - sign @ self.minus) / 2


def blocks(
    f: np.ndarray, strengths: Sequence[float], rng: np.random.Generator, noise: float = 0.2
) -> np.ndarray:
    """Return a network's inputs (n, 2k) for features f (n, k): see the head of this module.

    Args:
        f: -1/+1, (n, k).
        strengths: the size of each block, (k,).
        rng: draws the signs and the noise.
        noise: its standard deviation at strength 1.

    Raises:
        ValueError: strengths that are not one a feature, or an argument out of range.
    """
    if np.ndim(f) != 2 or np.shape(strengths) != f.shape[1:]:
        raise ValueError(
            f"f must be (n, k) and strengths (k,), got {np.shape(f)} and {np.shape(strengths)}"
        )
    for strength in strengths:
        guards.number("strengths", strength)
    guards.number("noise", noise, least=0.0)
    sign = rng.choice([-1.0, 1.0], f.shape)
    x = np.stack([sign, f * sign], -1) + noise * rng.standard_normal((*f.shape, 2))
    return (x * np.asarray(strengths)[:, None]).reshape(len(f), -1)


def draw(
    seed: int, n: int, strengths: Sequence[float], reliability: Sequence[float], name: str = "data"
) -> tuple[np.ndarray, np.ndarray]:
    """Draw n examples with blocks of inputs.

    Args:
        seed: the run's seed.
        n: how many.
        strengths: the size of each block, (k,).
        reliability: probability that a feature agrees with the label, (k,).
        name: of the random stream.

    Returns:
        X (n, 2k) and y (n,), float64.

    Raises:
        ValueError: a reliability outside (0, 1), or another argument out of range.
    """
    guards.count("n", n)
    rng, p = stream(seed, name), _checked(reliability)
    y = rng.choice([-1.0, 1.0], n)
    f = np.where(rng.random((n, len(p))) < p, y[:, None], -y[:, None])
    return blocks(f, strengths, rng), y


def draw_noisy(
    seed: int, n: int, private: int, label_noise: float, name: str = "data"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw examples with one feature shared by all, and inputs of their own; some labels are wrong.

    The first two inputs are a block of strength 1 (see :func:`blocks`). The ``private`` others
    are Gaussian with expected squared length 1: nearly orthogonal from example to example.

    Returns:
        X (n, 2 + private), the labels y (n,), and the shared feature f (n,); y differs from f
        with probability ``label_noise``.

    Raises:
        ValueError: ``label_noise`` outside [0, 1/2).
    """
    guards.count("n", n)
    guards.count("private", private)
    if not 0 <= label_noise < 0.5:
        raise ValueError(f"label_noise must lie in [0, 1/2), got {label_noise}")
    rng = stream(seed, name)
    f = rng.choice([-1.0, 1.0], n)
    shared = blocks(f[:, None], [1.0], rng)
    own = rng.standard_normal((n, private)) / private**0.5
    return np.hstack([shared, own]), np.where(rng.random(n) < label_noise, -f, f), f


def _checked(reliability: Sequence[float]) -> np.ndarray:
    p = np.asarray(reliability, float)
    if p.ndim != 1 or not len(p) or not ((p > 0) & (p < 1)).all():
        raise ValueError(f"reliability must be probabilities in (0, 1), got {reliability}")
    return p
