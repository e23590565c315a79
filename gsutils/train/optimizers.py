"""Gradient descent and Adam with a value of every rate for each run of the leading axis.

``torch.optim`` takes one learning rate for a tensor, here every slice may have its own.

>>> import torch
>>> w = torch.ones(2, 3)
>>> SGD(lr=torch.tensor([0.0, 1.0])).step([w], [torch.ones(2, 3)], [torch.zeros(2, 3)], 1)
>>> w.mean(1).tolist()
[1.0, 0.0]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

PerRun = float | Tensor


@dataclass(frozen=True)
class SGD:
    """Gradient descent with momentum, PyTorch's update; a value per run where a tensor is given.

    ``weight_decay`` adds ``weight_decay * w`` to the gradient of the mean loss: it is λ/n of
    Eq. 5, not λ.
    """

    lr: PerRun
    momentum: float = 0.0
    weight_decay: PerRun = 0.0

    def start(self, parameters: Sequence[Tensor]) -> list[Tensor]:
        """Return the velocities, zero; refuse rates out of range."""
        _check_rates(self, parameters)
        return [torch.zeros_like(p) for p in parameters]

    def step(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], state: Any, count: int
    ) -> None:
        """Update the parameters and the velocities in place."""
        for p, g, velocity in zip(parameters, gradients, state):
            g = _decayed(g, p, self.weight_decay)
            velocity.mul_(self.momentum).add_(g)
            _subtract(p, velocity, self.lr)


@dataclass(frozen=True)
class Adam:
    """Adam, PyTorch's update with coupled weight decay; a value per run where a tensor is given."""

    lr: PerRun
    weight_decay: PerRun = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def start(self, parameters: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Return the first and second moments, zero; refuse rates out of range."""
        _check_rates(self, parameters)
        return [(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]

    def step(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], state: Any, count: int
    ) -> None:
        """Update the parameters and the moments in place; ``count`` starts at 1."""
        beta1, beta2 = self.betas
        for p, g, (first, second) in zip(parameters, gradients, state):
            g = _decayed(g, p, self.weight_decay)
            first.lerp_(g, 1 - beta1)
            second.mul_(beta2).addcmul_(g, g, value=1 - beta2)
            scale = (second / (1 - beta2**count)).sqrt_().add_(self.eps)
            _subtract(p, first / scale, self.lr, 1 / (1 - beta1**count))


Optimizer = SGD | Adam | torch.optim.Optimizer


def _check_rates(optimizer: SGD | Adam, parameters: Sequence[Tensor]) -> None:
    for name in ("lr", "weight_decay"):
        _check_rate(name, getattr(optimizer, name), len(parameters[0]))


def _check_rate(name: str, value: PerRun, runs: int) -> None:
    rate = torch.as_tensor(value, dtype=torch.float64)
    if rate.ndim and rate.shape != (runs,):
        raise ValueError(
            f"{name} must be a number or ({runs},), one per run, got {tuple(rate.shape)}"
        )
    if not bool((rate >= 0).all()) or bool(rate.isinf().any()):
        raise ValueError(f"{name} must be finite and >= 0, got {value}")


def _per_run(value: PerRun, like: Tensor) -> PerRun:
    """Shape one value per run so that it multiplies (runs, ...)."""
    if isinstance(value, Tensor) and value.ndim:
        return value.to(like).view(-1, *[1] * (like.ndim - 1))
    return value


def _decayed(gradient: Tensor, parameter: Tensor, weight_decay: PerRun) -> Tensor:
    if isinstance(weight_decay, Tensor) or weight_decay:
        return gradient + _per_run(weight_decay, parameter) * parameter
    return gradient


def _subtract(parameter: Tensor, update: Tensor, lr: PerRun, factor: float = 1.0) -> None:
    if isinstance(lr, Tensor):
        parameter.sub_(update * _per_run(lr * factor, parameter))
    else:
        parameter.sub_(update, alpha=lr * factor)
