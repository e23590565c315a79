r"""Test error with a strong spurious cue, in closed form.

An example has two features that its label is told by, counted on the side of the label: the
**core** :math:`1 + \sigma_c\epsilon` and the **cue** :math:`B(b + \sigma_s\epsilon)`, where
:math:`b = 1` with the probability ρ, the agreement, and else -1. B is the cue's strength. And it
has a feature of its own of squared strength :math:`\kappa n`, which lets any label be fitted: many
weak directions in which no two examples are alike add up to one.

With n examples SD's optimum is ridge regression on the two features, and weight decay's limit
λ → 0 the squared hinge with the same ridge. As n grows they minimise

.. math:: E(1 - t)^2 + \kappa |w|^2, \qquad E(1 - t)_+^2 + \kappa |w|^2,

where t is what the two features add to the margin.

>>> mixture = Mixture(agreement=0.99, strength=5.0, core_noise=0.3, cue_noise=0.6, ridge=0.1)
>>> [round(float(mixture.accuracy(w)[1]), 2) for w in (mixture.sd(), mixture.decay())]
[0.91, 0.59]
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import root
from scipy.special import ndtr

from gsutils.seeding import stream

Array = np.ndarray


@dataclass(frozen=True)
class Mixture:
    """The distribution, and the two optima as n grows.

    Weights are what the core and the cue contribute to the logit: a pair (a, c) means the margin
    :math:`a(1 + σ_c ε) + c(b + σ_s ε)`, so that c is the cue's weight times its strength.

    Attributes:
        agreement: ρ, the probability that the cue agrees with the label in training, in [0, 1].
        strength: B > 0.
        core_noise: σ_c > 0.
        cue_noise: σ_s > 0.
        ridge: κ > 0, the own feature's squared strength over n.
    """

    agreement: float
    strength: float
    core_noise: float
    cue_noise: float
    ridge: float

    def __post_init__(self) -> None:
        """Refuse a number out of range."""
        if not 0 <= self.agreement <= 1:
            raise ValueError(f"agreement must be in [0, 1], got {self.agreement}")
        for name in ("strength", "core_noise", "cue_noise", "ridge"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be a finite number > 0, got {getattr(self, name)}")

    def sd(self) -> Array:
        r"""Return SD's weights (a, c) in the limit of many examples, in closed form.

        .. math:: a \propto 1 - r^2 + \sigma_s^2 + \kappa/B^2, \quad
            c \propto r(\sigma_c^2 + \kappa), \qquad r = 2\rho - 1
        """
        r = 2 * self.agreement - 1
        core = 1 + self.core_noise**2 + self.ridge
        cue = 1 + self.cue_noise**2 + self.ridge / self.strength**2
        return np.array([cue - r**2, r * (core - 1)]) / (core * cue - r**2)

    def decay(self) -> Array:
        """Return weight decay's weights (a, c) in the limits of many examples and λ → 0.

        Raises:
            RuntimeError: the solver did not converge.
        """
        found = root(self._hinge_gradient, self.sd(), tol=1e-13)
        if np.abs(self._hinge_gradient(found.x)).max() > 1e-10:
            raise RuntimeError(f"the squared hinge was not minimised: {found.message}")
        return found.x

    def _hinge_gradient(self, weights: Array) -> Array:
        """Return the gradient of E(1 - t)_+^2 and the ridge."""
        a, c = weights
        noise = np.array([self.core_noise, self.cue_noise]) ** 2
        spread = np.sqrt(noise @ weights**2)
        gradient = 2 * self.ridge * weights / np.array([1, self.strength**2])
        for side, share in ((1, self.agreement), (-1, 1 - self.agreement)):
            h = (1 - a - side * c) / spread
            density = np.exp(-(h**2) / 2) / np.sqrt(2 * np.pi)
            by_mean = -2 * spread * (h * ndtr(h) + density)
            by_spread = 2 * spread * ndtr(h)
            towards = np.array([1, side]) * by_mean + by_spread * noise * weights / spread
            gradient = gradient + share * towards
        return gradient

    def accuracy(self, weights: Array) -> Array:
        """Return the test accuracies where the cue agrees and where not, fractions (2,)."""
        a, c = np.asarray(weights, float)
        spread = np.hypot(a * self.core_noise, c * self.cue_noise)
        return ndtr(np.array([a + c, a - c]) / spread)

    def sample(self, n: int, seed: int = 0, directions: int | None = None) -> tuple[Array, Array]:
        """Draw a training set.

        Args:
            n: examples.
            seed: of the draw.
            directions: None gives each example its own feature, exactly; a number replaces these
                by as many independent Gaussian coordinates, of the same squared length on average.

        Returns:
            The two features, each on the side of the label, (n, 2); and the Gram matrix of the
            labelled examples, (n, n).
        """
        rng = stream(seed, "mixture")
        b = np.where(rng.random(n) < self.agreement, 1, -1)
        core = 1 + self.core_noise * rng.normal(size=n)
        cue = self.strength * (b + self.cue_noise * rng.normal(size=n))
        X = np.stack([core, cue], 1)
        if directions is None:
            return X, X @ X.T + self.ridge * n * np.eye(n)
        own = rng.normal(size=(n, directions), scale=np.sqrt(self.ridge * n / directions))
        return X, X @ X.T + own @ own.T

    def weights(self, X: Array, mu: Array) -> Array:
        """Return (a, c) of the function with multipliers mu (n,) on features X (n, 2)."""
        return (mu @ X) * np.array([1, self.strength])
