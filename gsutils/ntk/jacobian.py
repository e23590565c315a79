r"""The Jacobian of a network's logits by its parameters, and the Gram matrix without it.

Section 3.1, Eq. 1-2.

>>> from gsutils import nets
>>> net, X = nets.MLP((2, 30, 1)), np.eye(2)
>>> Phi = ntrf(net, X)
>>> bool(np.allclose(Phi @ Phi.T, gram(net, X)))
True
"""

import copy
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from gsutils import guards
from gsutils.nets import MLP

CHUNK_ENTRIES = 2**24  # of the Jacobian at a time, 128 MiB
MAX_BYTES = 2**33  # of the whole of it, 8 GiB
Array = np.ndarray | Tensor
Network = TypeVar("Network", bound=nn.Module)


def ntrf(
    model: nn.Module, X: Array, chunk_size: int | None = None, max_bytes: int = MAX_BYTES
) -> np.ndarray:
    r"""Return the NTRF matrix, the Jacobian of the logits by all parameters.

    .. math:: \Phi_{ip} = \frac{\partial \hat y_i}{\partial \theta_p}

    Args:
        model: maps (k, ...) to one logit per example, (k,), (k, 1) or (1, k).
        X: inputs, (n, ...).
        chunk_size: examples at a time; default: as many as fill 128 MiB.
        max_bytes: refuse a Φ that is larger.

    Returns:
        Φ (n, m), float64; columns in the order of ``model.parameters()``, each flattened.

    Raises:
        ValueError: the model has several outputs or runs, there is no example,
            ``chunk_size`` < 1, or Φ would take more than ``max_bytes``.

    Source: Eq. 2.
    """
    network, X = prepared(model, X)
    parameters: dict[str, Tensor] = dict(network.named_parameters())
    size = sum(p.numel() for p in parameters.values())
    chunk = chunk_length(chunk_size, size)
    check_memory(len(X), size, max_bytes)

    def logit(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(network, parameters, (x[None],)).reshape(())

    gradients = vmap(grad(logit), in_dims=(None, 0))
    Phi = np.empty((len(X), size))
    for start in range(0, len(X), chunk):
        try:
            rows = gradients(parameters, X[start : start + chunk])
        except RuntimeError as error:
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise ValueError(
                f"{type(model).__name__} cannot be differentiated example by example with "
                f"torch.func ({reason}); leave out what depends on data, such as .item() or a "
                "branch, changes tensors in place, or is no differentiable operation"
            ) from error
        flat = torch.cat([rows[name].flatten(1) for name in parameters], 1)
        Phi[start : start + chunk] = flat.detach().cpu()
    return Phi


def gram(model: MLP, X: Array, X2: Array | None = None) -> np.ndarray:
    r"""Return the NTK Gram matrix of an MLP without forming its Jacobian.

    The gradient of a logit by the weights of layer l is an outer product of
    :math:`d_l = \partial \hat y / \partial f^{(l)}` and the layer's input :math:`h_{l-1}`, so

    .. math:: \Phi(x) \cdot \Phi(x') = \sum_l (d_l \cdot d_l') (h_{l-1} \cdot h_{l-1}' + b)

    with b = 1 for the bias, and b = 0 in the NTK parameterisation, which has none. Memory: a few
    (n, n2) matrices, whatever the number of parameters.

    Args:
        model: one run, without batch normalisation.
        X: inputs, (n, d).
        X2: inputs, (n2, d); default X.

    Returns:
        K (n, n2), float64, equal to ``ntrf(model, X) @ ntrf(model, X2).T``.

    Raises:
        ValueError: several runs, batch normalisation, dropout in training mode, or inputs that
            do not fit.

    Source: Jacot et al. (2018); the layer-wise form is the chain rule.
    """
    if not isinstance(model, MLP) or model.norms or (model.dropout and model.training):
        raise ValueError(
            "gram needs a gsutils.nets.MLP without batch normalisation, and with dropout only in "
            f"evaluation mode (model.eval()), got {type(model).__name__}; otherwise form "
            "Phi = ntrf(model, X) and Phi @ Phi.T"
        )
    network, first = prepared(model, X)
    bias = 1.0 if network.biases else 0.0
    left = _layers(network, first)
    right = left if X2 is None else _layers(network, prepared(model, X2)[1])
    K = torch.zeros(len(first), len(right[0][0]), dtype=torch.float64, device=first.device)
    for (h, d), (h2, d2) in zip(left, right):
        K += (d @ d2.T).mul_((h @ h2.T).add_(bias))
    return K.cpu().numpy()


def chunk_length(chunk_size: int | None, entries: int) -> int:
    """Return how many examples to take at a time, each with so many entries of the Jacobian."""
    if chunk_size is None:
        return max(1, CHUNK_ENTRIES // entries)
    return guards.count("chunk_size", chunk_size)


def check_memory(rows: int, columns: int, max_bytes: int) -> None:
    """Raise a ValueError if a float64 matrix of that shape takes more than ``max_bytes``."""
    needed = 8 * rows * columns
    if needed > max_bytes:
        raise ValueError(
            f"a Jacobian of {rows:,} rows and {columns:,} parameters takes {needed / 2**30:.1f} "
            f"GiB, more than max_bytes = {max_bytes / 2**30:.1f} GiB: pass fewer examples, the "
            "last layers alone on frozen features, or a larger max_bytes"
        )


def copied(model: Network, X: Array) -> tuple[Network, Tensor]:
    """Return a float64 copy of the model in evaluation mode, and its inputs beside it."""
    network = copy.deepcopy(model).double().eval()
    inputs = torch.as_tensor(X).to(next(network.parameters()).device, torch.float64)
    if inputs.ndim < 2 or not len(inputs):
        raise ValueError(f"X must be (n, ...) with n >= 1, got {tuple(inputs.shape)}")
    if not bool(inputs.isfinite().all()):
        raise ValueError("X must be finite, it holds nan or inf")
    return network, inputs


def prepared(model: Network, X: Array) -> tuple[Network, Tensor]:
    """Return what :func:`copied` does of a model that gives one logit per example."""
    network, inputs = copied(model, X)
    with torch.no_grad():
        shape = tuple(network(inputs[:1]).shape)
    if shape not in ((1,), (1, 1)):
        raise ValueError(
            f"the model must give one logit per example, got shape {shape} for one example; take "
            "one run with model.single(run), one class with ntk.logit(model, k, minus=j), or wrap "
            "the model so that it returns one output"
        )
    return network, inputs


def _layers(network: MLP, inputs: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return each layer's input (n, d_in), and the logit's gradient by its output (n, d_out)."""
    scaled = network.parameterisation == "ntk"
    weights = [weight[0].detach() for weight in network.weights]
    biases = [bias[0].detach() for bias in network.biases] or [0.0] * len(weights)
    h, slopes, layers = [inputs], [], []
    for weight, bias in zip(weights[:-1], biases):
        f = h[-1] @ weight.T + bias
        scale = (2 / weight.shape[0]) ** 0.5 if scaled else 1.0
        slopes.append((f > 0).to(f) * scale)
        h.append(f * slopes[-1])
    d = torch.ones_like(inputs[:, :1])
    for layer in reversed(range(len(weights))):
        layers.append((h[layer], d))
        if layer:
            d = (d @ weights[layer]) * slopes[layer - 1]
    return layers
