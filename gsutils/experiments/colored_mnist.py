r"""Colored MNIST (section 4.3): Table 2, Figure 3, and where spectral decoupling goes from there.

The network has two hidden ReLU layers, Xavier weights and zero biases, and is trained by
full-batch Adam on both training environments together. A case of an entry is a method with its
settings; spectral decoupling follows the published schedule (see :class:`gsutils.methods.SD`), in
which Adam keeps the moments of the larger loss from before the switch.

>>> tiny = Settings("erm", steps=2, train_size=100)
>>> run = train_method(tiny, seeds=[0], source=mnist.embedded_digits())
>>> run.test_accuracy("colored-digits").shape
(1,)
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gsutils import evaluate, methods, train
from gsutils.data import mnist
from gsutils.experiments.colored_mnist_settings import SD_PATH, TABLE2, TABLE2_PAPER
from gsutils.nets import MLP, Pair
from gsutils.runs.untyped import Job, Outcome, chosen_size
from gsutils.runs.untyped import UntypedEntry as Entry
from gsutils.seeding import check_seeds

TITLES = {name: method.title for name, method in methods.METHODS.items()} | {
    "oracle": "Oracle (grayscale)"
}


@dataclass(frozen=True)
class Settings:
    """How one network is trained; the defaults are the published ones of ERM.

    Attributes:
        method: a key of :data:`gsutils.methods.METHODS`, or "oracle": ERM on grayscale images, in
            training and test.
        steps: updates.
        lr: Adam's learning rate.
        hidden: hidden widths.
        options: fields of the method, such as ``{"lam": 2.0}``.
        reset: whether Adam forgets its moments at the method's switch.
        train_size: training images, both environments together; None for all.
        test_size: test images; None for all.
        precision: see :func:`gsutils.train.precision`.
    """

    method: str = "erm"
    steps: int = 1001
    lr: float = 1e-4
    hidden: tuple[int, ...] = (300, 300)
    options: Mapping[str, Any] = field(default_factory=dict)
    reset: bool = False
    train_size: int | None = None
    test_size: int | None = None
    precision: str = "auto"

    def __post_init__(self) -> None:
        """Refuse an unknown method or option."""
        if self.method not in TITLES:
            raise ValueError(f"method must be in {tuple(TITLES)}, got {self.method!r}")
        known = {option.name for option in fields(self._kind)}
        if unknown := set(self.options) - known:
            raise ValueError(f"{self.method} has no option {sorted(unknown)}; it has {known}")
        if self.reset and not self.switch:
            raise ValueError("reset needs a method with a switch > 0, such as sd")

    @property
    def _kind(self) -> type[methods.ERM]:
        return methods.METHODS["erm" if self.method == "oracle" else self.method]

    @property
    def objective(self) -> methods.ERM:
        """The method with its options."""
        return self._kind(**self.options)

    @property
    def switch(self) -> int | None:
        """The step at which the method's schedule changes; None for never."""
        return getattr(self.objective, "switch", None)


@dataclass(frozen=True)
class Trained:
    """The runs of one case: networks, data of each run, and what was recorded.

    The history holds by step the "loss"; the accuracies "train", "train 1", "train 2",
    "validation" and "test", fractions; and, from test digits painted in both colours, with logits
    z₊ and z₋:

    - "colour vote", the share of digits on which the answer changes with the learned meaning of
      the colour, minus the share on which it changes against it;
    - "colour logit", the mean of (z₊ - z₋)/2: what the colour adds to the logit;
    - "shape logit", the mean of y·(z₊ + z₋): what the shape adds. The ½ is missing because a
      quarter of the labels y is noise, which halves the mean.
    """

    settings: Settings
    model: nn.Module
    data: tuple[mnist.ColoredMNIST, ...]
    history: train.History

    @property
    def data_name(self) -> str:
        """The name that titles and results carry."""
        return self.data[0].name

    def logits(self, variant: str) -> Tensor:
        """Return the logits on a test environment of Figure 3, (runs, n)."""
        X = np.stack([mnist.variant(d.test, variant).flat for d in self.data])
        return torch.from_numpy(evaluate.predict(self.model, X))

    def test_accuracy(self, variant: str = "colored-digits") -> np.ndarray:
        """Return each run's accuracy on a test environment of Figure 3, (runs,), a fraction."""
        y = torch.from_numpy(np.stack([d.test.y for d in self.data]))
        return evaluate.accuracy(self.logits(variant), y).numpy()

    def test_entropy(self, variant: str) -> np.ndarray:
        """Return each run's mean entropy on a test environment, (runs,), nats."""
        return evaluate.entropy(self.logits(variant)).numpy()

    def metrics(self) -> dict[str, list[float]]:
        """Return what a record holds: accuracies at the end, and Figure 3, one value per run."""
        found = {
            f"{name} accuracy": self.history[name][-1].tolist()
            for name in ("train", "test", "validation")
        }
        for variant in mnist.ENVIRONMENTS:
            found[f"{variant} accuracy"] = self.test_accuracy(variant).tolist()
            found[f"{variant} entropy"] = self.test_entropy(variant).tolist()
        return found


def train_method(
    settings: Settings,
    seeds: Iterable[int],
    device: str | torch.device = "auto",
    source: mnist.Digits | None = None,
    checkpoint: Path | None = None,
) -> Trained:
    """Train one network per seed.

    Args:
        settings: how.
        seeds: one run each; they set the colours, the label noise and the weights.
        device: "auto", "cpu" or "cuda".
        source: the digits; default :func:`gsutils.data.mnist.digits`.
        checkpoint: see :func:`gsutils.train.minimise`.

    Raises:
        ValueError: an argument out of range.
    """
    seeds, where = check_seeds(seeds), train.resolve_device(device)
    source = source or mnist.digits()
    data = tuple(
        mnist.colored_mnist(source, s, settings.train_size, settings.test_size) for s in seeds
    )
    task = Task(settings, data, where)
    widths = (task.X.shape[-1], *settings.hidden, 1)
    model: nn.Module = MLP(widths, seeds, init="xavier")
    method = settings.objective
    if method.networks == 2:
        model = Pair(MLP(widths, [s + 10_000 for s in seeds], init="xavier"), model)
    model.to(where)
    state = method.start(task.batch.y, groups=2)

    def fit(first: int, last: int) -> train.History:
        records = range(0, settings.steps, max(5, settings.steps // 40))
        named = checkpoint and checkpoint.with_name(f"{checkpoint.stem}-{first}.pt")
        return train.fit(
            model,
            method,
            task.inputs,
            batch=task.batch,
            first_step=first,
            steps=last - first,
            optimizer=train.Adam(settings.lr),
            measure=task.measure,
            record_at=[step - first for step in records if first <= step < last],
            precision=train.precision(where, settings.precision),
            state=state,
            checkpoint=named,
            title=f"{TITLES[settings.method]} on Colored MNIST",
        )

    if settings.reset and settings.switch:  # a new fit is a new Adam
        before, after = fit(0, settings.switch), fit(settings.switch, settings.steps)
        history = train.History(
            np.concatenate([before.steps[:-1], after.steps + settings.switch]),
            {k: np.concatenate([v[:-1], after[k]]) for k, v in before.metrics.items()},
        )
    else:
        history = fit(0, settings.steps)
    return Trained(settings, model, data, history)


class Task:
    """The data of all runs as tensors on the device, and what is measured on them."""

    def __init__(
        self, settings: Settings, data: tuple[mnist.ColoredMNIST, ...], where: torch.device
    ) -> None:
        gray = settings.method == "oracle"
        view = mnist.grayscale if gray else lambda environment: environment

        def tensor(arrays: Iterable[np.ndarray]) -> Tensor:
            return torch.from_numpy(np.stack(list(arrays))).to(where)

        def images(parts: Iterable[mnist.Environment]) -> tuple[Tensor, Tensor]:
            parts = list(parts)
            return tensor(view(e).flat for e in parts), tensor(e.y for e in parts)

        self.X, y = images(mnist.joined(d.train) for d in data)
        group = tensor(np.repeat([0, 1], [len(e.y) for e in d.train]) for d in data)
        # Images of one colour lie together, so that a chunk of them has half its inputs zero.
        order = tensor(np.argsort(mnist.joined(d.train).colour, kind="stable") for d in data)
        self.X = self.X.take_along_dim(order[..., None], 1)
        self.batch = methods.Batch(
            y=y.take_along_dim(order, 1), group=group.take_along_dim(order, 1)
        )
        self.inputs = train.chunks(self.X) if where.type == "cpu" else self.X
        self.held_out = {
            "validation": images(d.validation for d in data),
            "test": images(d.test for d in data),
        }
        self.repainted = [
            tensor(view(mnist.repaint(d.test, colour)).flat for d in data) for colour in (-1, 1)
        ]

    def measure(self, net: nn.Module) -> dict[str, Tensor]:
        """Return what a history holds beside the loss, each (runs,)."""
        if isinstance(self.inputs, Tensor):
            logits = net(self.inputs)
        else:
            logits = torch.cat([net(chunk.X, chunk.columns) for chunk in self.inputs], -1)
        y = self.batch.y
        first, second = methods.group_means(
            (torch.sign(y * logits) + 1) / 2, self.batch.group
        ).unbind(-1)
        minus, plus = (net(painted) for painted in self.repainted)
        return {
            "train": evaluate.accuracy(logits, y),
            "train 1": first,
            "train 2": second,
            **{
                name: evaluate.accuracy(net(X), labels)
                for name, (X, labels) in self.held_out.items()
            },
            "colour vote": (plus.sign() - minus.sign()).mean(-1) / 2,
            "colour logit": (plus - minus).mean(-1) / 2,
            "shape logit": (self.held_out["test"][1] * (plus + minus)).mean(-1),
        }


def train_entry(
    name: str = "table2",
    size: str | None = None,
    cases: Iterable[str] | None = None,
    seeds: Iterable[int] | None = None,
    device: str | torch.device = "auto",
    source: mnist.Digits | None = None,
) -> dict[str, Trained]:
    """Train cases of an entry of :data:`ENTRIES` in one of the two sizes; default: all of them."""
    entry = ENTRIES[name].settings[chosen_size(size)]
    seeds = check_seeds(entry["seeds"] if seeds is None else seeds)
    source = source or mnist.digits()
    return {
        case: train_method(case_settings(entry, case, source), seeds, device, source)
        for case in cases or entry["cases"]
    }


def case_settings(
    settings: Mapping[str, Any], case: str, source: mnist.Digits | None = None
) -> Settings:
    """Return one case's settings out of an entry's; the small stand-in is used whole."""
    if case not in settings["cases"]:
        raise ValueError(f"case must be in {tuple(settings['cases'])}, got {case!r}")
    own = dict(settings["cases"][case])
    common = {key: settings[key] for key in ("train_size", "test_size", "precision")}
    if source and source.name != "MNIST":
        common |= {"train_size": None, "test_size": None}
    return Settings(**common | own | {"hidden": tuple(own["hidden"])})


def _run(job: Job) -> Outcome:
    source = mnist.digits()
    settings = case_settings(job.settings, job.case, source)
    run = train_method(settings, job.seeds, job.device, source, job.file("training.pt"))
    curves = {"step": run.history.steps.tolist()} | {
        name: np.round(values, 4).tolist() for name, values in run.history.metrics.items()
    }
    hashes = {"images": hashlib.sha256(source.images.tobytes()).hexdigest()}
    return Outcome({job.case: run.metrics()}, {"name": source.name} | hashes, {job.case: curves})


ENTRIES = {
    name: Entry(
        name=name,
        title=title,
        chapter="07-colored-mnist",
        settings=settings,
        cases=lambda settings: list(settings["cases"]),
        run=_run,
        together=("cuda",),
        paper=paper,
        selection="oracle-test",
    )
    for name, title, settings, paper in (
        (
            "table2",
            "Colored MNIST: accuracy, and entropy on four test environments (Table 2, Fig. 3)",
            TABLE2,
            TABLE2_PAPER,
        ),
        (
            "sd-path",
            "Colored MNIST: SD past the last published step, against λ, with Adam reset",
            SD_PATH,
            {},
        ),
    )
}
