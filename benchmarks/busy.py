"""How much longer a chapter's training takes beside other busy processes than on an idle machine.

    python benchmarks/busy.py [--steps 200] [--busy 0 1 2]

The three cases of Figure 1 (networks 2-500-1, ten seeds) are trained idle and beside processes
that do nothing but count, in three settings: PyTorch's own (threads that spin while they wait),
threads that sleep, as `gsutils` asks for, and one thread. Each is a process of its own, since the
setting is read as PyTorch is loaded. Prints seconds, and their ratio to the same setting's idle.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

SETTINGS = {
    "as PyTorch comes": {"OMP_WAIT_POLICY": "ACTIVE"},
    "threads that sleep": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"},
}
TRAINING = """
import sys, time, torch
from gsutils.experiments import ENTRIES
warm, steps = {"steps": 2}, {"steps": int(sys.argv[1])}
ENTRIES["figure1"].record(size="quick", device="cpu", settings=warm)
start = time.perf_counter()
ENTRIES["figure1"].record(size="quick", device="cpu", seeds=range(10), settings=steps)
print(time.perf_counter() - start)
"""


@contextmanager
def busy() -> Iterator[None]:
    """Keep one processor core busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def seconds(setting: dict[str, str], steps: int, limit: float | None) -> float | None:
    """Train in a process of its own; None if that took longer than the limit."""
    command = [sys.executable, "-c", TRAINING, str(steps)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")} | setting
    try:
        run = subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return None
    return float(run.stdout)


def main() -> None:
    """Time every setting beside every number of busy processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, {options.steps} steps; seconds (times idle)")
    for name, setting in SETTINGS.items():
        idle: float | None = None
        cells = []
        for number in options.busy:
            with ExitStack() as others:
                for _ in range(number):
                    others.enter_context(busy())
                took = seconds(setting, options.steps, idle and 20 * idle + 30)
            idle = took if number == 0 else idle
            ratio = f" ({took / idle:.2f})" if took and idle else ""
            cells.append(
                f"beside {number}: {took:.1f}{ratio}"
                if took
                else f"beside {number}: over {20 * (idle or 0) + 30:.0f}"
            )
        print(f"  {name:20} " + "   ".join(cells), flush=True)


if __name__ == "__main__":
    main()
