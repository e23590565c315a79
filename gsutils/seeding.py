"""Named random streams: every draw of the book can be repeated, on any device.

A stream is a NumPy generator that depends on a seed and a name and on nothing else, so that
adding a draw to one stream ("dropout") leaves every other one ("weights") as it was. Numbers
are drawn on the CPU and moved, hence CPU and GPU see the same ones. No global generator is used.

>>> float(stream(0, "weights").random()) == float(stream(0, "weights").random())
True
>>> float(stream(0, "weights").random()) == float(stream(0, "data").random())
False
"""

import zlib
from collections.abc import Iterable

import numpy as np

LARGEST = 2**63 - 1  # what a record's reader can hold


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the random generator of one purpose in one run.

    Args:
        seed: the run's seed, an integer >= 0.
        name: what is drawn: "data", "weights", "dropout", ...

    Raises:
        ValueError: the seed is negative or not an integer, or the name is empty.
    """
    (seed,) = check_seeds([seed])
    if not name:
        raise ValueError("name must say what is drawn, for example 'weights', got ''")
    return np.random.default_rng(
        np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()),))
    )


def check_seeds(seeds: Iterable[int]) -> tuple[int, ...]:
    """Return the seeds as a tuple of integers.

    Raises:
        ValueError: there is none, or one is negative, not an integer, or there twice.
    """
    if not isinstance(seeds, Iterable) or isinstance(seeds, str):
        raise ValueError(f"seeds must be a list of integers, such as [0, 1, 2], got {seeds!r}")
    seeds = tuple(seeds)
    if not seeds:
        raise ValueError("seeds must hold at least one integer, got none")
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"a seed must be an integer >= 0, got {seed!r}")
        if seed > LARGEST:
            raise ValueError(f"a seed must be at most {LARGEST}, got {seed!r}")
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must differ from one another, got {seeds}")
    return tuple(int(seed) for seed in seeds)
