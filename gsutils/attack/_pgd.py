"""Projected gradient descent."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus

from gsutils import guards
from gsutils.attack._geometry import (
    NORMS,
    Box,
    Model,
    check,
    check_answers,
    check_eps,
    inside,
    lead,
    random_within,
    unit,
)
from gsutils.seeding import stream

OBJECTIVES = ("margin", "loss")


def pgd(
    model: Model,
    X: Tensor,
    y: Tensor,
    eps: float,
    norm: str = "l2",
    *,
    steps: int = 20,
    step_size: float | None = None,
    restarts: int = 1,
    seed: int = 0,
    objective: str = "margin",
    box: Box = (0.0, 1.0),
) -> Tensor:
    r"""Return inputs within ``eps`` of X that the model should get wrong.

    The steepest step of the norm, projected back to the ball and the box:
    :math:`x \leftarrow \Pi(x - \eta\, g / \|g\|_2)` or :math:`\Pi(x - \eta \operatorname{sign} g)`.
    Of all points passed, that with the smallest logit margin is returned.

    Args:
        model: maps inputs (n, ...) to logits (n,) or (n, classes); in evaluation mode.
        X: (n, ...).
        y: labels -1/+1, or class numbers, (n,).
        eps: radius of the ball, in units of X, >= 0.
        norm: "l2" or "linf".
        steps: gradient steps of each start.
        step_size: default 2.5 * ``eps`` / ``steps``, so that the far side can be reached.
        restarts: the first starts at X, each further one at a random point of the ball.
        seed: of the random starts, ``stream(seed, "attack")``.
        objective: what goes downhill: "margin", the logit margin; or "loss", minus the logistic
            loss or cross-entropy, as in most of the literature: its gradient vanishes in floating
            point where the model is very sure of the right answer.
        box: the range of an input, in which X lies up to rounding; None for no limit.

    Returns:
        Like X, without gradient.

    Raises:
        ValueError: an argument out of range, or a logit or gradient that is not finite.

    Source: Madry, Makelov, Schmidt, Tsipras and Vladu 2018; section 4.2.
    """
    box = check(X, y, box)
    (eps,) = check_eps([eps])
    guards.chosen("norm", norm, NORMS)
    guards.chosen("objective", objective, OBJECTIVES)
    guards.count("steps", steps)
    guards.count("restarts", restarts)
    size = (
        2.5 * eps / steps if step_size is None else guards.number("step_size", step_size, least=0.0)
    )
    rng = stream(seed, "attack")
    with torch.inference_mode(False), torch.enable_grad():  # whatever the caller has switched off
        return _descended(
            model,
            X.detach().clone(),
            y.clone(),
            eps,
            norm,
            steps,
            size,
            restarts,
            rng,
            objective,
            box,
        )


def _descended(
    model: Model,
    X: Tensor,
    y: Tensor,
    eps: float,
    norm: str,
    steps: int,
    size: float,
    restarts: int,
    rng: np.random.Generator,
    objective: str,
    box: Box,
) -> Tensor:
    with torch.no_grad():
        logits = model(X)
    check_answers(logits, y)
    lowest, finite = lead(logits, y), torch.ones((), dtype=torch.bool, device=X.device)
    best = X.clone()

    def keep(point: Tensor, margin: Tensor) -> None:
        better = margin < lowest
        best[better] = point[better]
        lowest[better] = margin[better]

    for start in range(restarts):
        point = X if not start else inside(X + random_within(X, eps, norm, rng), X, eps, norm, box)
        for _ in range(steps):
            point = point.detach().requires_grad_()
            logits = model(point)
            margin = lead(logits, y)
            uphill = margin if objective == "margin" else -_loss(logits, y)
            (gradient,) = torch.autograd.grad(uphill.sum(), point)
            finite = finite & gradient.isfinite().all()
            keep(point.detach(), margin.detach())
            step = gradient.sign() if norm == "linf" else unit(gradient)
            point = inside(point.detach() - size * step, X, eps, norm, box)
        with torch.no_grad():
            keep(point, lead(model(point), y))
    if not bool(finite):
        raise ValueError(
            "the gradient of the model by its inputs is not finite: an attack that follows it goes "
            "nowhere, and the model would look robust; find the operation (torch.autograd."
            "detect_anomaly), such as a root or a norm at zero"
        )
    return best


def _loss(logits: Tensor, y: Tensor) -> Tensor:
    if logits.ndim == 1:
        return softplus(-y * logits)
    return cross_entropy(logits, y, reduction="none")
