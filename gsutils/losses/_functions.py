"""Losses and penalties as functions of logits and labels: see :mod:`gsutils.losses`."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from gsutils.losses._checks import (
    FAR,
    PerClass,
    check_classes,
    check_labels,
    check_lam,
    check_weight,
    misshapen,
)


def logistic(logits: Tensor, y: Tensor) -> Tensor:
    r"""Return the mean logistic loss, :math:`\frac1n \sum_i \log(1 + e^{-y_i \hat y_i})`.

    Args:
        logits: (..., n).
        y: labels -1/+1, (n,) or (..., n).

    Returns:
        (...), in nats.

    Raises:
        ValueError: shapes that do not match, or labels other than -1/+1.

    Source: Eq. 5 without its penalty, divided by n.
    """
    check_labels(logits, y)
    return _logistic(y * logits).mean(-1)


def mean(values: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the mean over the examples, (..., n) -> (...).

    Args:
        values: (..., n).
        weight: of each example, (n,) or (..., n), summing to 1 over n; default 1/n each.
    """
    return values.mean(-1) if weight is None else (weight * values).sum(-1)


def spectral_decoupling(
    logits: Tensor,
    y: Tensor,
    lam: PerClass,
    gamma: PerClass = 0.0,
    weight: Tensor | None = None,
    check: bool = True,
) -> Tensor:
    r"""Return the penalty of spectral decoupling, to be added to the **mean** logistic loss.

    .. math:: \frac{1}{2n} \sum_i \lambda_{y_i} (\hat y_i - \gamma_{y_i})^2

    Args:
        logits: (..., n).
        y: labels -1/+1, (n,) or (..., n).
        lam: the paper's λ >= 0. A number; a pair (class -1, class +1); or a tensor (...) with
            one value per run.
        gamma: where the logits are pulled to; the same forms.
        weight: of each example in the mean, see :func:`mean`.
        check: look at the values of ``y`` and ``lam``.

    Returns:
        (...).

    Raises:
        ValueError: a negative ``lam``, shapes that do not match, or labels other than -1/+1.

    Source: Eq. 17 divided by n; with ``gamma``, section 4.4.
    """
    check_labels(logits, y, check)
    if check:
        check_lam(lam)
        check_lam(gamma, "gamma", least=-FAR)
        check_weight(logits, weight)
    lam, gamma = (_per_example(v, logits, y, n) for v, n in ((lam, "lam"), (gamma, "gamma")))
    return mean(lam * (logits - gamma).square(), weight) / 2


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    r"""Return the mean cross-entropy of the softmax, :math:`-\frac1n\sum_i \log p_{i,y_i}`.

    Args:
        logits: (..., n, K).
        y: classes 0..K-1, int64, (n,) or (..., n).

    Returns:
        (...), in nats.

    Raises:
        ValueError: shapes that do not match, or a class out of range.
    """
    if y.dtype != torch.int64:
        check_classes(y, logits.shape[-1])
    return example_losses(logits, y).mean(-1)


def spectral_decoupling_softmax(logits: Tensor, lam: float, y: Tensor | None = None) -> Tensor:
    r"""Return the penalty for K classes, :math:`\frac{\lambda}{2n} \sum_i \sum_k \hat y_{ik}^2`.

    Args:
        logits: (..., n, K).
        lam: λ >= 0.
        y: classes 0..K-1, int64, (n,) or (..., n): penalise :math:`\hat y_{i y_i}` alone, in place
            of the sum over k. A softmax can then be as certain as it likes at no cost, since it
            may lower the other logits.

    Returns:
        (...).

    Source: Eq. 17 divided by n, the square summed over the classes; for the true class alone
    Shrestha et al. 2022.
    """
    check_lam(lam)
    if y is not None:
        if y.shape not in (logits.shape[:-1], logits.shape[-2:-1]):
            raise ValueError(misshapen(logits[..., 0], y))
        check_classes(y, logits.shape[-1])
        logits = logits.gather(-1, y.expand(logits.shape[:-1])[..., None])
    return lam / 2 * logits.square().sum(-1).mean(-1)


def example_losses(logits: Tensor, y: Tensor, check: bool = True) -> Tensor:
    """Return each example's loss, (..., n): logistic for labels -1/+1, softmax for int64 classes.

    Args:
        logits: (..., n), or (..., n, K) for classes.
        y: labels -1/+1 in floating point, or classes 0..K-1 in int64; (n,) or (..., n).
        check: look at the values of ``y``.

    Raises:
        ValueError: shapes that do not match, labels other than -1/+1, or a class out of range.
    """
    if y.dtype != torch.int64:
        check_labels(logits, y, check)
        return _logistic(y * logits)
    classes = logits.shape[-1]
    if logits.ndim < 2 or y.shape not in (logits.shape[:-1], logits.shape[-2:-1]):
        if logits.ndim < 2 or y.shape == logits.shape:
            raise ValueError(
                f"int64 labels are classes, (n,), of logits (n, K), got {tuple(y.shape)} and "
                f"{tuple(logits.shape)}; use y.argmax(-1) for one-hot labels, y.float() for -1/+1"
            )
        raise ValueError(misshapen(logits[..., 0], y))
    if check and not torch.compiler.is_compiling():
        check_classes(y, classes)
    chosen = y.expand(logits.shape[:-1])[..., None]
    return -torch.log_softmax(logits, -1).gather(-1, chosen)[..., 0]


def generalised_cross_entropy(
    logits: Tensor, y: Tensor, q: float = 0.7, check: bool = True
) -> Tensor:
    r"""Return the mean generalised cross-entropy, :math:`\frac1n\sum_i (1 - p_i^q)/q`.

    Here :math:`p_i = \sigma(y_i \hat y_i)` is the probability given to the label. Examples on
    which the network already agrees weigh more than under cross-entropy.

    Args:
        logits: (..., n).
        y: labels -1/+1, (n,) or (..., n).
        q: in (0, 1]; towards 0 it is the logistic loss.
        check: look at the values of ``y``.

    Returns:
        (...).

    Source: Zhang and Sabuncu 2018; learning from failure uses q = 0.7.
    """
    if not 0 < q <= 1:
        raise ValueError(f"q must lie in (0, 1], got {q}")
    check_labels(logits, y, check)
    return -torch.expm1(q * logsigmoid(y * logits)).mean(-1) / q


def squared(logits: Tensor, y: Tensor, check: bool = True) -> Tensor:
    r"""Return half the mean squared distance, :math:`\frac1{2n} \sum_i (y_i - \hat y_i)^2`.

    Args:
        logits: (..., n).
        y: labels -1/+1, (n,) or (..., n).
        check: look at the values of ``y``.

    Returns:
        (...).

    Raises:
        ValueError: shapes that do not match, or labels other than -1/+1.
    """
    check_labels(logits, y, check)
    return (y - logits).square().mean(-1) / 2


def irm_penalty(
    logits: Tensor, y: Tensor, weight: Tensor | None = None, check: bool = True
) -> Tensor:
    r"""Return IRMv1's penalty of one environment, in closed form.

    .. math:: \Big(\frac{d}{dw} \frac1n\sum_i \log(1 + e^{-y_i w \hat y_i})\Big|_{w=1}\Big)^2
              = \Big(\frac1n\sum_i -y_i \hat y_i\, \sigma(-y_i \hat y_i)\Big)^2

    Args:
        logits: (..., n).
        y: labels -1/+1, (n,) or (..., n).
        weight: of each example in the mean, see :func:`mean`.
        check: look at the values of ``y``.

    Returns:
        (...).

    Source: Arjovsky et al. 2019, IRMv1.
    """
    check_labels(logits, y, check)
    if check:
        check_weight(logits, weight)
    margins = y * logits
    slopes = -margins * torch.sigmoid(-margins)
    return mean(slopes, weight).square()


def _logistic(margins: Tensor) -> Tensor:
    # Beyond its threshold, 20, softplus leaves out a term that counts in double precision.
    return softplus(-margins, threshold=40.0 if margins.dtype == torch.float64 else 20.0)


def _per_example(value: PerClass, logits: Tensor, y: Tensor, name: str) -> Tensor | float:
    """Spread a number, a pair of classes or one value per run over the examples."""
    if isinstance(value, Tensor) and value.ndim:
        if value.shape != logits.shape[:-1]:
            raise ValueError(
                f"{name} must have one value per run, shape {tuple(logits.shape[:-1])}, "
                f"got {tuple(value.shape)}"
            )
        return value[..., None]
    if isinstance(value, Sequence):
        if len(value) != 2:
            raise ValueError(f"{name} must be a number or a pair (class -1, class +1), got {value}")
        negative, positive = map(float, value)
        return torch.where(y > 0, logits.new_tensor(positive), logits.new_tensor(negative))
    return value if isinstance(value, Tensor) else float(value)
