r"""Features that detectors look for: the data of the blog post "Gradient Dosage", made exact.

Each example has a label :math:`y = \pm 1` and k features :math:`f_j = \pm 1`, independent of each
other given the label; feature j agrees with it with probability :math:`p_j`, its reliability.
A linear model sees the features themselves. A network sees a block of two inputs for each,
:math:`x_j = s_j (e_j + \epsilon,\; f_j e_j + \epsilon')` with a random sign :math:`e_j`: neither
input says anything about :math:`f_j`, their product does, so that a detector has to be learned.

The **pull** of an example is :math:`\alpha_i = -\partial \ell / \partial (y_i \hat y_i)`, so that
:math:`-\nabla L = \sum_i \alpha_i y_i \phi_i`; the **dose share** of feature j is the share of
:math:`\sum_i \alpha_i` that lies on examples with which it agrees.

>>> population = Population.of_features((0.9, 0.9, 0.9))
>>> total, agreed = population.doses(torch.zeros(8, dtype=torch.float64), "cross-entropy")
>>> float(total), [round(float(d), 3) for d in agreed / total]
(0.5, [0.9, 0.9, 0.9])
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from gsutils.losses import check_lam
from gsutils.seeding import stream

OBJECTIVES: dict[str, Callable[[Tensor, float], Tensor]] = {  # of the margin u, and λ
    "cross-entropy": lambda u, lam: softplus(-u),
    "SD": lambda u, lam: softplus(-u) + lam / 2 * u.square(),
    "squared": lambda u, lam: (1 - u).square() / 2,
}


def example_losses(margins: Tensor, objective: str, lam: float = 0.0) -> Tensor:
    """Return each example's loss at its margin, in the shape of ``margins``.

    Args:
        margins: y times the logit, any shape.
        objective: a key of :data:`OBJECTIVES`; "squared" is half the squared distance to y.
        lam: λ of "SD" (Eq. 17 divided by n); the others have none.

    Raises:
        ValueError: an unknown objective, or a negative ``lam``.
    """
    if objective not in OBJECTIVES:
        raise ValueError(f"objective must be in {tuple(OBJECTIVES)}, got {objective!r}")
    check_lam(lam)
    return OBJECTIVES[objective](margins, lam)


def pull(margins: Tensor, objective: str, lam: float = 0.0) -> Tensor:
    r"""Return :math:`\alpha = -d\ell/du` at each margin u; see :func:`example_losses`.

    Under cross-entropy it is :math:`\sigma(-u)`, the α of chapter 3, in (0, 1); under SD and
    squared loss it is negative where the margin exceeds the target.
    """
    with torch.enable_grad():
        u = margins.detach().requires_grad_()
        (slope,) = torch.autograd.grad(example_losses(u, objective, lam).sum(), u)
    return -slope


def cells(k: int) -> np.ndarray:
    """Return all patterns of k signs, (2**k, k)."""
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

    def loss(self, logits: Tensor, objective: str, lam: float = 0.0) -> Tensor:
        """Return the expected loss, (...), of logits (..., m)."""
        right, wrong = (example_losses(u, objective, lam) for u in (logits, -logits))
        return right @ self.plus + wrong @ self.minus

    def doses(self, logits: Tensor, objective: str, lam: float = 0.0) -> tuple[Tensor, Tensor]:
        r"""Return :math:`E\,\alpha`, (...), and its parts where a feature agrees, (..., k).

        Their ratio is the dose share. Twice the second less the first is
        :math:`E[\alpha y f_j]`, the net pull on a weight on :math:`f_j`.
        """
        plus = pull(logits, objective, lam) * self.plus
        minus = pull(-logits, objective, lam) * self.minus
        agrees = (self.f > 0).to(self.f)
        return (plus + minus).sum(-1), plus @ agrees + minus @ (1 - agrees)

    def responses(self, logits: Tensor) -> Tensor:
        r"""Return :math:`w_j`, the mean of :math:`\hat y f_j` over all patterns alike, (..., k).

        For a linear model it is the weight on feature j.
        """
        return logits @ self.f / len(self.f)

    def accuracy(self, logits: Tensor) -> Tensor:
        """Return the expected accuracy, (...), a fraction; a logit of 0 counts half."""
        sign = torch.sign(logits)
        return (1 + sign @ self.plus - sign @ self.minus) / 2


def flow(
    strengths: Sequence[float],
    reliability: Sequence[float],
    times: Sequence[float] | np.ndarray,
    objective: str = "cross-entropy",
    lam: float = 0.0,
    start: Sequence[float] | None = None,
    substeps: int = 20,
) -> np.ndarray:
    r"""Return the weights of a linear model under gradient flow on the population, (t, k).

    The logit is :math:`\hat y = \sum_j s_j v_j f_j`, and :math:`w_j = s_j v_j` follows
    :math:`\dot w_j = s_j^2\, E[\alpha y f_j]`. Runge-Kutta of order 4, float64.

    Args:
        strengths: s > 0, (k,).
        reliability: p, (k,).
        times: ascending, from 0, (t,).
        objective: a key of :data:`OBJECTIVES`.
        lam: of "SD".
        start: the weights w at time 0; default 0.
        substeps: between two times; the step times the largest s² should stay below 2.
    """
    population = Population.of_features(reliability)
    s2 = torch.tensor(strengths, dtype=torch.float64).square()

    def velocity(w: Tensor) -> Tensor:
        total, agreed = population.doses(population.f @ w, objective, lam)
        return s2 * (2 * agreed - total)

    w = torch.zeros_like(s2) if start is None else torch.tensor(start, dtype=torch.float64)
    path = [w]
    for step in np.diff(times):
        h = float(step) / substeps
        for _ in range(substeps):
            k1 = velocity(w)
            k2 = velocity(w + h / 2 * k1)
            k3 = velocity(w + h / 2 * k2)
            k4 = velocity(w + h * k3)
            w = w + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        path.append(w)
    return torch.stack(path).numpy()


def blocks(
    f: np.ndarray, strengths: Sequence[float], rng: np.random.Generator, noise: float = 0.2
) -> np.ndarray:
    """Return a network's inputs (n, 2k) for features f (n, k): see the head of this module.

    Args:
        f: -1/+1, (n, k).
        strengths: the size of each block, (k,).
        rng: draws the signs and the noise.
        noise: its standard deviation at strength 1.
    """
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
        ValueError: a reliability outside (0, 1).
    """
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
    if not 0 <= label_noise < 0.5:
        raise ValueError(f"label_noise must lie in [0, 1/2), got {label_noise}")
    rng = stream(seed, name)
    f = rng.choice([-1.0, 1.0], n)
    shared = blocks(f[:, None], [1.0], rng)
    own = rng.standard_normal((n, private)) / private**0.5
    return np.hstack([shared, own]), np.where(rng.random(n) < label_noise, -f, f), f


def _checked(reliability: Sequence[float]) -> np.ndarray:
    p = np.asarray(reliability, float)
    if p.ndim != 1 or not ((p > 0) & (p < 1)).all():
        raise ValueError(f"reliability must be probabilities in (0, 1), got {reliability}")
    return p
