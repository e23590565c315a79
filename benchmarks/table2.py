"""Speed of Table 2's trainings at the published size, against the plain script and the floor.

    python benchmarks/table2.py [--runs 10] [--steps 20] [--device auto] [--threads N]

Prints milliseconds per run and step of each method: the plain script's, ours, the ratio (above 1,
ours is faster), and on a GPU the floor, which is the same matrix products alone, and how many
times the floor we take. Steps lie after each method's switch; start-up is not counted. The data
are random numbers with Colored MNIST's shape and zeros.
"""

import argparse
from collections.abc import Callable
from functools import partial
from time import perf_counter

import numpy as np
import plain_table2
import torch

from gsutils import train
from gsutils.data import mnist
from gsutils.experiments import ENTRIES, colored_mnist
from gsutils.nets import MLP

START = 500  # after every switch


def seconds(work: Callable[[int], object], steps: int, device: torch.device) -> float:
    """Return the seconds of ``steps`` steps: those of twice as many, less those of as many."""

    def timed(count: int) -> float:
        if device.type == "cuda":
            torch.cuda.synchronize()
        start = perf_counter()
        work(count)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return perf_counter() - start

    work(2)
    return float(np.median([timed(2 * steps) - timed(steps) for _ in range(3)]))


def digits() -> mnist.Digits:
    """Return random images of MNIST's shape, a fifth of their pixels inked."""
    rng = np.random.default_rng(0)
    ink = rng.integers(1, 256, (60_000, 28, 28), np.uint8)
    centre = np.zeros((28, 28), bool)
    centre[2:26, 2:26] = True  # nearly all of MNIST's ink lies there
    inked = (rng.random(ink.shape, np.float32) < 0.4) & centre
    return mnist.Digits(ink * inked, rng.integers(0, 10, 60_000), "MNIST")


def main() -> None:
    """Time every method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=None, help="default: 10 on a GPU, 1 on a CPU")
    parser.add_argument("--steps", type=int, default=None, help="default: 50 on a GPU, 4 on a CPU")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = train.resolve_device(options.device)
    on_gpu = device.type == "cuda"
    runs, steps = options.runs or (10 if on_gpu else 1), options.steps or (50 if on_gpu else 4)
    source, cases = digits(), ENTRIES["table2"].cases["paper"]
    precision = train.precision(device)
    print(f"{device}, {options.threads} threads, {runs} runs, {precision} products; ms/run/step")
    total = {"plain": 0.0, "ours": 0.0}
    for case in ("erm", "sd", "irm"):
        prepared = [colored_mnist.prepare(cases[case], seed, source) for seed in range(runs)]
        environments = [
            (torch.from_numpy(e.flat).to(device), torch.from_numpy((e.y + 1) / 2).to(device))
            for e in prepared[0].drawn.train
        ]
        alone = partial(plain_table2.train, case, environments, START)
        plain = seconds(alone, steps, device)
        ours = seconds(ours_of(cases[case], prepared, device, precision), steps, device) / runs
        line = f"  {case:4} plain {1e3 * plain / steps:8.2f}  ours {1e3 * ours / steps:8.2f}"
        line += f"  ratio {plain / ours:.2f}"
        if on_gpu:
            least = seconds(products(runs, cases[case].hidden[0], device), steps, device) / runs
            line += f"  floor {1e3 * least / steps:.2f}  ours/floor {ours / least:.2f}"
        print(line, flush=True)
        weight = cases[case].steps / steps
        total = {k: total[k] + v * weight for k, v in (("plain", plain), ("ours", ours))}
    print(f"  all  plain {total['plain']:.0f} s/run  ours {total['ours']:.0f} s/run", end="  ")
    print(f"ratio {total['plain'] / total['ours']:.2f}")


def ours_of(
    case: colored_mnist.Case,
    prepared: list[colored_mnist.Prepared],
    device: torch.device,
    precision: str,
) -> Callable[[int], object]:
    """Return the package's training for a number of steps."""
    task = colored_mnist.Task(prepared, device)
    model = MLP((task.X.shape[-1], *case.hidden, 1), range(len(prepared)), init="xavier").to(device)
    return lambda count: train.fit(
        model,
        case.method,
        task.inputs,
        batch=task.batch,
        first_step=START,
        steps=count,
        optimizer=train.Adam(model.parameters(), case.lr),
        record_at=[],
        precision=precision,
    )


def products(runs: int, width: int, device: torch.device) -> Callable[[int], object]:
    """Return the matrix products of a step alone, forward and backward, in bfloat16."""
    dtype = torch.bfloat16 if train.precision(device) == "bfloat16" else torch.float32

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(runs, *shape, device=device, dtype=dtype)

    X, h = random(392, 50_000), random(width, 50_000)
    W1, W2 = random(width, 392), random(width, width)

    def step(count: int) -> None:
        for _ in range(count):
            torch.bmm(W1, X)  # forward
            torch.bmm(W2, h)
            torch.bmm(h, h.mT)  # gradients of the weights
            torch.bmm(h, X.mT)
            torch.bmm(W2.mT, h)  # gradient of the hidden layer

    return step


if __name__ == "__main__":
    main()
