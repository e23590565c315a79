"""Gradient descent and Adam with a value of every rate for each run of the leading axis.

``torch.optim`` takes one learning rate for a tensor, here every slice may have its own. Both are
``torch.optim.Optimizer``, used as those of PyTorch are.

>>> w = nn.Parameter(torch.ones(2, 3))
>>> optimizer = SGD([w], lr=torch.tensor([0.0, 1.0]))
>>> w.sum().backward()
>>> optimizer.step()
>>> w.mean(1).tolist()
[1.0, 0.0]
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from gsutils import guards

PerRun = float | Tensor


class _Optimizer(torch.optim.Optimizer):
    """One update for each parameter; learning rate and weight decay are checked when it is made."""

    def __init__(self, parameters: Iterable[nn.Parameter], **settings: Any) -> None:
        super().__init__(parameters, settings)
        for group in self.param_groups:
            for name in ("lr", "weight_decay"):
                _check_rate(name, group[name], group["params"])

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters that have a gradient; return what ``closure`` returns, if given."""
        loss = closure() if closure else None
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        gradient = _decayed(p.grad, p, group["weight_decay"])
                        self._update(p, gradient, self.state[p], group)
        return loss

    def _update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        raise NotImplementedError


class SGD(_Optimizer):
    """Gradient descent with momentum, PyTorch's update; a value per run where a tensor is given.

    ``weight_decay`` adds ``weight_decay * w`` to the gradient of the mean loss: it is λ/n of
    Eq. 5, not λ. Without it the numbers are those of ``torch.optim.SGD``; with it they may differ
    in the last digit, as PyTorch multiplies and adds with one rounding.

    Args:
        parameters: each (runs, ...) where a rate has a value per run.
        lr: learning rate >= 0, a number or (runs,).
        momentum: of the velocity, in [0, 1).
        weight_decay: >= 0, a number or (runs,).

    Raises:
        ValueError: a rate out of range, or not one per run.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: PerRun,
        momentum: float = 0.0,
        weight_decay: PerRun = 0.0,
    ) -> None:
        guards.number("momentum", momentum, least=0.0, below=1.0)
        super().__init__(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay)

    def _update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if not state:
            state["momentum_buffer"] = torch.zeros_like(p)
        velocity = state["momentum_buffer"].mul_(group["momentum"]).add_(g)
        _subtract(p, velocity, group["lr"])


class Adam(_Optimizer):
    """Adam with coupled weight decay, PyTorch's update; a value per run where a tensor is given.

    ``torch.optim.Adam`` divides in another order, so that its numbers differ in the last digit.

    Args:
        parameters: each (runs, ...) where a rate has a value per run.
        lr: learning rate >= 0, a number or (runs,).
        weight_decay: >= 0, a number or (runs,); see :class:`SGD`.
        betas: of the running averages of the gradient and of its square, in [0, 1).
        eps: added to the root of the latter.

    Raises:
        ValueError: a rate out of range, or not one per run.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: PerRun,
        weight_decay: PerRun = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        for beta in betas:
            guards.number("betas", beta, least=0.0, below=1.0)
        guards.number("eps", eps, least=0.0)
        super().__init__(parameters, lr=lr, weight_decay=weight_decay, betas=betas, eps=eps)

    def _update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if not state:
            state |= {"step": 0, "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
        state["step"] += 1
        count, (beta1, beta2) = state["step"], group["betas"]
        first = state["exp_avg"].lerp_(g, 1 - beta1)
        second = state["exp_avg_sq"].mul_(beta2).addcmul_(g, g, value=1 - beta2)
        scale = (second / (1 - beta2**count)).sqrt_().add_(group["eps"])
        _subtract(p, first / scale, group["lr"], 1 / (1 - beta1**count))


def _check_rate(name: str, value: PerRun, parameters: list[Tensor]) -> None:
    rate = torch.as_tensor(value, dtype=torch.float64)
    for p in parameters:
        if rate.ndim and rate.shape != p.shape[:1]:
            raise ValueError(
                f"{name} must be a number or {tuple(p.shape[:1])}, one per run, "
                f"got {tuple(rate.shape)}"
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
