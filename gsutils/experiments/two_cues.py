r"""Two binary cues, one invariant and one spurious: when can the less predictive one decide?

Each example shows a shape a and a colour c, both ±1, that agree with its label with probability
``p_shape`` and ``p_colour``, independently given the label: Colored MNIST (section 4.3) without
the pixels. In the test the colour agrees with another, so that accuracy tells which is followed.

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

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.integrate import solve_ivp
from scipy.special import expit
from torch import Tensor

from gsutils import guards, losses, methods
from gsutils import train as training
from gsutils.nets import MLP
from gsutils.runs.entry import Entry, Rows
from gsutils.seeding import check_seeds, stream

Array = np.ndarray
CARDS = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])  # (shape, colour)
LABELS = np.array([-1.0, 1.0])
RTOL, ATOL = 1e-6, 1e-9  # of flow


@dataclass(frozen=True)
class Case:
    """A grid of predictivities and strengths of the colour, trained in one way.

    Attributes:
        method: what is minimised. After a switch of its own, the training goes on as before.
        steps: updates, those before the method's switch among them.
        p_shape: how often the shape agrees with the label.
        p_colour: how often the colour does in training, one for each column of the grid.
        p_test: how often the colour does in the test.
        ratios: strength of the colour in units of the shape's, one for each row.
        n: training examples drawn for each run.
        width: hidden units.
        lr: learning rate, of a cue without strength.
        records: how often at most to measure after the switch, denser at the beginning.
    """

    method: methods.ERM
    steps: int = 1000
    p_shape: float = 0.75
    p_colour: tuple[float, ...] = (0.55, 0.6, 0.65, 0.7, 0.8, 0.85, 0.9, 0.95)
    p_test: float = 0.1
    ratios: tuple[float, ...] = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
    n: int = 5000
    width: int = 32
    lr: float = 0.1
    records: int = 40

    def __post_init__(self) -> None:
        """Refuse shares that are none, and cues without exceptions."""
        guards.number("p_test", self.p_test, least=0, most=1)
        for name, share in (("p_shape", self.p_shape), *(("p_colour", p) for p in self.p_colour)):
            guards.number(name, share, above=0, below=1)

    @property
    def switch(self) -> int:
        """The step of the method's switch, from which on is recorded; 0 where there is none."""
        return self.method.switch if isinstance(self.method, methods.SD) else 0

    @property
    def cells(self) -> tuple[tuple[float, float], ...]:
        """Strength and predictivity of each cell of the grid, row by row."""
        return tuple((ratio, p) for ratio in self.ratios for p in self.p_colour)


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
    both, split = (losses.optimal_logit(float(q), lam) for q in labels)
    return (both + split) / 2, (both - split) / 2


def flow(
    p_shape: Array | float,
    p_colour: Array | float,
    strengths: tuple[Array | float, Array | float],
    lam: float,
    times: Array,
    start: tuple[Array | float, Array | float] = (0.0, 0.0),
) -> Array:
    """Follow the gradient flow of both contributions from ``start``.

    Args:
        p_shape: how often the shape agrees with the label.
        p_colour: how often the colour does. These and the strengths broadcast.
        strengths: of shape and colour, s_a and s_c.
        lam: λ >= 0; 0 is plain cross-entropy.
        times: rising, >= 0, (k,).
        start: the contributions at time 0.

    Returns:
        The contributions of shape and colour, (k, 2, ...).

    Raises:
        ValueError: times that do not rise from 0 or later.
    """
    times = np.asarray(times, float)
    if times.ndim != 1 or (np.diff(times) <= 0).any() or times[0] < 0:
        raise ValueError(f"times must rise from 0 or later, got {times}")
    agree, both, split = shares(p_shape, p_colour)
    speed = np.array(np.broadcast_arrays(*strengths, agree)[:2], float) ** 2
    z = np.array(np.broadcast_arrays(*start, speed[0])[:2], float)

    def velocity(_: float, flat: Array) -> Array:
        shape, colour = flat.reshape(z.shape)
        plus, minus = shape + colour, shape - colour
        pull_plus = agree * (both - expit(plus) - lam * plus)
        pull_minus = (1 - agree) * (split - expit(minus) - lam * minus)
        return (speed * np.stack([pull_plus + pull_minus, pull_plus - pull_minus])).ravel()

    # One call for all flows; the error is controlled in their root mean square.
    found = solve_ivp(velocity, (0, times[-1]), z.ravel(), t_eval=times, rtol=RTOL, atol=ATOL)
    return found.y.T.reshape(len(times), *z.shape)


def lead(z: Array) -> Array:
    """Return by how much the shape is ahead, (|z_a| - |z_c|) / (|z_a| + |z_c|), in [-1, 1].

    Args:
        z: contributions (..., 2, *) with the pair as the second axis, as :func:`flow` gives them.
    """
    shape, colour = np.abs(z[:, 0]), np.abs(z[:, 1])
    return (shape - colour) / np.maximum(shape + colour, 1e-300)


@dataclass(frozen=True)
class Trained:
    """Networks on the grid of a case.

    Attributes:
        case: what was trained.
        steps: when test accuracy was recorded, (records,), counted from the switch.
        test: test accuracy, (records, rows, columns, seeds).
        loss: what was minimised, likewise.
    """

    case: Case
    steps: Array
    test: Array
    loss: Array

    @property
    def p_colour(self) -> Array:
        """How often the colour agrees with the label in training, (columns,)."""
        return np.array(self.case.p_colour)

    @property
    def ratios(self) -> Array:
        """Strength of the colour in units of the shape's, (rows,)."""
        return np.array(self.case.ratios)

    @property
    def best(self) -> Array:
        """The highest test accuracy along the path, mean over seeds, (rows, columns)."""
        return self.test.max(0).mean(-1)

    @property
    def end(self) -> Array:
        """The test accuracy at the end, mean over seeds, (rows, columns)."""
        return self.test[-1].mean(-1)

    @property
    def data(self) -> dict[str, str]:
        """What a record calls the data."""
        return {"name": "two cues (generated)"}

    def metrics(self) -> Rows:
        """Return the best and the last test accuracy of each cell."""
        paths = self.test.reshape(len(self.steps), len(self.case.cells), -1)
        return {
            part(ratio, p): {
                "best test accuracy": paths[:, cell].max(0).tolist(),
                "last test accuracy": paths[-1, cell].tolist(),
            }
            for cell, (ratio, p) in enumerate(self.case.cells)
        }

    def curves(self) -> Rows:
        """Return nothing: the figure shows the best and the end."""
        return {}


def part(ratio: float, p_colour: float) -> str:
    """Return what a record calls a cell of the grid: "colour 0.6, ratio 0.5"."""
    return f"colour {p_colour:g}, ratio {ratio:g}"


def prepare(case: Case, seed: int) -> tuple[Array, Array, Array]:
    """Return a seed's inputs, labels, and how often each is seen.

    A network sees the two cues, each multiplied by its strength; the shape's is 1. Each card
    comes with either label, and counts by its share of ``n`` draws.

    Returns:
        Inputs (cells, 8, 2), labels (8,) and weights (cells, 8), whose sums are 1.
    """
    X = [CARDS * [1, ratio] for ratio, _ in case.cells]
    counts = [_counts(case.p_shape, p, case.n, seed) for _, p in case.cells]
    y = np.repeat(LABELS, len(CARDS))
    return np.tile(X, (1, len(LABELS), 1)), y, np.reshape(counts, (len(X), -1)) / case.n


def train(
    case: Case,
    seeds: Iterable[int],
    device: str | torch.device = "auto",
    checkpoint: Path | None = None,
) -> Trained:
    """Train one network for each predictivity and strength of the colour, and each seed.

    The network has one hidden ReLU layer; its last layer is zero at first, so that nothing is
    decided before training. Training is plain full-batch gradient descent.

    Args:
        case: what to train.
        seeds: of weights and labels.
        device: "auto", "cpu" or "cuda".
        checkpoint: see :func:`gsutils.train.minimise`.

    Raises:
        ValueError: no step after the switch, or another argument out of range.
    """
    seeds, where = check_seeds(seeds), training.resolve_device(device)
    after = case.steps - case.switch
    if after < 1:
        raise ValueError(f"steps must be above the switch, {case.switch}, got {case.steps}")

    def tensor(values: Array) -> Tensor:
        return torch.from_numpy(values).float().to(where)

    inputs, (labels, *_), weights = zip(*(prepare(case, seed) for seed in seeds))
    X, weight = (tensor(np.stack(v, 1)).flatten(0, 1) for v in (inputs, weights))  # by cell, seed
    y = tensor(labels)
    test = tensor(_shares_of_cards(case.p_shape, case.p_test).ravel())
    start = MLP((2, case.width, 1), seeds)
    with torch.no_grad():
        start.weights[-1].zero_()
        start.biases[-1].zero_()
    model = start.copies(len(case.cells)).to(where)
    strength = np.array([ratio for ratio, _ in case.cells]).repeat(len(seeds))
    rates = tensor(case.lr / (1 + strength**2))  # keeps strong cues stable

    def measure(net: torch.nn.Module) -> dict[str, Tensor]:
        right = (1 + torch.sign(net(X)) * y) / 2
        return {"test": (right * test).sum(-1)}

    record_at = np.unique(np.geomspace(min(4, after), after, case.records).astype(int))
    history = training.fit(
        model,
        case.method,
        X,
        batch=methods.Batch(y, weight=weight),
        steps=case.steps,
        optimizer=training.SGD(model.parameters(), rates),
        measure=measure,
        record_at=(case.switch + record_at).tolist(),
        checkpoint=checkpoint,
        title=f"two cues, {case.method.title}",
    )
    grid = (len(case.ratios), len(case.p_colour), len(seeds))
    test_of, loss_of = (history[name].reshape(-1, *grid) for name in ("test", "loss"))
    return Trained(case, history.steps - case.switch, test_of, loss_of)


def _shares_of_cards(p_shape: float, p_colour: float) -> Array:
    """Return how often an example has each label and shows each card, (labels, cards)."""
    agrees = LABELS[:, None, None] == CARDS
    return np.where(agrees, (p_shape, p_colour), (1 - p_shape, 1 - p_colour)).prod(-1) / 2


def _counts(p_shape: float, p_colour: float, n: int, seed: int) -> Array:
    """Draw n examples and return how many have each label and card, (labels, cards)."""
    table = _shares_of_cards(p_shape, p_colour)
    drawn = stream(seed, "two cues").multinomial(n, table.ravel() / table.sum())
    return drawn.reshape(table.shape)


def _schedules(case: Case) -> dict[str, Case]:
    sd = methods.SD(lam=2.0)
    return {
        "ERM": case,
        "SD": replace(case, method=sd),
        "ERM then SD": replace(case, method=replace(sd, switch=case.steps), steps=2 * case.steps),
    }


_PAPER = Case(
    methods.ERM(),
    p_colour=tuple(0.525 + 0.025 * k for k in range(18) if k != 9),
    ratios=(0.25, 0.35, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.8, 4.0),
    n=20_000,
    steps=4000,
)
ENTRIES = {
    "transient-map": Entry(
        name="transient-map",
        title="Two cues: where the less predictive one can decide, for a while",
        chapter="10-what-sd-does-not-do",
        cases={"quick": _schedules(Case(methods.ERM())), "paper": _schedules(_PAPER)},
        seeds={"quick": range(3), "paper": range(10)},
        run=train,
        paper={},
        selection="oracle-test",
    )
}
