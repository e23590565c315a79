r"""How hard each example pulls at what is trained, and which features its pull feeds.

The **pull** of an example is :math:`\alpha_i = -\partial \ell / \partial (y_i \hat y_i)`, so that
:math:`-\nabla L = \sum_i \alpha_i y_i \phi_i`; the **dose share** of feature j is the share of
:math:`\sum_i \alpha_i` that lies on examples with which it agrees. The loss is that of a method
which gives each example one of its own, the same at every step: ERM, SD, squared loss.

>>> population = Population.of_features((0.9, 0.9, 0.9))
>>> total, agreed = doses(torch.zeros(8, dtype=torch.float64), population, methods.ERM())
>>> float(total), [round(float(d), 3) for d in agreed / total]
(0.5, [0.9, 0.9, 0.9])
"""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from gsutils import guards, methods
from gsutils.data.features import Population

KINDS = (methods.ERM, methods.SD, methods.Squared)


def example_losses(logits: Tensor, y: Tensor, method: methods.ERM) -> Tensor:
    """Return each example's loss, in the shape of ``logits``: that of a batch of it alone.

    Args:
        logits: any shape.
        y: labels -1/+1, of the same shape.
        method: ERM, SD without a switch, or squared loss.

    Raises:
        ValueError: another method, or labels other than -1/+1.
    """
    if type(method) not in KINDS or (isinstance(method, methods.SD) and method.switch):
        raise ValueError(
            "method must be ERM, SD without a switch or squared loss, of which each example has a "
            f"loss of its own, the same at every step; got {method}"
        )
    return method.loss(logits[..., None], methods.Batch(y[..., None]), 0, {})


def pull(logits: Tensor, y: Tensor, method: methods.ERM) -> Tensor:
    r"""Return :math:`\alpha = -d\ell/du` of each example, :math:`u = y \hat y`.

    Under cross-entropy it is :math:`\sigma(-u)`, the α of chapter 3, in (0, 1); under SD and
    squared loss it is negative where the margin exceeds the target. Arguments as in
    :func:`example_losses`.
    """
    with torch.inference_mode(False), torch.enable_grad():  # whatever the caller has switched off
        at = logits.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(example_losses(at, y.clone(), method).sum(), at)
    return -y * slope


def expected_loss(logits: Tensor, population: Population, method: methods.ERM) -> Tensor:
    """Return the loss of logits (..., m) of the population's inputs, (...)."""
    up = torch.ones_like(logits)
    right, wrong = (example_losses(logits, y, method) for y in (up, -up))
    return right @ population.plus + wrong @ population.minus


def doses(logits: Tensor, population: Population, method: methods.ERM) -> tuple[Tensor, Tensor]:
    r"""Return :math:`E\,\alpha`, (...), and its parts where a feature agrees, (..., k).

    Their ratio is the dose share. Twice the second less the first is :math:`E[\alpha y f_j]`,
    the net pull on a weight on :math:`f_j`. Arguments as in :func:`expected_loss`.
    """
    up = torch.ones_like(logits)
    plus = pull(logits, up, method) * population.plus
    minus = pull(logits, -up, method) * population.minus
    agrees = (population.f > 0).to(population.f)
    return (plus + minus).sum(-1), plus @ agrees + minus @ (1 - agrees)


def flow(
    strengths: Sequence[float],
    reliability: Sequence[float],
    times: Sequence[float] | np.ndarray,
    method: methods.ERM | None = None,
    start: Sequence[float] | None = None,
) -> np.ndarray:
    r"""Return the weights of a linear model under gradient flow on the population, (t, k).

    The logit is :math:`\hat y = \sum_j s_j v_j f_j`, and :math:`w_j = s_j v_j` follows
    :math:`\dot w_j = s_j^2\, E[\alpha y f_j]`.

    Args:
        strengths: s > 0, (k,).
        reliability: p, (k,).
        times: ascending, from 0, (t,).
        method: see :func:`example_losses`; default ERM.
        start: the weights w at time 0; default 0.

    Raises:
        ValueError: a strength <= 0, a reliability outside (0, 1), or times that do not ascend from
            0.
    """
    population = Population.of_features(reliability)
    s2 = np.square([guards.number("strengths", s, above=0.0) for s in strengths])
    chosen = method or methods.ERM()

    def velocity(t: float, w: np.ndarray) -> np.ndarray:
        total, agreed = doses(population.f @ torch.from_numpy(w), population, chosen)
        return s2 * (2 * agreed - total).numpy()

    w = np.zeros(len(s2)) if start is None else np.array(start, float)
    if times[0] != 0:
        raise ValueError(f"times must start at 0, got {times[0]}")
    options = {"method": "DOP853", "rtol": 1e-10, "atol": 1e-12}
    solution = solve_ivp(velocity, (0, times[-1]), w, t_eval=times, **options)
    if not solution.success:
        raise RuntimeError(f"the flow could not be followed: {solution.message}")
    return solution.y.T
