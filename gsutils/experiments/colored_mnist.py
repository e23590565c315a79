r"""Colored MNIST (section 4.3): Table 2 and Figure 3, for ERM, SD and the grayscale oracle.

The network is 392-300-300-1 with ReLU, Xavier weights and zero biases, trained by full-batch Adam
on both training environments together. Spectral decoupling follows the published schedule: up
to the switch, the loss is the mean logistic loss plus a penalty too small to matter; from then
on it is ``scale`` times (mean logistic loss + penalty of coefficient ``lam``), and Adam keeps
the moments of the larger loss.

>>> tiny = Settings(steps=2, train_size=100)
>>> run = train_method("erm", tiny, seeds=[0], source=datasets.embedded_digits())
>>> run.test_accuracy("colored-digits").shape
(1,)
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch

from gsutils import datasets, evaluate, losses, train
from gsutils.experiments.entry import Entry, Outcome, chosen_size
from gsutils.nets import MLP
from gsutils.seeding import check_seeds

METHODS = {
    "erm": "ERM",
    "sd": "SD",
    "oracle": "Oracle (grayscale)",
}


@dataclass(frozen=True)
class Settings:
    """How one method is trained; the defaults are the published ones of ERM.

    Attributes:
        steps: updates.
        lr: Adam's learning rate.
        train_size: training images, both environments together; None for all.
        test_size: test images; None for all.
        hidden: hidden widths.
        lam_before: coefficient of the penalty before the switch, the λ of Eq. 17.
        lam: coefficient of the penalty from the switch on.
        switch: the first step at which the loss is scaled and ``lam`` applies; None for never.
        scale: factor on the whole loss from the switch on.
        precision: see :func:`gsutils.train.fit`.
    """

    steps: int = 1001
    lr: float = 1e-4
    train_size: int | None = None
    test_size: int | None = None
    hidden: tuple[int, ...] = (300, 300)
    lam_before: float = 0.0
    lam: float = 0.0
    switch: int | None = None
    scale: float = 1.0
    precision: str = "float32"


@dataclass(frozen=True)
class Trained:
    """The runs of one method: networks, data of each run, and what was recorded.

    The history holds by step: the loss; the accuracies "train", "train 1", "train 2",
    "validation" and "test", fractions; and "colour vote", the share of test digits on which the
    answer changes with the learned meaning of the colour when the digit is repainted, minus the
    share on which it changes against it.
    """

    method: str
    settings: Settings
    model: MLP
    data: tuple[datasets.ColoredMNIST, ...]
    history: train.History

    @property
    def data_name(self) -> str:
        """The name that titles and results carry."""
        return self.data[0].name

    def logits(self, variant: str) -> torch.Tensor:
        """Return the logits on a test environment of Figure 3, (runs, n)."""
        X = np.stack([datasets.variant(d.test, variant).flat for d in self.data])
        return torch.from_numpy(evaluate.predict(self.model, X))

    def test_accuracy(self, variant: str = "colored-digits") -> np.ndarray:
        """Return each run's accuracy on a test environment of Figure 3, (runs,), a fraction."""
        y = torch.from_numpy(np.stack([d.test.y for d in self.data]))
        return evaluate.accuracy(self.logits(variant), y).numpy()

    def test_entropy(self, variant: str) -> np.ndarray:
        """Return each run's mean entropy on a test environment, (runs,), nats."""
        return evaluate.entropy(self.logits(variant)).numpy()


def objective(settings: Settings, logits: torch.Tensor, y: torch.Tensor, step: int) -> torch.Tensor:
    """Return the objective of each run at a step, (runs,): the schedule of spectral decoupling."""
    if settings.switch is None or step < settings.switch:
        return losses.logistic(logits, y) + _penalty(logits, y, settings.lam_before)
    return settings.scale * (losses.logistic(logits, y) + _penalty(logits, y, settings.lam))


def _penalty(logits: torch.Tensor, y: torch.Tensor, lam: float) -> torch.Tensor | float:
    return losses.spectral_decoupling(logits, y, lam) if lam else 0.0


def train_method(
    method: str,
    settings: Settings,
    seeds: Iterable[int],
    device: str | torch.device = "auto",
    source: datasets.Digits | None = None,
) -> Trained:
    """Train one method once per seed.

    Args:
        method: a key of :data:`METHODS`. "oracle" sees grayscale images, in training and test.
        settings: how.
        seeds: one run each; they set the colours, the label noise and the weights.
        device: "auto", "cpu" or "cuda".
        source: the digits; default :func:`gsutils.datasets.digits`.

    Raises:
        ValueError: an unknown method, or an argument out of range.
    """
    if method not in METHODS:
        raise ValueError(f"method must be in {tuple(METHODS)}, got {method!r}")
    seeds, where = check_seeds(seeds), train.resolve_device(device)
    source = source or datasets.digits()
    data = tuple(
        datasets.colored_mnist(source, s, settings.train_size, settings.test_size) for s in seeds
    )
    view = datasets.grayscale if method == "oracle" else lambda environment: environment

    def tensor(arrays: Iterable[np.ndarray]) -> torch.Tensor:
        return torch.from_numpy(np.stack(list(arrays))).to(where)

    X = tensor(np.concatenate([view(e).flat for e in d.train]) for d in data)
    y = tensor(np.concatenate([e.y for e in d.train]) for d in data)
    first = len(data[0].train[0].y)
    held_out = {
        name: (tensor(view(e).flat for e in part), tensor(e.y for e in part))
        for name, part in (
            ("validation", [d.validation for d in data]),
            ("test", [d.test for d in data]),
        )
    }
    minus, plus = (tensor(datasets.repaint(d.test, c).flat for d in data) for c in (-1, 1))
    model = MLP((X.shape[-1], *settings.hidden, 1), seeds, init="xavier").to(where)

    def measure(net: torch.nn.Module) -> dict[str, torch.Tensor]:
        logits = net(X)
        return {
            "train": evaluate.accuracy(logits, y),
            "train 1": evaluate.accuracy(logits[:, :first], y[:, :first]),
            "train 2": evaluate.accuracy(logits[:, first:], y[:, first:]),
            **{name: evaluate.accuracy(net(inputs), z) for name, (inputs, z) in held_out.items()},
            "colour vote": (torch.sign(net(plus)) - torch.sign(net(minus))).mean(-1) / 2,
        }

    history = train.fit(
        model,
        lambda logits, step: objective(settings, logits, y, step),
        X,
        steps=settings.steps,
        optimizer=train.Adam(settings.lr),
        measure=measure,
        record_at=range(0, settings.steps, max(1, settings.steps // 20)),
        precision=settings.precision,
        title=f"{METHODS[method]} on Colored MNIST",
    )
    return Trained(method, settings, model, data, history)


def train_table2(
    size: str | None = None,
    seeds: Iterable[int] | None = None,
    device: str | torch.device = "auto",
    source: datasets.Digits | None = None,
) -> dict[str, Trained]:
    """Train every method of Table 2 that this book runs, in one of the two sizes."""
    settings = ENTRIES["table2"].settings[chosen_size(size)]
    seeds = check_seeds(settings["seeds"] if seeds is None else seeds)
    return _train(settings, seeds, device, source or datasets.digits())


def _train(
    settings: Mapping[str, Any],
    seeds: tuple[int, ...],
    device: str | torch.device,
    source: datasets.Digits,
) -> dict[str, Trained]:
    return {
        method: train_method(
            method, method_settings(settings, method, source), seeds, device, source
        )
        for method in METHODS
    }


def method_settings(settings: Mapping[str, Any], method: str, source: datasets.Digits) -> Settings:
    """Return one method's settings out of an entry's; the small stand-in is used whole."""
    unknown = set(settings[method]) - {setting.name for setting in fields(Settings)}
    if unknown:
        raise ValueError(f"{method} has no setting {sorted(unknown)}")
    return Settings(
        **settings[method],
        hidden=tuple(settings["hidden"]),
        precision=settings["precision"],
        train_size=settings["train_size"] if source.name == "MNIST" else None,
        test_size=settings["test_size"] if source.name == "MNIST" else None,
    )


def _record(settings: Mapping[str, Any], seeds: tuple[int, ...], device: torch.device) -> Outcome:
    source = datasets.digits()
    metrics: dict[str, dict[str, list[float]]] = {}
    curves: dict[str, dict[str, list[Any]]] = {}
    for method, run in _train(settings, seeds, device, source).items():
        metrics[method] = {
            "train accuracy": run.history["train"][-1].tolist(),
            "test accuracy": run.history["test"][-1].tolist(),
        }
        for variant in datasets.ENVIRONMENTS:
            metrics[method][f"{variant} accuracy"] = run.test_accuracy(variant).tolist()
            metrics[method][f"{variant} entropy"] = run.test_entropy(variant).tolist()
        curves[method] = {"step": run.history.steps.tolist()} | {
            name: np.round(run.history[name], 4).tolist()
            for name in run.history.metrics
            if name != "loss"
        }
    hashes = {"images": hashlib.sha256(source.images.tobytes()).hexdigest()}
    return Outcome(metrics, {"name": source.name} | hashes, curves)


_PUBLISHED = {
    "erm": {"steps": 1001, "lr": 1e-4},
    "sd": {"steps": 2001, "lr": 1e-4, "lam_before": 4e-5, "lam": 2.0, "switch": 450, "scale": 2e-5},
    "oracle": {"steps": 1001, "lr": 1e-4},
    "hidden": [300, 300],
    "train_size": None,
    "test_size": None,
    "precision": "float32",
    "seeds": list(range(10)),
}
_QUICK = {
    "erm": {"steps": 200, "lr": 5e-4},
    "sd": {"steps": 500, "lr": 5e-4, "lam_before": 4e-5, "lam": 2.0, "switch": 150, "scale": 2e-4},
    "oracle": {"steps": 200, "lr": 5e-4},
    "hidden": [100, 100],
    "train_size": 4500,
    "test_size": 2000,
    "precision": "float32",
    "seeds": [0, 1],
}
ENTRIES = {
    "table2": Entry(
        name="table2",
        title="Colored MNIST: accuracy and entropy of ERM, SD and the oracle (Table 2, Fig. 3)",
        chapter="07-colored-mnist",
        settings={"quick": _QUICK, "paper": _PUBLISHED},
        run=_record,
        paper={
            "erm": {"train accuracy": (0.911, 0.004), "test accuracy": (0.237, 0.008)},
            "rex": {"train accuracy": (0.715, 0.010), "test accuracy": (0.687, 0.009)},
            "irm": {"train accuracy": (0.705, 0.006), "test accuracy": (0.671, 0.014)},
            "sd": {"train accuracy": (0.700, 0.009), "test accuracy": (0.684, 0.012)},
            "oracle": {"train accuracy": (0.735, 0.002), "test accuracy": (0.730, 0.004)},
        },
        selection="oracle-test",
    ),
}
# Figure 3's numbers as far as the text gives them: case -> (accuracy, entropy).
FIGURE3_PAPER = {
    "colored-blank": {"erm": (0.094, 0.00), "sd": (0.094, 0.41), "irm": (0.496, None)},
    "colored-digits": {"erm": (0.239, None), "sd": (0.672, None)},
}
