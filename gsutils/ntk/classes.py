r"""Features of a network with K logits, and single logits of it.

A softmax does not see what all logits of an example share, so the features of K classes are those
of the **centred** Jacobian, :math:`\partial (\hat y_{ik} - \bar y_i) / \partial \theta`, one row
for each example and class. For K = 2 they are the features of :math:`\hat y_{i1} - \hat y_{i0}`,
each spread over two rows of opposite sign; strengths and responses are both smaller by
:math:`\sqrt 2`, and every elasticity is the same.

>>> from gsutils import nets
>>> net, X = nets.MLP((2, 5, 3)), np.eye(2)
>>> (J := class_jacobian(net.single(0), X)).shape
(2, 3, 33)
>>> U, s, Vt = class_features(J)
>>> U.shape, int((s > 1e-9).sum())  # 2 examples, 2 differences of 3 logits
((6, 6), 4)
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from gsutils.ntk.decomposition import Features, decomposed
from gsutils.ntk.jacobian import MAX_BYTES, Array, check_memory, chunk_length, copied


class Logit(nn.Module):
    """One logit of a model, or the difference of two: see :func:`logit`."""

    def __init__(self, model: nn.Module, k: int, minus: int | None) -> None:
        super().__init__()
        self.model, self.k, self.minus = model, k, minus

    def forward(self, X: Tensor) -> Tensor:
        """Return (n,) of the model's logits (n, K); a run axis before them stays."""
        logits = self.model(X)
        for place in (self.k, self.minus):
            if logits.ndim < 2 or (place is not None and place >= logits.shape[-1]):
                raise ValueError(
                    f"the model must return (n, K) logits with K > {place}, got "
                    f"{tuple(logits.shape)}"
                )
        chosen: Tensor = logits[..., self.k]
        return chosen if self.minus is None else chosen - logits[..., self.minus]


def logit(model: nn.Module, k: int, minus: int | None = None) -> Logit:
    r"""Return a model of one logit: that of class k, or :math:`\hat y_k - \hat y_j`.

    The difference is the logit of the two-class problem "k against j": on examples of these two
    classes, with labels +1 for k, all of the two-class theory applies to it.

    Args:
        model: maps inputs (n, ...) to logits (n, K).
        k: a class, 0..K-1.
        minus: j, another class; None for the logit alone.

    Raises:
        ValueError: a class that is negative, or the same twice; K is looked at in use.
    """
    if k < 0 or (minus is not None and (minus < 0 or minus == k)):
        raise ValueError(f"k and minus must be two different classes >= 0, got {k} and {minus}")
    return Logit(model, k, minus)


def class_jacobian(
    model: nn.Module, X: Array, chunk_size: int | None = None, max_bytes: int = MAX_BYTES
) -> np.ndarray:
    r"""Return the Jacobian of all K logits by all parameters, (n, K, m), float64.

    Args:
        model: maps (k, ...) to (k, K) logits.
        X: inputs, (n, ...).
        chunk_size: examples at a time; default: as many as fill 128 MiB.
        max_bytes: refuse a result that is larger.

    Raises:
        ValueError: another output, no example or one that is not finite, ``chunk_size`` < 1, or a
            result of more than ``max_bytes``.
    """
    network, inputs = copied(model, X)
    parameters: dict[str, Tensor] = dict(network.named_parameters())
    size = sum(p.numel() for p in parameters.values())
    with torch.no_grad():
        shape = tuple(network(inputs[:1]).shape)
    if len(shape) < 2 or shape[-1] < 2 or set(shape[:-1]) != {1}:
        raise ValueError(
            f"the model must give (n, K) logits, K >= 2, got {shape} for one example; of one "
            "logit take ntk.ntrf"
        )
    classes = shape[-1]
    chunk = chunk_length(chunk_size, size * classes)
    check_memory(len(inputs) * classes, size, max_bytes)

    def logits(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        found: Tensor = functional_call(network, parameters, (x[None],)).reshape(classes)
        return found

    jacobians = vmap(jacrev(logits), in_dims=(None, 0))
    J = np.empty((len(inputs), classes, size))
    for start in range(0, len(inputs), chunk):
        rows = jacobians(parameters, inputs[start : start + chunk])
        flat = torch.cat([rows[name].flatten(2) for name in parameters], 2)
        J[start : start + chunk] = flat.detach().cpu()
    return J


def class_features(J: np.ndarray) -> Features:
    """Return the features of K classes: the singular value decomposition of the centred Jacobian.

    Args:
        J: of :func:`class_jacobian`, (n, K, m).

    Returns:
        U (n·K, r), the rows of an example together; s (r,); Vt (r, m). n strengths or more are 0
        where r > n (K - 1), those of what all logits share.

    Raises:
        ValueError: another shape, or entries that are not finite.
    """
    J = np.asarray(J, float)
    if J.ndim != 3 or J.shape[1] < 2:
        raise ValueError(f"J must be (n, K, m) with K >= 2, got {J.shape}; see class_jacobian")
    centred = J - J.mean(1, keepdims=True)
    return decomposed(centred.reshape(-1, J.shape[2]))
