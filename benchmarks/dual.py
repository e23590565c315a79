"""Speed of the dual's fixed point, against SciPy's Newton method on the primal loss.

    python benchmarks/dual.py [--sizes 100,1000] [--lam 0.01]

Prints seconds, the largest residual |u - K alpha(u)| relative to the largest margin, and the ratio
of times: above 1, the fixed point is faster. U is random, the strengths run from 0.1 to 10; over
wider ranges the baseline stops far from the solution.
"""

import argparse
from time import perf_counter

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from gsutils import dual


def compare(n: int, lam: float) -> None:
    """Time both on one problem, three times in turn, and print the medians."""
    U, _ = np.linalg.qr(np.random.default_rng(n).normal(size=(n, n)))
    s = np.geomspace(0.1, 10, n)
    YPhi = U * s  # parameters in the coordinates of V

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        u = YPhi @ theta
        value = np.logaddexp(0, -u).sum() + lam / 2 * (theta @ theta)
        return value, lam * theta - expit(-u) @ YPhi

    def hessian(theta: np.ndarray) -> np.ndarray:
        u = YPhi @ theta
        return (YPhi.T * (expit(u) * expit(-u))) @ YPhi + lam * np.eye(n)

    def primal() -> np.ndarray:
        found = minimize(
            loss,
            np.zeros(n),
            jac=True,
            hess=hessian,
            method="trust-exact",
            options={"gtol": 1e-8, "maxiter": 1000},
        )
        return YPhi @ found.x

    ways = {"fixed point": lambda: dual.margins(U, s**2, lam), "primal Newton": primal}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    residual = {}
    for _ in range(3):
        for name, work in ways.items():
            start = perf_counter()
            u = work()
            seconds[name].append(perf_counter() - start)
            pulled = YPhi @ (YPhi.T @ expit(-u)) / lam
            residual[name] = np.abs(u - pulled).max() / np.abs(u).max()
    median = {name: np.median(times) for name, times in seconds.items()}
    print(f"n = {n:,}, lam = {lam:g}")
    for name in ways:
        print(f"  {name:14} {median[name]:.4f} s   residual {residual[name]:.1e}")
    print(f"  ratio          {median['primal Newton'] / median['fixed point']:.1f}")


def main() -> None:
    """Compare on each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="100,1000")
    parser.add_argument("--lam", type=float, default=0.01)
    options = parser.parse_args()
    for n in options.sizes.split(","):
        compare(int(n), options.lam)


if __name__ == "__main__":
    main()
