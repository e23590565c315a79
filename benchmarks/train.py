"""Speed of the training loop with a run axis, against a plain PyTorch loop over the same runs.

    python benchmarks/train.py [--runs 10] [--steps 200] [--device auto]

Prints milliseconds per run and step, and the ratio: above 1, the run axis is faster. The task is
that of Figure 1: 300 points, a 2-500-1 network, gradient descent with momentum.
"""

import argparse
from time import perf_counter

import numpy as np
import torch

from gsutils import losses, train
from gsutils.data import moons
from gsutils.nets import MLP


def main() -> None:
    """Time both, three times in turn, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = train.resolve_device(options.device)
    draws = [moons.two_moons(seed) for seed in range(options.runs)]
    X, y = (
        torch.tensor(np.stack(part), dtype=torch.float32, device=device) for part in zip(*draws)
    )

    def together() -> None:
        net = MLP((2, 500, 1), range(options.runs)).to(device)
        train.fit(
            net,
            lambda logits, step: losses.logistic(logits, y),
            X,
            steps=options.steps,
            optimizer=train.SGD(net.parameters(), 1e-2, momentum=0.9),
            record_at=[],
        )

    def one_by_one() -> None:
        for inputs, labels in zip(X, y):
            net = torch.nn.Sequential(
                torch.nn.Linear(2, 500), torch.nn.ReLU(), torch.nn.Linear(500, 1)
            ).to(device)
            optimizer = torch.optim.SGD(net.parameters(), lr=1e-2, momentum=0.9)
            for _ in range(options.steps):
                optimizer.zero_grad()
                torch.nn.functional.softplus(-labels * net(inputs)[:, 0]).mean().backward()
                optimizer.step()

    seconds: dict[str, list[float]] = {"together": [], "one by one": []}
    for _ in range(3):
        for name, work in (("together", together), ("one by one", one_by_one)):
            start = perf_counter()
            work()
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds[name].append(perf_counter() - start)
    each = {name: 1e3 * np.median(s) / options.runs / options.steps for name, s in seconds.items()}
    print(f"{device}, {torch.get_num_threads()} threads, {options.runs} runs, ms per run and step")
    for name, milliseconds in each.items():
        print(f"  {name:10} {milliseconds:.3f}")
    print(f"  ratio      {each['one by one'] / each['together']:.2f}")


if __name__ == "__main__":
    main()
