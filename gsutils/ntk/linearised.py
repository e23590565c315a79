r"""Linearised networks, and their training beside the networks themselves.

Section 3.1, Eq. 3.

>>> from gsutils import nets
>>> from gsutils.data import moons
>>> X, y = moons.two_moons(n=50)
>>> net = nets.MLP((2, 400, 1), parameterisation="ntk")
>>> network, linear = train_both(net, X, y, steps=20, lr=0.5)
>>> error = np.linalg.norm(network.logits[-1] - linear.logits[-1])
>>> bool(error < 0.05 * np.linalg.norm(network.logits[-1] - network.logits[0]))
True
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus

from gsutils.losses import check_labels, check_lam
from gsutils.ntk.jacobian import Array, ntrf, prepared


@dataclass(frozen=True)
class Linearised:
    r"""A network linearised around its parameters, at fixed inputs.

    Called with θ (..., m) it returns :math:`\hat y_0 + \Phi_0 (\theta - \theta_0)`, (..., n):
    Eq. 3 before the paper centres θ and the logits.

    Attributes:
        theta0: the network's parameters, (m,), in the order of ``model.parameters()``.
        logits0: its logits, (n,).
        Phi: its NTRF matrix, (n, m).
    """

    theta0: np.ndarray
    logits0: np.ndarray
    Phi: np.ndarray

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        """Return the logits (..., n) of the linearised network at θ (..., m)."""
        return self.logits0 + (theta - self.theta0) @ self.Phi.T


def linearise(model: nn.Module, X: Array, chunk_size: int | None = None) -> Linearised:
    """Linearise a network around its present parameters, at the inputs X (n, ...).

    Args:
        model: see :func:`ntrf`.
        X: inputs, (n, ...).
        chunk_size: see :func:`ntrf`.

    Raises:
        ValueError: see :func:`ntrf`.

    Source: Eq. 3.
    """
    network, inputs = prepared(model, X)
    theta0, logits0 = _flat(network), network(inputs).reshape(-1)
    Phi = ntrf(model, X, chunk_size)
    return Linearised(theta0.cpu().numpy(), logits0.detach().cpu().numpy(), Phi)


@dataclass(frozen=True)
class Trajectory:
    """A training run, recorded.

    Attributes:
        steps: when, (records,), in updates.
        theta: the parameters, (records, m).
        logits: on the training examples, (records, n).
    """

    steps: np.ndarray
    theta: np.ndarray
    logits: np.ndarray

    @property
    def moved(self) -> np.ndarray:
        """The distance from the first record relative to its norm, ‖θ - θ0‖ / ‖θ0‖, (records,)."""
        return np.linalg.norm(self.theta - self.theta[0], axis=1) / np.linalg.norm(self.theta[0])


def train_both(
    model: nn.Module,
    X: Array,
    y: np.ndarray,
    *,
    steps: int,
    lr: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    lam: float = 0.0,
    record_at: Iterable[int] = (),
) -> tuple[Trajectory, Trajectory]:
    r"""Train a network and its linearisation from the same start by the same gradient descent.

    .. math:: \frac1n \sum_i \log(1 + e^{-y_i \hat y_i}) + \frac{\lambda}{2n} \sum_i \hat y_i^2
              + \frac{w}{2} \|\theta\|^2

    Full batch, float64, PyTorch's momentum. The weight decay w pulls both networks' parameters
    to zero, not to their initial values.

    Args:
        model: see :func:`ntrf`; it is left as it was.
        X: inputs, (n, ...).
        y: labels -1/+1, (n,).
        steps: updates, >= 1.
        lr: the learning rate.
        momentum: in [0, 1).
        weight_decay: w above, PyTorch's, >= 0: λ/n for the λ of Eq. 5.
        lam: the λ of spectral decoupling (Eq. 17 divided by n), >= 0.
        record_at: updates after which to record, beside 0 and ``steps``.

    Returns:
        The paths of the network and of its linearisation.

    Raises:
        ValueError: an argument out of range, or see :func:`ntrf`.
        FloatingPointError: the logits have become infinite; lower ``lr``.

    Source: Eq. 3; compared as in Lee et al. (2019).
    """
    check_lam(lam)
    check_lam(weight_decay, "weight_decay")
    if steps < 1 or not lr > 0 or not 0 <= momentum < 1:
        raise ValueError(
            f"steps must be >= 1, lr > 0 and momentum in [0, 1), got {steps}, {lr} and {momentum}"
        )
    records = sorted({0, steps} | set(record_at))
    if records[0] < 0 or records[-1] > steps:
        raise ValueError(f"record_at must lie in 0..{steps}, got {records[0]}..{records[-1]}")
    network, inputs = prepared(model, X)
    linear = linearise(model, X)
    start, logits0, Phi, labels = (
        torch.as_tensor(part, dtype=torch.float64, device=inputs.device)
        for part in (linear.theta0, linear.logits0, linear.Phi, y)
    )
    check_labels(logits0, labels)

    def objective(logits: Tensor, theta: Tensor) -> Tensor:
        value = softplus(-labels * logits).mean() + lam / 2 * logits.square().mean()
        return value + weight_decay / 2 * theta.square().sum()

    def descend(logits_at: Callable[[Tensor], Tensor]) -> Trajectory:
        return _descend(logits_at, objective, start, lr, momentum, records)

    def network_at(theta: Tensor) -> Tensor:
        return functional_call(network, _named(network, theta), (inputs,)).view(-1)

    return descend(network_at), descend(lambda theta: logits0 + Phi @ (theta - start))


def _descend(
    logits_at: Callable[[Tensor], Tensor],
    objective: Callable[[Tensor, Tensor], Tensor],
    start: Tensor,
    lr: float,
    momentum: float,
    records: list[int],
) -> Trajectory:
    """Descend on ``objective(logits_at(theta), theta)``, recording θ and the logits."""
    theta, velocity = start.clone().requires_grad_(), torch.zeros_like(start)
    kept: list[tuple[Tensor, Tensor]] = []
    for step in range(records[-1] + 1):
        logits = logits_at(theta)
        if step in records:
            kept.append((theta.detach().clone(), logits.detach()))
            if not bool(logits.isfinite().all()):
                raise FloatingPointError(f"the logits are not finite at step {step}; lower lr={lr}")
        (gradient,) = torch.autograd.grad(objective(logits, theta), theta)
        with torch.no_grad():
            velocity.mul_(momentum).add_(gradient)
            theta.sub_(velocity, alpha=lr)
    thetas, logits_kept = (torch.stack(part).cpu().numpy() for part in zip(*kept))
    return Trajectory(np.array(records), thetas, logits_kept)


def _flat(network: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def _named(network: nn.Module, theta: Tensor) -> dict[str, Tensor]:
    """Cut θ (m,) into the network's parameters."""
    named = dict(network.named_parameters())
    parts = theta.split([p.numel() for p in named.values()])
    return {name: part.view_as(p) for (name, p), part in zip(named.items(), parts)}
