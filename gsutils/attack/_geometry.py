"""Norms, balls, boxes and tangent planes for inputs (n, ...), one per row."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from gsutils import guards
from gsutils.losses import check_classes, check_labels, misshapen

NORMS = ("l2", "linf")
Model = Callable[[Tensor], Tensor]
Box = tuple[float, float] | None


def logit_margin(logits: Tensor, y: Tensor) -> Tensor:
    r"""Return by how much the right answer leads, (n,); positive where the model is right.

    Two classes: :math:`y_i \hat y_i`. Several: the logit of the right class minus the largest of
    the others.

    Args:
        logits: (n,), or (n, classes).
        y: labels -1/+1, or class numbers, (n,).

    Raises:
        ValueError: labels that are neither, shapes that do not match, or a logit that is nan.
    """
    check_answers(logits, y)
    return lead(logits, y)


def lead(logits: Tensor, y: Tensor) -> Tensor:
    """Return :func:`logit_margin` of logits and labels that have been looked at."""
    if logits.ndim == 1:
        return y * logits
    right = logits.gather(1, y[:, None])
    return right[:, 0] - logits.scatter(1, y[:, None], -torch.inf).amax(1)


def check(X: Tensor, y: Tensor, box: Box) -> Box:
    """Raise a ValueError for inputs and labels that no attack can do with; return the box."""
    if not X.is_floating_point():
        raise ValueError(
            f"X must be in floating point, got {X.dtype}; use X.float() / 255 of bytes"
        )
    if y.shape != X.shape[:1] or not len(y) or X.ndim < 2:
        remedy = "; use y.squeeze(-1)" if y.shape == (len(X), 1) else ""
        raise ValueError(
            f"X must be (n, ...) and y (n,), one label per input, got {tuple(X.shape)} and "
            f"{tuple(y.shape)}{remedy}"
        )
    if not bool(X.isfinite().all()):
        raise ValueError("X must be finite, it holds nan or inf")
    if box is None:
        return None
    low, high = guards.interval("box", box)
    least, most = (float(end) for end in X.aminmax())
    slack = 4 * torch.finfo(X.dtype).eps * max(-low, high)  # rounding of (X - mean) / std
    if least < low - slack or most > high + slack:
        raise ValueError(
            f"X must lie in the box, [{low:g}, {high:g}], got {least:g} to {most:g}: an attack "
            "would move it there whatever eps is; give the range of the inputs as box=(low, high), "
            "or box=None for no limit"
        )
    return min(low, least), max(high, most)  # X lies in it: see inside


def check_eps(eps: Sequence[float]) -> list[float]:
    """Return radii as numbers, or raise a ValueError unless they are >= 0 and increasing."""
    found = [guards.number("eps", radius, least=0.0) for radius in eps]
    if not found or found != sorted(found):
        raise ValueError(f"eps must be at least one radius >= 0, in increasing order, got {eps}")
    return found


def check_answers(logits: Tensor, y: Tensor) -> None:
    """Raise a ValueError unless logits and labels are those of one model: see :func:`pgd`."""
    if logits.ndim not in (1, 2) or len(logits) != len(y) or logits.shape[1:] == (1,):
        raise ValueError(
            f"the model must return logits (n,) or (n, classes), got {tuple(logits.shape)} for "
            f"{len(y)} inputs" + "; use logits.squeeze(-1)" * (logits.shape[1:] == (1,))
        )
    if logits.ndim == 1:
        check_labels(logits, y)
    elif y.shape != logits.shape[:1]:
        raise ValueError(misshapen(logits[:, 0], y))
    else:
        check_classes(y, logits.shape[1])
    wrong = int(logits.reshape(len(y), -1).isnan().any(1).sum())
    if wrong:
        raise ValueError(f"the model's logits are nan, of {wrong} of {len(y)} inputs")


def norm_of(delta: Tensor, norm: str) -> Tensor:
    """Return the "l2" or "linf" norm of each row, (n,)."""
    if norm == "linf":
        return torch.linalg.vector_norm(delta.flatten(1), torch.inf, dim=1)
    scaled, scale = _scaled(delta)
    return scale * torch.linalg.vector_norm(scaled.flatten(1), dim=1)


def column(values: Tensor, like: Tensor) -> Tensor:
    """Shape one value per example so that it multiplies (n, ...)."""
    return values.view(-1, *[1] * (like.ndim - 1))


def unit(g: Tensor) -> Tensor:
    """Return each row over its Euclidean norm, a zero row as it is."""
    g, _ = _scaled(g)
    length = torch.linalg.vector_norm(g.flatten(1), dim=1)
    return g / column(length.clamp_min(torch.finfo(g.dtype).tiny), g)


def _scaled(delta: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows whose squares are in the range of a float, and what each is divided by, (n,).

    That is its largest size where they would not be, else 1, which leaves every digit.
    """
    largest, kind = norm_of(delta, "linf"), torch.finfo(delta.dtype)
    small = (largest > 0) & (largest < (kind.tiny / kind.eps) ** 0.5)
    large = (largest > (kind.max / max(1, delta.flatten(1).shape[1])) ** 0.5) & largest.isfinite()
    scale = torch.where(small | large, largest, 1.0).to(largest)
    return delta / column(scale, delta), scale


def inside(point: Tensor, X: Tensor, eps: float, norm: str, box: Box) -> Tensor:
    """Project points to the ball around X, then to the box (which X is in: the ball holds)."""
    delta = point - X
    if norm == "linf":
        delta = delta.clamp(-eps, eps)
    else:
        length = norm_of(delta, "l2").clamp_min(torch.finfo(X.dtype).tiny)
        delta = delta * column((eps / length).clamp(max=1.0), X)
    return X + delta if box is None else (X + delta).clamp(*box)


def random_within(X: Tensor, eps: float, norm: str, rng: np.random.Generator) -> Tensor:
    """Draw uniformly from the ball, one point for each row."""
    if norm == "linf":
        draw = rng.uniform(-eps, eps, X.shape)
    else:
        direction = rng.standard_normal((len(X), X[0].numel()))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        radius = eps * rng.random((len(X), 1)) ** (1 / X[0].numel())
        draw = (radius * direction).reshape(X.shape)
    return torch.from_numpy(draw).to(X)


def foot(X: Tensor, start: Tensor, normal: Tensor, box: Box, halvings: int = 20) -> Tensor:
    """Return the points of the planes through ``start`` that are nearest to X within the box.

    Such a point is X moved along the normal and clipped to the box: how far is found by bisection.
    """
    way = start - X

    def moved(far: Tensor) -> Tensor:
        point = X + column(far, X) * normal
        return point if box is None else point.clamp(*box)

    def height(point: Tensor) -> Tensor:
        return (point * normal).flatten(1).sum(1)

    goal = height(start)
    if box is None:
        return moved(height(way))
    side = (height(X) < goal).to(X) * 2 - 1
    low, high = torch.zeros_like(goal), 16 * norm_of(way, "l2")
    for _ in range(halvings):
        middle = (low + high) / 2
        short = side * height(moved(side * middle)) < side * goal
        low, high = torch.where(short, middle, low), torch.where(short, high, middle)
    return moved(side * high)
