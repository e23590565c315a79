"""What the checks of arguments add to a training step.

    python benchmarks/checks.py [--repeats 200]

The step is that of a plain loop: Figure 1's network (2-500-1, 300 points, one run), the loss as a
formula, `torch.optim`. Of the package's loss the time is taken with its checks and without them,
alone and in turn. All in the processor time of one thread, the shortest of many times, which other
processes lengthen least. Prints (step + checks) / step, and the loss with its checks in steps.
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from time import thread_time
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus

from gsutils import losses, methods
from gsutils.data import moons
from gsutils.methods.batch import Batch

Loss = Callable[[Tensor], Tensor]
LAM = 0.01


def pairs() -> dict[str, tuple[int, Loss, Loss]]:
    """Return, by name, the number of outputs, our loss and the plain one."""
    y = torch.tensor(moons.two_moons(0)[1], dtype=torch.float32)
    classes = (y > 0).long()
    module, batch, method = losses.SpectralDecoupling(LAM), Batch(y), methods.SD(lam=LAM)

    def plain(z: Tensor) -> Tensor:
        return softplus(-y * z[:, 0]).mean()

    def plain_sd(z: Tensor) -> Tensor:
        return plain(z) + LAM / 2 * z[:, 0].square().mean()

    def by_function(z: Tensor) -> Tensor:
        z = z[:, 0]
        return losses.logistic(z, y) + losses.spectral_decoupling(z, y, LAM)

    return {
        "logistic": (1, lambda z: losses.logistic(z[:, 0], y), plain),
        "logistic + spectral_decoupling": (1, by_function, plain_sd),
        "logistic + SpectralDecoupling": (
            1,
            lambda z: losses.logistic(z[:, 0], y) + module(z[:, 0], y),
            plain_sd,
        ),
        "methods.SD": (1, lambda z: method.loss(z[:, 0], batch, 0, {}), plain_sd),
        "cross_entropy": (
            2,
            lambda z: losses.cross_entropy(z, classes),
            lambda z: cross_entropy(z, classes),
        ),
    }


def shortest(work: Callable[[], object], repeats: int, times: int) -> float:
    """Return the least seconds that a piece of work takes."""

    def once() -> float:
        start = thread_time()
        for _ in range(times):
            work()
        return (thread_time() - start) / times

    return min(once() for _ in range(repeats))


def step(loss: Loss, outputs: int) -> Callable[[], object]:
    """Return a training step."""
    torch.manual_seed(0)
    X = torch.tensor(moons.two_moons(0)[0], dtype=torch.float32)
    net = nn.Sequential(nn.Linear(2, 500), nn.ReLU(), nn.Linear(500, outputs))
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-2, momentum=0.9)

    def once() -> None:
        optimizer.zero_grad()
        loss(net(X)).backward()
        optimizer.step()

    return once


def nothing(*_: object, **__: object) -> None:
    """Check nothing."""


@contextmanager
def unchecked() -> Iterator[None]:
    """Let the checks do nothing."""
    with ExitStack() as stack:
        for module in (losses, losses._functions, losses._decoupling):
            for name in [name for name in vars(module) if name.startswith("check_")]:
                stack.enter_context(mock.patch.object(module, name, nothing))
        yield


def main() -> None:
    """Time all, and print the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=200)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    print(f"{'':32} with checks   the loss alone")
    for name, (outputs, ours, plain) in pairs().items():
        logits = torch.randn(300, outputs, requires_grad=True)
        whole = shortest(step(plain, outputs), repeats, 5)
        once = partial(ours, logits)
        checked = shortest(once, repeats, 20)
        with unchecked():
            bare = shortest(once, repeats, 20)
        print(f"{name:32} {1 + (checked - bare) / whole:11.3f} {checked / whole:16.3f}", flush=True)


if __name__ == "__main__":
    main()
