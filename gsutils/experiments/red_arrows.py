r"""Friend or foe (section 5): a chess book with red arrows, over agreement, boards and time.

A network with one hidden layer reads :mod:`gsutils.data.boards` and says which queen the rook
can take.
A book's arrows are right with a probability q of its own. In the test all arrows are right, all
are wrong, or there are none. Since an answer depends on the board alone, the expected accuracy
where arrows are right with probability q' is, for every network,

.. math:: A(q') = q' A(1) + (1 - q') A(0).

>>> case = Case(boards=60, agreement=(1.0,), steps=40, validation=50, test=50)
>>> run = train(case, seeds=[0, 1])
>>> bool((run.history["right arrows"][-1] > run.history["wrong arrows"][-1]).all())
True
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gsutils import evaluate, methods
from gsutils import train as training
from gsutils.data import boards
from gsutils.experiments._arrow_records import WORLDS, curve, in_world, methods_of, select
from gsutils.nets import MLP, Pair
from gsutils.runs.entry import Entry, Rows
from gsutils.seeding import check_seeds

__all__ = [
    "ENTRIES",
    "WORLDS",
    "Case",
    "Prepared",
    "Trained",
    "curve",
    "in_world",
    "methods_of",
    "prepare",
    "select",
    "train",
    "worlds",
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """How one network is trained.

    Attributes:
        family: what the method is called in tables; cases of one family differ in options.
        method: what is minimised.
        told: what the method's groups are: the "books" of the boards, or whether their "arrows"
            are right.
        augmented: whether every board is printed twice, with the arrow to either side.
        boards: training boards, shared out evenly between the books.
        agreement: of each book, the probability that an arrow is right; empty: no arrows.
        misprints: share of the boards whose label is wrong; arrows agree with the printed label.
        steps: updates, full batch.
        lr: Adam's learning rate.
        hidden: hidden units.
        validation: new boards of the same books, for each run.
        test: boards that all runs and cases share.
    """

    family: str = "ERM"
    method: methods.ERM = methods.ERM()
    told: str = "arrows"
    augmented: bool = False
    boards: int = 1000
    agreement: tuple[float, ...] = (0.9,)
    misprints: float = 0.0
    steps: int = 200
    lr: float = 0.01
    hidden: int = 64
    validation: int = 500
    test: int = 1000

    def __post_init__(self) -> None:
        """Refuse groups that there are not, and boards that cannot be shared out."""
        if self.told not in ("books", "arrows"):
            raise ValueError(f"told must be 'books' or 'arrows', got {self.told!r}")
        if self.boards < 1 or self.boards % self.books:
            raise ValueError(f"boards must be a multiple of {self.books} books, got {self.boards}")
        if self.augmented and not self.agreement:
            raise ValueError("augmented needs arrows to redraw: agreement is empty")

    @property
    def books(self) -> int:
        """The number of books."""
        return max(1, len(self.agreement))

    def by_board(self, book: np.ndarray) -> np.ndarray | None:
        """Return the probability that a board's arrow is right, (n,); None without arrows."""
        return np.asarray(self.agreement)[book] if self.agreement else None


@dataclass(frozen=True)
class Trained:
    """The runs of a case: networks, and the accuracies over time, fractions (records, runs).

    They are "train", "validation" (new boards of the same books), and one for each of
    :data:`WORLDS`, always on the same test boards.
    """

    case: Case
    model: nn.Module
    history: training.History

    @property
    def data(self) -> dict[str, str]:
        """What a record calls the data."""
        return {"name": boards.NAME}

    def metrics(self) -> Rows:
        """Return the accuracies at the end."""
        return {"": {f"{k} accuracy": v[-1].tolist() for k, v in self._accuracies().items()}}

    def curves(self) -> Rows:
        """Return the accuracies over time."""
        drawn = {name: values.tolist() for name, values in self._accuracies().items()}
        return {"": {"step": self.history.steps.tolist()} | drawn}

    def _accuracies(self) -> dict[str, np.ndarray]:
        return {name: m for name, m in self.history.metrics.items() if name != "loss"}


@dataclass(frozen=True)
class Prepared:
    """What a run is given: training boards, what the method is told of them, new boards.

    Attributes:
        train: the training boards, (n,).
        book: of each, (n,).
        group: of each, (n,): what the case says is told, the book or 1 where the arrow is right.
        validation: new boards of the same books.
    """

    train: boards.Boards
    book: np.ndarray
    group: np.ndarray
    validation: boards.Boards


def prepare(case: Case, seed: int) -> Prepared:
    """Return what a run is given; the test boards are :func:`worlds`.

    The positions of a seed are the first of one long row, whatever the arrows and the case.
    """
    positions = boards.draw(case.boards, seed).misprinted(case.misprints, seed)
    book = np.repeat(range(case.books), case.boards // case.books)
    drawn = positions.with_arrows(case.by_board(book), seed)
    if case.augmented:
        drawn = boards.joined([drawn.with_arrows(1.0), drawn.with_arrows(0.0)])
        book = np.tile(book, 2)
    group = book if case.told == "books" else (drawn.arrow == drawn.y).astype(np.int64)
    new = boards.draw(case.validation, seed, "validation boards")
    new = new.misprinted(case.misprints, seed, "validation misprints")
    alike = np.arange(case.validation) % case.books
    new = new.with_arrows(case.by_board(alike), seed, "validation arrows")
    return Prepared(drawn, book, group, new)


def worlds(case: Case) -> dict[str, boards.Boards]:
    """Return the boards of each of :data:`WORLDS`, the same positions for all runs and cases."""
    positions = boards.draw(case.test, seed=0, name="test boards")
    return {world: positions.with_arrows(agreement) for world, agreement in WORLDS.items()}


def train(
    case: Case,
    seeds: Iterable[int],
    device: str | torch.device = "auto",
    checkpoint: Path | None = None,
) -> Trained:
    """Train one network per seed; each seed draws its own books and weights.

    Args:
        case: how.
        seeds: one run each.
        device: "auto", "cpu" or "cuda".
        checkpoint: see :func:`gsutils.train.minimise`.

    Raises:
        ValueError: an argument out of range.
    """
    seeds, where = check_seeds(seeds), training.resolve_device(device)

    def tensor(arrays: Iterable[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(list(arrays))).to(where)

    def pair(parts: Iterable[boards.Boards]) -> tuple[Tensor, Tensor]:
        parts = list(parts)
        return tensor(part.flat for part in parts), tensor(part.y for part in parts)

    runs = [prepare(case, seed) for seed in seeds]
    X, y = pair(run.train for run in runs)
    sets = {"train": (X, y), "validation": pair(run.validation for run in runs)}
    for world, part in worlds(case).items():
        sets[world] = torch.from_numpy(part.flat).to(where), torch.from_numpy(part.y).to(where)
    widths, method = (X.shape[-1], case.hidden, 1), case.method
    model: nn.Module = MLP(widths, seeds)
    if method.networks == 2:
        model = Pair(MLP(widths, seeds, role="weights of the biased network"), model)
    model.to(where)
    group = tensor(run.group for run in runs)
    history = training.fit(
        model,
        method,
        X,
        batch=methods.Batch(y, group),
        state=method.start(y, groups=2),
        steps=case.steps,
        optimizer=training.Adam(model.parameters(), case.lr),
        measure=lambda net: {k: evaluate.accuracy(net(x), t) for k, (x, t) in sets.items()},
        record_at=[0, *np.geomspace(min(5, case.steps), case.steps, 10).astype(int)],
        checkpoint=checkpoint,
        title=f"{case.family}, {case.boards:,} boards",
    )
    return Trained(case, model, history)


LAM = 1.0  # of SD in the entry "red-arrows", chosen by looking at test accuracies
_TWO_BOOKS = (0.8, 0.98)
Cases = dict[str, Case]


def _books(common: Case, agreements: list[float], sizes: list[int]) -> Cases:
    """Both methods: over q with 2,000 boards, over boards with q = 0.9 and without arrows."""
    points: list[tuple[int, float | None]] = [(2000, q) for q in agreements]
    points += [(n, 0.9) for n in sizes if n != 2000] + [(n, None) for n in sizes]
    return {
        f"{method.title}, {n} boards, " + ("no arrows" if q is None else f"q = {q:g}"): replace(
            common, family=method.title, method=method, boards=n,
            agreement=() if q is None else (q,),
        )
        for method in (methods.ERM(), methods.SD(lam=LAM))
        for n, q in points
    }  # fmt: skip


Options = list[dict[str, Any]]
Families = dict[str, tuple[type[methods.ERM], dict[str, Any], Options]]


def _grid(common: Case, families: Families) -> Cases:
    """Each family with each of its options, which name its cases: method, fields, options."""
    return {
        ", ".join([family, *(f"{k} = {v:g}" for k, v in options.items())]): replace(
            common, family=family, method=kind(**settled, **options), **fields
        )
        for family, (kind, fields, choices) in families.items()
        for options in choices
        for settled in [{"eta": 0.0} if family == "reweighting" else {}]
    }


def _l2(*values: float) -> Options:
    return [{"l2": value} for value in values]


def _annealed(weights: Iterable[float], switches: Iterable[int]) -> Options:
    return [{"weight": w, "switch": s} for w in weights for s in switches]


_BOOKS = {"told": "books"}
# Group DRO that never moves its weights is reweighting. The oracle has boards without arrows.
_QUICK: Families = {
    "ERM": (methods.ERM, {}, _l2(0.0, 1e-3)),
    "SD": (methods.SD, {}, [{"lam": lam} for lam in (0.01, 0.1, 1.0)]),
    "LfF": (methods.LfF, {}, [{"q": 0.3}, {"q": 0.7}]),
    "IRM": (methods.IRM, _BOOKS, _annealed((10.0, 100.0), (20,))),
    "V-REx": (methods.VREx, _BOOKS, _annealed((10.0, 100.0), (20,))),
    "group DRO": (methods.GroupDRO, {}, [{"eta": 0.1} | l2 for l2 in _l2(0.0, 1e-3)]),
    "reweighting": (methods.GroupDRO, {}, _l2(0.0, 1e-3)),
    "augmentation": (methods.ERM, {"augmented": True}, [{}]),
    "oracle": (methods.ERM, {"agreement": ()}, [{}]),
}
_PAPER: Families = _QUICK | {
    "ERM": (methods.ERM, {}, _l2(0.0, 1e-3, 3e-3)),
    "SD": (methods.SD, {}, [{"lam": lam} for lam in (0.001, 0.01, 0.1, 1.0, 10.0)]),
    "LfF": (methods.LfF, {}, [{"q": q} | l2 for q in (0.3, 0.7) for l2 in _l2(0.0, 1e-3)]),
    "IRM": (methods.IRM, _BOOKS, _annealed((10.0, 100.0), (20, 100))),
    "V-REx": (methods.VREx, _BOOKS, _annealed((10.0, 100.0), (20, 100))),
    "group DRO": (
        methods.GroupDRO, {}, [{"eta": e} | l2 for e in (0.01, 0.1) for l2 in _l2(0.0, 1e-3)],
    ),
    "reweighting": (methods.GroupDRO, {}, _l2(0.0, 1e-3, 3e-3)),
}  # fmt: skip
# Learning rate, width and number of steps were chosen by us so that the rule is learned without
# arrows.
_SMALL, _LARGE = Case(steps=150), Case(steps=300, test=2000)
_SIZES, _AGREEMENTS = [250, 500, 1000, 2000], [0.7, 0.9, 0.98, 1.0]
_MORE = [0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0]
ENTRIES = {
    "red-arrows": Entry(
        name="red-arrows",
        title="Rook puzzles with red arrows: agreement, boards, training time; ERM and SD",
        chapter="11-friend-or-foe",
        cases={
            "quick": _books(_SMALL, _AGREEMENTS, _SIZES),
            "paper": _books(_LARGE, _MORE, [*_SIZES, 4000]),
        },
        seeds={"quick": range(3), "paper": range(10)},
        run=train,
        paper={},
        selection="oracle-test",
    ),
    "red-arrows-methods": Entry(
        name="red-arrows-methods",
        title="Rook puzzles with red arrows: nine methods and what they are told",
        chapter="11-friend-or-foe",
        cases={
            "quick": _grid(replace(_SMALL, boards=1000, agreement=_TWO_BOOKS), _QUICK),
            "paper": _grid(replace(_LARGE, boards=2000, agreement=_TWO_BOOKS), _PAPER),
        },
        seeds={"quick": range(3), "paper": range(8)},
        run=train,
        paper={},
        selection="none",
    ),
}
