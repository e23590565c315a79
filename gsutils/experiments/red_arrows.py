r"""Friend or foe (section 5): a chess book with red arrows, over agreement, boards and time.

A network with one hidden layer reads :mod:`gsutils.data.boards` and says which queen the rook
can take.
A book's arrows are right with a probability q of its own. In the test all arrows are right, all
are wrong, or there are none. Since an answer depends on the board alone, the expected accuracy
where arrows are right with probability q' is, for every network,

.. math:: A(q') = q' A(1) + (1 - q') A(0).

>>> case = Case(boards=60, agreement=(1.0,), steps=40)
>>> run = train_case(case, seeds=[0, 1], validation=50, test=50)
>>> bool((run.history["right arrows"][-1] > run.history["wrong arrows"][-1]).all())
True
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gsutils import evaluate, methods, train
from gsutils.data import boards
from gsutils.experiments.red_arrows_settings import BOOKS, METHODS
from gsutils.nets import MLP, Pair
from gsutils.runs import records
from gsutils.runs.untyped import Job, Outcome, chosen_size
from gsutils.runs.untyped import UntypedEntry as Entry
from gsutils.seeding import check_seeds

WORLDS = {"right arrows": 1.0, "wrong arrows": 0.0, "no arrows": None}


@dataclass(frozen=True)
class Case:
    """How one network is trained.

    Attributes:
        method: a key of :data:`gsutils.methods.METHODS`; or "reweighted", ERM in which boards with
            a right and boards with a wrong arrow weigh the same; or "augmented", ERM on every
            board printed twice, with the arrow to either side.
        options: fields of the method.
        boards: training boards, shared out evenly between the books.
        agreement: of each book, the probability that an arrow is right; empty: no arrows.
        misprints: share of the boards whose label is wrong; arrows agree with the printed label.
        steps: updates, full batch.
        lr: Adam's learning rate.
        hidden: hidden units.
    """

    method: str = "erm"
    options: Mapping[str, Any] = field(default_factory=dict)
    boards: int = 1000
    agreement: Sequence[float] = (0.9,)
    misprints: float = 0.0
    steps: int = 200
    lr: float = 0.01
    hidden: int = 64

    def __post_init__(self) -> None:
        """Refuse an unknown method, and boards that cannot be shared out."""
        known = (*methods.METHODS, "reweighted", "augmented")
        if self.method not in known:
            raise ValueError(f"method must be in {known}, got {self.method!r}")
        if self.boards < 1 or self.boards % self.books:
            raise ValueError(f"boards must be a multiple of {self.books} books, got {self.boards}")
        if self.method == "augmented" and not self.agreement:
            raise ValueError("augmented needs arrows to redraw: agreement is empty")

    @property
    def books(self) -> int:
        """The number of books."""
        return max(1, len(self.agreement))

    @property
    def objective(self) -> methods.ERM:
        """The method with its options; group DRO that never moves its weights is reweighting."""
        if self.method == "reweighted":
            return methods.GroupDRO(eta=0.0, **self.options)
        return methods.METHODS[self.method.replace("augmented", "erm")](**self.options)


@dataclass(frozen=True)
class Trained:
    """The runs of a case: networks, and the accuracies over time, fractions (records, runs).

    They are "train", "validation" (new boards of the same books), and one for each of
    :data:`WORLDS`, always on the same test boards.
    """

    case: Case
    model: nn.Module
    history: train.History


def training_set(case: Case, seed: int) -> tuple[boards.Boards, np.ndarray, np.ndarray]:
    """Return a run's boards, the book of each, and its group: 1 where the arrow is right, else 0.

    The positions of a seed are the first of one long row, whatever the arrows and the case.
    """
    positions = boards.draw(case.boards, seed).misprinted(case.misprints, seed)
    size = case.boards // case.books
    book = np.repeat(range(case.books), size)
    drawn = positions.with_arrows(_by_board(case, book), seed)
    if case.method == "augmented":
        drawn = boards.joined([drawn.with_arrows(1.0), drawn.with_arrows(0.0)])
        book = np.tile(book, 2)
    return drawn, book, (drawn.arrow == drawn.y).astype(np.int64)


def train_case(
    case: Case,
    seeds: Iterable[int],
    validation: int = 500,
    test: int = 1000,
    device: str | torch.device = "auto",
) -> Trained:
    """Train one network per seed; each seed draws its own books and weights.

    Args:
        case: how.
        seeds: one run each.
        validation: new boards of the same books, for each run.
        test: boards that all runs and cases share.
        device: "auto", "cpu" or "cuda".

    Raises:
        ValueError: an argument out of range.
    """
    seeds, where = check_seeds(seeds), train.resolve_device(device)

    def tensor(arrays: Iterable[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(list(arrays))).to(where)

    drawn, books, agrees = zip(*(training_set(case, seed) for seed in seeds))
    X, y = tensor(d.flat for d in drawn), tensor(d.y for d in drawn)
    group = tensor(books if case.method in ("irm", "vrex") else agrees)
    held_out = [_validation(case, validation, seed) for seed in seeds]
    sets = {
        "train": (X, y),
        "validation": (tensor(b.flat for b in held_out), tensor(b.y for b in held_out)),
    }
    positions = boards.draw(test, seed=0, name="test boards")
    for world, agreement in WORLDS.items():
        printed = positions.with_arrows(agreement)
        sets[world] = tensor([printed.flat])[0], tensor([printed.y])[0]

    widths, method = (X.shape[-1], case.hidden, 1), case.objective
    model: nn.Module = MLP(widths, seeds)
    if method.networks == 2:
        model = Pair(MLP(widths, [seed + 10_000 for seed in seeds]), model)
    model.to(where)
    batch, state = methods.Batch(y=y, group=group), method.start(y, groups=2)
    history = train.fit(
        model,
        method,
        X,
        batch=batch,
        steps=case.steps,
        optimizer=train.Adam(case.lr),
        measure=lambda net: {k: evaluate.accuracy(net(x), t) for k, (x, t) in sets.items()},
        record_at=[0, *np.geomspace(min(5, case.steps), case.steps, 10).astype(int)],
        state=state,
        title=f"{case.method}, {case.boards:,} boards",
    )
    return Trained(case, model, history)


def _by_board(case: Case, book: np.ndarray) -> np.ndarray | None:
    """Return the probability that a board's arrow is right, (n,); None without arrows."""
    return np.asarray(case.agreement)[book] if len(case.agreement) else None


def _validation(case: Case, size: int, seed: int) -> boards.Boards:
    """Return new boards of a case's books, all books alike."""
    positions = boards.draw(size, seed, "validation boards")
    positions = positions.misprinted(case.misprints, seed + 10_000)
    return positions.with_arrows(_by_board(case, np.arange(size) % case.books), seed + 10_000)


def case_settings(settings: Mapping[str, Any], name: str) -> Case:
    """Return one case out of an entry's settings."""
    if name not in settings["cases"]:
        raise ValueError(f"case must be in {tuple(settings['cases'])}, got {name!r}")
    common = {key: settings[key] for key in ("steps", "lr", "hidden")}
    return Case(**common | settings["cases"][name])


def measured(name: str, size: str | None = None, **arguments: Any) -> records.Run:
    """Run an entry of :data:`ENTRIES` and return its record: see :meth:`Entry.record`."""
    return ENTRIES[name].record(chosen_size(size), **arguments)


def curve(run: records.Run, case: str, metric: str) -> np.ndarray:
    """Return what a record holds of a case over time, (records, seeds)."""
    return np.array(run.curves[case][metric])


def in_world(run: records.Run, case: str, agreement: float) -> np.ndarray:
    """Return a case's final accuracies (seeds,) where arrows are right with that probability."""
    right, wrong = (np.array(run.metrics[case][f"{w} accuracy"]) for w in list(WORLDS)[:2])
    return agreement * right + (1 - agreement) * wrong


def select(run: records.Run, method: str, rule: str) -> dict[str, np.ndarray]:
    """Choose a method's options and stopping time for each seed, and return the accuracies there.

    Args:
        run: a record of the entry "red-arrows-methods".
        method: of :func:`methods_of`.
        rule: "validation", accuracy on new boards of the same books; or "test", the accuracy on
            test boards whose arrows are right half of the time.

    Returns:
        "validation" and each of :data:`WORLDS`, (seeds,); and "case", what was chosen, (seeds,).

    Raises:
        ValueError: an unknown rule.
    """
    if rule not in ("validation", "test"):
        raise ValueError(f"rule must be 'validation' or 'test', got {rule!r}")
    cases = methods_of(run.settings)[method]
    values = {
        metric: np.concatenate([curve(run, case, metric) for case in cases])
        for metric in ("validation", *WORLDS)
    }  # (cases x records, seeds)
    half = (values["right arrows"] + values["wrong arrows"]) / 2
    best = (values["validation"] if rule == "validation" else half).argmax(0)
    records = len(curve(run, cases[0], "validation"))
    chosen = {metric: v[best, range(len(best))] for metric, v in values.items()}
    return chosen | {"case": np.array(cases)[best // records]}


def methods_of(settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the cases of each method; a case is called "method" or "method, options"."""
    found: dict[str, list[str]] = {}
    for case in settings["cases"]:
        found.setdefault(case.split(",")[0], []).append(case)
    return found


def _run(job: Job) -> Outcome:
    case, settings = case_settings(job.settings, job.case), job.settings
    run = train_case(case, job.seeds, settings["validation"], settings["test"], job.device)
    measures = {k: v for k, v in run.history.metrics.items() if k != "loss"}
    metrics = {f"{name} accuracy": values[-1].tolist() for name, values in measures.items()}
    curves = {"step": run.history.steps.tolist()} | {k: v.tolist() for k, v in measures.items()}
    return Outcome({job.case: metrics}, {"name": boards.NAME}, {job.case: curves})


ENTRIES = {
    name: Entry(
        name=name,
        title=title,
        chapter="11-friend-or-foe",
        settings=settings,
        cases=lambda settings: list(settings["cases"]),
        run=_run,
        paper={},
        selection=selection,
    )
    for name, title, settings, selection in (
        (
            "red-arrows",
            "Rook puzzles with red arrows: agreement, boards, training time; ERM and SD",
            BOOKS,
            "oracle-test",
        ),
        (
            "red-arrows-methods",
            "Rook puzzles with red arrows: nine methods and what they are told",
            METHODS,
            "none",
        ),
    )
}
