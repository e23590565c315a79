"""Speed of the NTK, as ratios: without the Jacobian, and with chunks against one by one.

    python benchmarks/ntk.py [--examples 500]

Prints seconds and ratios (above 1, the package's way is faster), and what the Gram matrix of the
Colored-MNIST network (2,000 examples, 208,501 parameters) adds to the peak memory: its Jacobian
would take 3.1 GiB.
"""

import argparse
import resource
from collections.abc import Callable
from time import perf_counter

import numpy as np
import torch

from gsutils import ntk
from gsutils.data import moons
from gsutils.nets import MLP
from gsutils.seeding import stream


def one_by_one(model: MLP, X: np.ndarray) -> np.ndarray:
    """Return the Jacobian, one example and one backward pass at a time."""
    network = model.single(0).double()
    weights, rows = list(network.parameters()), []
    for x in torch.from_numpy(X):
        gradients = torch.autograd.grad(network(x[None]).sum(), weights)
        rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
    return torch.stack(rows).numpy()


def through_jacobian(model: MLP, X: np.ndarray) -> np.ndarray:
    """Return the Gram matrix as a product of Jacobians."""
    Phi = ntk.ntrf(model, X)
    return Phi @ Phi.T


def compare(name: str, slow: Callable[[], np.ndarray], fast: Callable[[], np.ndarray]) -> None:
    """Time both, three times in turn, check that they agree, and print the medians."""
    seconds: dict[Callable[[], np.ndarray], list[float]] = {slow: [], fast: []}
    results = {}
    for _ in range(3):
        for work, times in seconds.items():
            start = perf_counter()
            results[work] = work()
            times.append(perf_counter() - start)
    error = np.abs(results[slow] - results[fast]).max() / np.abs(results[slow]).max()
    before, after = (float(np.median(times)) for times in seconds.values())
    print(f"{name}: {before:.3f} and {after:.3f} s, ratio {before / after:.1f}, error {error:.0e}")


def main() -> None:
    """Measure the memory first, because a peak never falls, then the speed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=500)
    options = parser.parse_args()
    digits = MLP((392, 300, 300, 1), init="xavier")
    images = stream(0, "benchmark").random((2000, 392))
    network, (X, _) = MLP((2, 500, 1)), moons.two_moons()

    ntk.gram(network, X)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ntk.gram(digits, images)
    added = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    print(f"{torch.get_num_threads()} threads")
    print(f"Gram matrix of 2,000 examples by 208,501 parameters: {added:.2f} GiB above the start")

    some = images[: options.examples]
    ntk.ntrf(network, X[:2])  # the first call loads what torch.func needs
    compare(
        f"Gram matrix, {len(some)} x 208,501, through the Jacobian and without it",
        lambda: through_jacobian(digits, some),
        lambda: ntk.gram(digits, some),
    )
    compare(
        "Jacobian, 300 x 2,001, one by one and in chunks",
        lambda: one_by_one(network, X),
        lambda: ntk.ntrf(network, X),
    )


if __name__ == "__main__":
    main()
