r"""Two binary cues, one invariant and one spurious: when can the less predictive one decide?

Each example shows a shape a and a colour c, both ±1, that agree with its label with probability
``p_shape`` and ``p_colour``, independently given the label: Colored MNIST (section 4.3) without
the pixels. In the test the colour agrees with probability :data:`TEST`, as there. Where the cues
disagree, the classifier follows one of them, and so its test accuracy tells which.

By symmetry the best logit is :math:`a z_a + c z_c`, and with strengths s the population objective
of spectral decoupling has the gradient flow

.. math:: \dot z_a = -s_a^2 (w_+ g_+ + w_- g_-), \qquad \dot z_c = -s_c^2 (w_+ g_+ - w_- g_-),
          \qquad g_\pm = \sigma(z_a \pm z_c) - q_\pm + \lambda (z_a \pm z_c)

with :math:`w_+` the share of examples whose cues agree, :math:`w_- = 1 - w_+`, and
:math:`q_\pm` the probability that the label is the shape's in either kind.

>>> shape, colour = optimum(0.75, 0.85, lam=2.0)
>>> round(float(shape), 3), round(float(colour), 3)
(0.065, 0.133)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import expit
from torch import Tensor
from torch.nn.functional import softplus

from gsutils import train
from gsutils.experiments.label_noise import copies
from gsutils.nets import MLP
from gsutils.runs.untyped import Job, Outcome, chosen_size
from gsutils.runs.untyped import UntypedEntry as Entry
from gsutils.seeding import check_seeds, stream

Array = np.ndarray
CARDS = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])  # (shape, colour)
TEST = 0.1  # how often the colour agrees with the label in the test
SCHEDULES = ("ERM", "SD", "ERM then SD")


def shares(p_shape: Array | float, p_colour: Array | float) -> tuple[Array, Array, Array]:
    """Return w+, q+ and q-: see the module's docstring; arguments broadcast."""
    p_shape, p_colour = np.asarray(p_shape, float), np.asarray(p_colour, float)
    agree = p_shape * p_colour + (1 - p_shape) * (1 - p_colour)
    return agree, p_shape * p_colour / agree, p_shape * (1 - p_colour) / (1 - agree)


def optimum(p_shape: float, p_colour: float, lam: float) -> tuple[float, float]:
    """Return what shape and colour add to the logit where the population objective is least.

    Args:
        p_shape: in (0, 1).
        p_colour: in (0, 1).
        lam: λ > 0.
    """
    _, *labels = shares(p_shape, p_colour)
    both, split = (
        brentq(lambda z, q=q: expit(z) - q + lam * z, -1 / lam, 1 / lam, xtol=1e-14) for q in labels
    )
    return (both + split) / 2, (both - split) / 2


def flow(
    p_shape: Array | float,
    p_colour: Array | float,
    strengths: tuple[Array | float, Array | float],
    lam: float,
    times: Array,
    start: tuple[Array | float, Array | float] = (0.0, 0.0),
    step: float = 0.05,
) -> Array:
    """Follow the gradient flow of both contributions from ``start``.

    Args:
        p_shape: how often the shape agrees with the label.
        p_colour: how often the colour does. These and the strengths broadcast.
        strengths: of shape and colour, s_a and s_c.
        lam: λ >= 0; 0 is plain cross-entropy.
        times: rising, >= 0, (k,).
        start: the contributions at time 0.
        step: of Heun's method, in time times the largest squared strength.

    Returns:
        The contributions of shape and colour, (k, 2, ...).

    Raises:
        ValueError: times that do not rise from 0 or later.
    """
    times = np.asarray(times, float)
    if times.ndim != 1 or (np.diff(times) < 0).any() or times[0] < 0:
        raise ValueError(f"times must rise from 0 or later, got {times}")
    agree, both, split = shares(p_shape, p_colour)
    speed = np.array(np.broadcast_arrays(*strengths, agree)[:2], float) ** 2
    z = np.array(np.broadcast_arrays(*start, speed[0])[:2], float)

    def velocity(z: Array) -> Array:
        plus, minus = z[0] + z[1], z[0] - z[1]
        pull_plus = agree * (both - expit(plus) - lam * plus)
        pull_minus = (1 - agree) * (split - expit(minus) - lam * minus)
        return speed * np.stack([pull_plus + pull_minus, pull_plus - pull_minus])

    kept, now, longest = [], 0.0, step / speed.max()
    for time in times:
        count = int(np.ceil((time - now) / longest))
        for _ in range(count):
            dt = (time - now) / count
            first = velocity(z)
            z = z + dt / 2 * (first + velocity(z + dt * first))
        now = time
        kept.append(z)
    return np.array(kept)


def lead(z: Array) -> Array:
    """Return by how much the shape is ahead, (|z_a| - |z_c|) / (|z_a| + |z_c|), in [-1, 1].

    Args:
        z: contributions (..., 2, *) with the pair as the second axis, as :func:`flow` gives them.
    """
    shape, colour = np.abs(z[:, 0]), np.abs(z[:, 1])
    return (shape - colour) / np.maximum(shape + colour, 1e-300)


@dataclass(frozen=True)
class Map:
    """Networks on a grid of predictivities and strengths.

    Attributes:
        schedule: one of :data:`SCHEDULES`.
        p_colour: how often the colour agrees with the label in training, (columns,).
        ratios: strength of the colour in units of the shape's, (rows,).
        steps: when test accuracy was recorded, (records,), counted from the switch where there
            is one.
        test: test accuracy, (records, rows, columns, seeds).
    """

    schedule: str
    p_colour: Array
    ratios: Array
    steps: Array
    test: Array

    @property
    def best(self) -> Array:
        """The highest test accuracy along the path, mean over seeds, (rows, columns)."""
        return self.test.max(0).mean(-1)

    @property
    def end(self) -> Array:
        """The test accuracy at the end, mean over seeds, (rows, columns)."""
        return self.test[-1].mean(-1)


def train_map(
    settings: Mapping[str, Any],
    schedule: str,
    seeds: Iterable[int],
    device: str | torch.device = "auto",
    checkpoint: Path | None = None,
) -> Map:
    """Train one network for each predictivity and strength of the colour, and each seed.

    The network (one hidden ReLU layer, its last layer zero at first, so that nothing is decided
    before training) sees the two cues, each multiplied by its strength; the shape's is 1. The
    labels are ``n`` draws per run. Training is plain full-batch gradient descent.

    Args:
        settings: those of the entry "transient-map".
        schedule: one of :data:`SCHEDULES`; the last one records from the switch on.
        seeds: of weights and labels.
        device: "auto", "cpu" or "cuda".
        checkpoint: see :func:`gsutils.train.minimise`.

    Raises:
        ValueError: an unknown schedule, or a setting out of range.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule must be in {SCHEDULES}, got {schedule!r}")
    where, seeds = train.resolve_device(device), check_seeds(seeds)
    ratios, p_colour = np.array(settings["ratios"]), np.array(settings["p_colour"])
    strength, p = (grid.ravel() for grid in np.meshgrid(ratios, p_colour, indexing="ij"))
    counts = np.stack(
        [[_counts(settings["p_shape"], q, settings["n"], seed) for seed in seeds] for q in p]
    ).reshape(-1, 2, len(CARDS))
    weight = torch.from_numpy(counts / settings["n"]).float().to(where)  # (runs, label, card)
    scale = np.stack([np.ones_like(strength), strength], 1).repeat(len(seeds), 0)
    X = torch.from_numpy(CARDS * scale[:, None]).float().to(where)  # (runs, card, 2)
    start = MLP((2, settings["width"], 1), seeds)
    with torch.no_grad():
        start.weights[-1].zero_()
        start.biases[-1].zero_()
    model = copies(start, len(p)).to(where)
    before = settings["erm_steps"] if schedule == SCHEDULES[2] else 0
    lam = 0.0 if schedule == SCHEDULES[0] else settings["lam"]

    def loss(logits: Tensor, step: int) -> Tensor:
        value = weight[:, 0] * softplus(logits) + weight[:, 1] * softplus(-logits)
        if lam and step >= before:
            value = value + weight.sum(1) * lam / 2 * logits.square()
        return value.sum(-1)

    test = torch.tensor([_share(card, settings["p_shape"], TEST) for card in CARDS], device=where)

    def measure(net: torch.nn.Module) -> dict[str, Tensor]:
        sign = torch.sign(net(X))[:, None]  # (runs, 1, card)
        right = (1 + sign * torch.tensor([[-1.0], [1.0]], device=where)) / 2
        return {"test": (right * test.mT).sum((-2, -1))}

    after = np.unique(np.geomspace(4, settings["steps"], 40).astype(int))
    history = train.fit(
        model,
        loss,
        X,
        steps=before + settings["steps"],
        optimizer=train.SGD(
            torch.from_numpy(_rates(settings, strength)).float().repeat_interleave(len(seeds))
        ),
        measure=measure,
        record_at=(before + after).tolist(),
        checkpoint=checkpoint,
        title=f"two cues, {schedule}",
    )
    accuracy = history["test"].reshape(-1, len(ratios), len(p_colour), len(seeds))
    return Map(schedule, p_colour, ratios, history.steps - before, accuracy)


def _rates(settings: Mapping[str, Any], strength: Array) -> Array:
    """Return learning rates (runs,) that keep strong cues stable."""
    return settings["lr"] / (1 + strength**2)


def _share(card: Array, p_shape: float, p_colour: float) -> tuple[float, float]:
    """Return the probabilities that an example shows this card and has the label -1, and +1."""
    both = []
    for label in (-1, 1):
        shape, colour = (p if cue == label else 1 - p for cue, p in zip(card, (p_shape, p_colour)))
        both.append(shape * colour / 2)
    return both[0], both[1]


def _counts(p_shape: float, p_colour: float, n: int, seed: int) -> Array:
    """Draw n examples and return how many have each label and card, (2, cards)."""
    table = np.array([_share(card, p_shape, p_colour) for card in CARDS]).T
    drawn = stream(seed, "two cues").multinomial(n, table.ravel() / table.sum())
    return drawn.reshape(table.shape)


def train_entry(
    size: str | None = None, seeds: Iterable[int] | None = None, device: str = "auto"
) -> dict[str, Map]:
    """Train the maps of the entry "transient-map", schedule -> map."""
    settings = ENTRIES["transient-map"].settings[chosen_size(size)]
    seeds = check_seeds(settings["seeds"] if seeds is None else seeds)
    return {name: train_map(settings, name, seeds, device) for name in SCHEDULES}


def _run(job: Job) -> Outcome:
    found = train_map(job.settings, job.case, job.seeds, job.device, job.file("map.pt"))
    metrics = {
        f"{job.case}, colour {p:g}, ratio {ratio:g}": {
            "best test accuracy": found.test[:, i, j].max(0).tolist(),
            "last test accuracy": found.test[-1, i, j].tolist(),
        }
        for i, ratio in enumerate(found.ratios)
        for j, p in enumerate(found.p_colour)
    }
    return Outcome(metrics, {"name": "two cues (generated)"})


_SHARED = {"p_shape": 0.75, "lam": 2.0, "lr": 0.1, "width": 32}
ENTRIES = {
    "transient-map": Entry(
        name="transient-map",
        title="Two cues: where the less predictive one can decide, for a while",
        chapter="10-what-sd-does-not-do",
        settings={
            "quick": _SHARED
            | {
                "p_colour": [0.55, 0.6, 0.65, 0.7, 0.8, 0.85, 0.9, 0.95],
                "ratios": [0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0],
                "n": 5000,
                "erm_steps": 1000,
                "steps": 1000,
                "seeds": [0, 1, 2],
            },
            "paper": _SHARED
            | {
                "p_colour": [0.525 + 0.025 * k for k in range(18) if k != 9],
                "ratios": [0.25, 0.35, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.8, 4.0],
                "n": 20_000,
                "erm_steps": 4000,
                "steps": 4000,
                "seeds": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
            },
        },
        cases=lambda settings: list(SCHEDULES),
        run=_run,
        paper={},
        selection="oracle-test",
    )
}
