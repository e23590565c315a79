r"""Adversarial attacks and input margins: how far an image is from the decision boundary.

Section 4.2 measures the margin as the norm of the disturbance that crosses the boundary, found by
projected gradient descent (PGD, Madry et al. 2018). Inputs are pixels in [0, 1], and so are the
units of every norm here. What an attack finds is an upper bound of the margin: an attack that gets
stuck makes a model look robust. Of a linear model :math:`w \cdot x + b` of two classes it is the
margin itself, :math:`|w \cdot x + b| / \|w\|`, with the norm of :math:`w` dual to the attack's.

>>> import torch
>>> line = lambda X: X @ torch.tensor([3.0, 4.0]) + 1
>>> X, y = torch.tensor([[0.2, 0.4]]), torch.tensor([1.0])
>>> found = margins(line, X, y, eps=[0.3, 1.0], norm="l2", box=None)  # (0.6 + 1.6 + 1) / 5
>>> round(float(found), 4)
0.64
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus

from gsutils.seeding import stream

NORMS = ("l2", "linf")
OBJECTIVES = ("margin", "loss")
Model = Callable[[Tensor], Tensor]


def logit_margin(logits: Tensor, y: Tensor) -> Tensor:
    r"""Return by how much the right answer leads, (n,); positive where the model is right.

    Two classes: :math:`y_i \hat y_i`. Several: the logit of the right class minus the largest of
    the others.

    Args:
        logits: (n,), or (n, classes).
        y: labels -1/+1, or class numbers, (n,).
    """
    if logits.ndim == 1:
        return y * logits
    right = logits.gather(1, y[:, None])
    return right[:, 0] - logits.scatter(1, y[:, None], -torch.inf).amax(1)


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
    box: tuple[float, float] | None = (0.0, 1.0),
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
        box: the range of an input; None for no limit.

    Returns:
        Like X, without gradient.

    Raises:
        ValueError: an argument out of range.

    Source: Madry, Makelov, Schmidt, Tsipras and Vladu 2018; section 4.2.
    """
    _check(X, y, [eps], norm, steps)
    if restarts < 1 or objective not in OBJECTIVES:
        raise ValueError(
            f"restarts must be >= 1 and objective in {OBJECTIVES}, got {restarts}, {objective!r}"
        )
    size = 2.5 * eps / steps if step_size is None else step_size
    rng = stream(seed, "attack")
    with torch.no_grad():
        lowest = logit_margin(model(X), y)
    best = X.clone()

    def keep(point: Tensor, margin: Tensor) -> None:
        better = margin < lowest
        best[better] = point[better]
        lowest[better] = margin[better]

    for start in range(restarts):
        point = X if not start else _inside(X + _random(X, eps, norm, rng), X, eps, norm, box)
        for _ in range(steps):
            point = point.detach().requires_grad_()
            logits = model(point)
            margin = logit_margin(logits, y)
            uphill = margin if objective == "margin" else -_loss(logits, y)
            (gradient,) = torch.autograd.grad(uphill.sum(), point)
            keep(point.detach(), margin.detach())
            step = gradient.sign() if norm == "linf" else _unit(gradient)
            point = _inside(point.detach() - size * step, X, eps, norm, box)
        with torch.no_grad():
            keep(point, logit_margin(model(point), y))
    return best


def margins(
    model: Model,
    X: Tensor,
    y: Tensor,
    eps: Sequence[float],
    norm: str = "l2",
    **options: Any,
) -> Tensor:
    """Return the length of the shortest disturbance found, (n,): see :func:`nearest`."""
    return nearest(model, X, y, eps, norm, **options)[1]


def nearest(
    model: Model,
    X: Tensor,
    y: Tensor,
    eps: Sequence[float],
    norm: str = "l2",
    *,
    halvings: int = 14,
    chunk_size: int = 500,
    **options: Any,
) -> tuple[Tensor, Tensor]:
    r"""Return where the shortest disturbance found crosses the boundary, and how long it is.

    Balls of growing radius are attacked in turn, until an example falls; then the segment from the
    example to what fell is bisected. The share of margins above ε is the accuracy under attack.

    Args:
        model: as in :func:`pgd`.
        X: (n, ...).
        y: labels, (n,).
        eps: radii to attack at, increasing.
        norm: "l2" or "linf".
        halvings: of the segment; the error is eps[-1] / 2^halvings.
        chunk_size: examples at a time.
        options: those of :func:`pgd`.

    Returns:
        The points (n, ...), and the margins (n,) in units of X. A margin is 0 where the model is
        wrong anyway, inf where no attack succeeded: there the point is X itself. Margins are upper
        bounds of the true ones, except for linear models of two classes.

    Raises:
        ValueError: an argument out of range.
    """
    _check(X, y, eps, norm, 1)
    found = [
        _nearest(model, *part, eps, norm, halvings, options)
        for part in zip(X.split(chunk_size), y.split(chunk_size))
    ]
    return torch.cat([points for points, _ in found]), torch.cat([margin for _, margin in found])


def crossing(model: Model, X: Tensor, moved: Tensor, y: Tensor, halvings: int = 14) -> Tensor:
    """Return where the way from X to ``moved`` crosses the boundary, by bisection.

    Args:
        model: as in :func:`pgd`.
        X: inputs that the model gets right, (n, ...).
        moved: inputs that it gets wrong, (n, ...).
        y: labels, (n,).
        halvings: how often the way is halved.

    Returns:
        (n,), shares of the way in (0, 1], a little beyond a crossing.
    """
    low, high = X.new_zeros(len(X)), X.new_ones(len(X))
    with torch.no_grad():
        for _ in range(halvings):
            middle = (low + high) / 2
            wrong = logit_margin(model(X + _column(middle, X) * (moved - X)), y) <= 0
            low, high = torch.where(wrong, low, middle), torch.where(wrong, middle, high)
    return high


def _nearest(
    model: Model,
    X: Tensor,
    y: Tensor,
    eps: Sequence[float],
    norm: str,
    halvings: int,
    options: dict[str, Any],
) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        right = logit_margin(model(X), y) > 0
    points, margin = X.clone(), torch.where(right, torch.inf, 0.0).to(X)
    for radius in eps:
        (standing,) = margin.isinf().nonzero(as_tuple=True)
        if not len(standing):
            break
        x, label = X[standing], y[standing]
        moved = pgd(model, x, label, radius, norm, **options)
        with torch.no_grad():
            fell = logit_margin(model(moved), label) <= 0
        x, moved, label = x[fell], moved[fell], label[fell]
        delta = moved - x
        delta = delta * _column(crossing(model, x, moved, label, halvings), x)
        points[standing[fell]], margin[standing[fell]] = x + delta, _norm(delta, norm)
    return points, margin


def accuracy_under_attack(margin: Tensor, eps: Sequence[float]) -> np.ndarray:
    """Return the share of examples that no disturbance up to ε fells, for each ε.

    Args:
        margin: (..., n), from :func:`margins`.
        eps: (k,), the largest not above what the margins were sought up to.

    Returns:
        (..., k), fractions.
    """
    values = margin.cpu().numpy()
    return np.stack([(values > radius).mean(-1) for radius in eps], -1)


def _check(X: Tensor, y: Tensor, eps: Sequence[float], norm: str, steps: int) -> None:
    if norm not in NORMS:
        raise ValueError(f"norm must be in {NORMS}, got {norm!r}")
    if not len(eps) or min(eps) < 0 or list(eps) != sorted(eps) or steps < 1:
        raise ValueError(f"eps must be >= 0 and increasing, steps >= 1, got {eps} and {steps}")
    if y.shape != X.shape[:1]:
        raise ValueError(f"y must be ({len(X)},), one label per input, got {tuple(y.shape)}")


def _loss(logits: Tensor, y: Tensor) -> Tensor:
    if logits.ndim == 1:
        return softplus(-y * logits)
    return cross_entropy(logits, y, reduction="none")


def _norm(delta: Tensor, norm: str) -> Tensor:
    """Return the norm of each row, (n,)."""
    return torch.linalg.vector_norm(delta.flatten(1), 2 if norm == "l2" else torch.inf, dim=1)


def _column(values: Tensor, like: Tensor) -> Tensor:
    """Shape one value per example so that it multiplies (n, ...)."""
    return values.view(-1, *[1] * (like.ndim - 1))


def _unit(g: Tensor) -> Tensor:
    """Return each row over its Euclidean norm, a zero row as it is."""
    return g / _column(_norm(g, "l2").clamp_min(torch.finfo(g.dtype).tiny), g)


def _inside(
    point: Tensor, X: Tensor, eps: float, norm: str, box: tuple[float, float] | None
) -> Tensor:
    """Project points to the ball around X, then to the box (which X is in: the ball holds)."""
    delta = point - X
    if norm == "linf":
        delta = delta.clamp(-eps, eps)
    else:
        length = _norm(delta, "l2").clamp_min(torch.finfo(X.dtype).tiny)
        delta = delta * _column((eps / length).clamp(max=1.0), X)
    return X + delta if box is None else (X + delta).clamp(*box)


def _random(X: Tensor, eps: float, norm: str, rng: np.random.Generator) -> Tensor:
    """Draw uniformly from the ball, one point for each row."""
    if norm == "linf":
        draw = rng.uniform(-eps, eps, X.shape)
    else:
        direction = rng.standard_normal((len(X), X[0].numel()))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        radius = eps * rng.random((len(X), 1)) ** (1 / X[0].numel())
        draw = (radius * direction).reshape(X.shape)
    return torch.from_numpy(draw).to(X)
