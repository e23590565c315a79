r"""The dual flows, integrated implicitly where no library's solver gets through.

An example that other examples explain has an :math:`\alpha` as small as :math:`e^{-500}` on the
way, and its logit x follows the others at once: :math:`v(x)\,\dot x = f(x)` with v next to zero.
General ODE solvers divide by v and take millions of steps. Here every stage solves
:math:`\alpha(x) = a + h\gamma f(x)` for x, which is well conditioned for any v, in the
singly diagonally implicit method of order 4 of Hairer and Wanner (Solving Ordinary Differential
Equations II, section IV.6), which is stiffly accurate and L-stable.
"""

import numpy as np
from scipy.special import expit

from gsutils.dual._margins import NotConverged
from gsutils.dual.problem import Array

RTOL, ATOL = 1e-6, 1e-8  # local error of x, of the embedded method of order 3
ATOL_MARGIN = 1e-8  # local error of alpha that is let pass, times the largest K_ii + 1
MAX_STEPS = 20_000  # beside the one that each of the times asks for

_GAMMA = 0.25
_STAGES = (
    (),
    (1 / 2,),
    (17 / 50, -1 / 25),
    (371 / 1360, -137 / 2720, 15 / 544),
    (25 / 24, -49 / 48, 125 / 16, -85 / 12),
)
_ERROR = np.array([-3 / 16, -27 / 32, 25 / 32, 0, 1 / 4])


def integrate(x: Array, K: Array, t: Array, taylor: bool) -> Array:
    r"""Follow :math:`\dot\alpha = -x - K\alpha` from x (n,) at time 0; return x at the times t.

    Args:
        x: the start; :math:`\alpha = \sigma(x)`, or :math:`e^x` for ``taylor``.
        K: symmetric, positive semi-definite, (n, n).
        t: ascending times >= 0, (k,).
        taylor: which of the two.

    Returns:
        x (k, n).

    Raises:
        NotConverged: the steps become too small or too many.
    """
    flow = _Flow(K, taylor)
    now, steps, before = 0.0, 0, (0.0, 1.0)  # the last accepted step and its error
    h = 1e-3 / (1 + np.abs(x + K @ flow.link(x)[0]).max())
    path = np.empty((len(t), len(x)))
    for place, until in enumerate(t):
        while now < until:
            steps += 1
            last = now + h >= until
            length = until - now if last else h
            with np.errstate(all="ignore"):  # a trial step may overflow: it is made smaller
                new, error = flow.step(x, length)
            error = max(error, 1e-10)
            factor = 0.9 * error**-0.25
            if error <= 1:
                if before[0]:  # Gustafsson's predictive control: steps that shrink go on shrinking
                    factor = min(factor, factor * length / before[0] * (before[1] / error) ** 0.25)
                x, now, before = new, until if last else now + length, (length, error)
            adapted = length * min(5.0, max(0.2, factor))
            h = max(h, adapted) if last and error <= 1 else adapted
            if steps > MAX_STEPS + place or h < 4 * np.spacing(now):
                raise NotConverged(
                    f"the flow was followed to t = {now:.3g} of {t[-1]:.3g} only, in {steps} "
                    "steps; look for its end with fixed_point, or ask for earlier times"
                )
        path[place] = x
    return path


class _Flow:
    """One step of one flow."""

    def __init__(self, K: Array, taylor: bool) -> None:
        self.K, self.taylor = K, taylor
        self.atol_alpha = ATOL_MARGIN / (1 + np.diagonal(K).max())

    def link(self, x: Array) -> tuple[Array, Array]:
        """Return alpha and v = d alpha/dx."""
        if self.taylor:
            return np.exp(x), np.exp(x)
        return expit(x), expit(x) * expit(-x)

    def step(self, x: Array, h: float) -> tuple[Array, float]:
        """Return x after a step, and its error in units of the tolerance (inf: no solution)."""
        start, rates = self.link(x)[0], np.empty((0, len(x)))
        for weights in _STAGES:
            solved = self._stage(x, start + h * np.array(weights) @ rates, h * _GAMMA)
            if solved is None:
                return x, np.inf
            x, matrix = solved
            rates = np.vstack([rates, -x - self.K @ self.link(x)[0]])
        error = np.linalg.solve(matrix, h * _ERROR @ rates)
        _, v = self.link(x)
        return x, float(np.abs(error / (self._tolerance(x) + self.atol_alpha / v)).max())

    def _tolerance(self, x: Array) -> Array:
        """Return the error of x that is let pass, (n,); the last term is rounding of alpha."""
        return ATOL + RTOL * np.abs(x) + 1e-13 * (1 if self.taylor else 1 + np.exp(x))

    def _stage(self, x: Array, target: Array, h: float) -> tuple[Array, Array] | None:
        """Solve alpha(x) + h (x + K alpha(x)) = target; return x and the last Newton matrix.

        Where v grows along the step, the tangent in x overshoots and the one in alpha, which
        moves x by the logarithm, does not; below v = h the equation is linear in x.
        """
        diagonal = np.diag_indices_from(self.K)
        for _ in range(25):
            alpha, v = self.link(x)
            matrix = h * self.K * v
            matrix[diagonal] += v + h
            change = np.linalg.solve(matrix, target - alpha - h * (x + self.K @ alpha))
            if not np.isfinite(change).all():
                return None
            size = np.abs(change)
            if (size <= 1e-2 * self._tolerance(x)).all():
                return x + change, matrix
            safe = np.maximum(np.log1p(size), np.minimum(size, np.log(h / v)))
            growing = change > 0 if self.taylor else change * x < 0
            x = x + np.where(growing, np.sign(change) * safe, change)
        return None
