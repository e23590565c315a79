r"""CIFAR margins (section 4.2): Table 1 and Figure 2, plain training against spectral decoupling.

A case is a task and a method, such as "cifar2-sd". Each run trains a
:class:`gsutils.nets.ConvNet`, at last on images that are whole, so that the training error comes
down to zero. Where an image means the same when mirrored, the trained network answers by the mean
of both logits, as in the CIFAR speed records. The run then seeks the shortest disturbance that
crosses the decision boundary: by PGD and, to see how much an attack matters, by a single gradient
step and by a walk along the boundary from afar. The paper does not say in which norm its ε = 0.05
is measured: both are recorded (the walk is in L2).

>>> tiny = Settings(widths=(4, 8), epochs=1, batch=50)
>>> trained = train_task(images.digit_pair(), "erm", tiny, seed=0)
>>> trained.margins("l2").shape
torch.Size([119])
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gsutils import attack, methods, train
from gsutils.data import fetch, images
from gsutils.nets import ConvNet, Mirrored
from gsutils.runs.untyped import Job, Outcome
from gsutils.runs.untyped import UntypedEntry as Entry

METHODS = {"erm": "ERM", "sd": "SD"}
NORMS = {"l2": "L2", "linf": "Linf"}
ATTACKS: dict[str, dict[str, int]] = {"PGD": {}, "one-step": {"steps": 1, "restarts": 1}}
EPS = 0.05  # of Table 1, in units of pixels in [0, 1]


@dataclass(frozen=True)
class Settings:
    """How a network is trained and attacked.

    Attributes:
        widths: see :class:`gsutils.nets.ConvNet`.
        residual: the same.
        lam: SD's coefficient, the λ of Eq. 17.
        epochs: passes over the training images.
        whole_epochs: how many of them, the last ones, are without crops.
        batch: images a batch.
        lr: the highest learning rate.
        weight_decay: of SGD, of weights alone, for ERM and SD alike.
        train_size: use the first so many training images; None for all.
        test_size: attack the first so many test images; None for all.
        l2: radii at which PGD attacks, in turn.
        linf: the same in the other norm.
        attack_steps: gradient steps of PGD at each radius and from each start.
        restarts: starts of PGD, the first at the image itself.
        walk: steps of the walk from afar.
        precision: of training: "auto", "float32" or "bfloat16"; attacks are in float32.
    """

    widths: tuple[int, ...] = (64, 256, 256)
    residual: bool = False
    lam: float = 0.01
    epochs: int = 40
    whole_epochs: int = 0
    batch: int = 128
    lr: float = 0.1
    weight_decay: float = 5e-4
    train_size: int | None = None
    test_size: int | None = None
    l2: tuple[float, ...] = (EPS, 0.1, 0.2, 0.3, 0.5, 1.0)
    linf: tuple[float, ...] = (0.002, 0.005, 0.01, 0.02, 0.03, EPS)
    attack_steps: int = 20
    restarts: int = 2
    walk: int = 20
    precision: str = "auto"


@dataclass(frozen=True)
class Trained:
    """A trained network and what it was trained on."""

    net: nn.Module
    task: images.ImageTask
    settings: Settings

    def tensors(self, part: str = "test") -> tuple[Tensor, Tensor]:
        """Return images in [0, 1] and labels of the "train" or "test" part, on the device."""
        pair = (
            (self.task.X, self.task.y) if part == "train" else (self.task.X_test, self.task.y_test)
        )
        device = next(self.net.parameters()).device
        X, y = (torch.from_numpy(array).to(device) for array in pair)
        return train.pixels(X), y

    def logits(self, part: str = "test") -> Tensor:
        """Return the logits on the "train" or "test" part, (n,) or (n, classes)."""
        with torch.no_grad():
            return torch.cat([self.net(chunk) for chunk in self.tensors(part)[0].split(1000)])

    def accuracy(self, part: str = "test") -> float:
        """Return the accuracy on the "train" or "test" part, a fraction."""
        right = attack.logit_margin(self.logits(part), self.tensors(part)[1]) > 0
        return float(right.float().mean())

    def margins(self, norm: str, **options: Any) -> Tensor:
        """Return the margins of the attacked test images, (n,): see :mod:`gsutils.attack`."""
        X, y = (tensor[: self.settings.test_size] for tensor in self.tensors())
        chosen = {"steps": self.settings.attack_steps, "restarts": self.settings.restarts}
        radii = getattr(self.settings, norm)
        return attack.margins(self.net, X, y, radii, norm, **(chosen | options))

    def margins_from_afar(self) -> Tensor:
        """Return the L2 margins of the same images, (n,), by :func:`gsutils.attack.from_afar`.

        Each walk begins at the nearest of these images that has, rightly, another answer.
        """
        X, y = (tensor[: self.settings.test_size] for tensor in self.tensors())
        right = attack.logit_margin(self.logits()[: len(y)], y) > 0
        apart = torch.cdist(X.flatten(1), X.flatten(1))
        apart[(y[:, None] == y) | ~right] = torch.inf
        return attack.from_afar(self.net, X, X[apart.argmin(1)], y, self.settings.walk)


def train_task(
    task: images.ImageTask,
    method: str,
    settings: Settings,
    seed: int,
    device: str | torch.device = "auto",
    checkpoint: Path | None = None,
) -> Trained:
    """Train one network.

    Args:
        task: the images.
        method: a key of :data:`METHODS`.
        settings: how.
        seed: of weights, order and augmentation.
        device: "auto", "cpu" or "cuda".
        checkpoint: see :func:`gsutils.train.minimise`.

    Raises:
        ValueError: an unknown method, or an argument out of range.
        TrainingDiverged: the loss is not finite.
    """
    if method not in METHODS:
        raise ValueError(f"method must be in {tuple(METHODS)}, got {method!r}")
    where = train.resolve_device(device)
    task = task.head(settings.train_size)
    data = train.Epochs(
        torch.from_numpy(task.X).to(where),
        torch.from_numpy(task.y).to(where),
        batch=settings.batch,
        seed=seed,
        pad=task.X.shape[-1] // 8,
        flip=task.mirror,
        whole_from=settings.epochs - settings.whole_epochs,
    )
    pixels = train.pixels(torch.from_numpy(task.X[:5000]))
    net = ConvNet(settings.widths, pixels, task.outputs, settings.residual, seed).to(where)
    train.fit_images(
        net,
        data,
        methods.SD(lam=settings.lam) if method == "sd" else methods.ERM(),
        epochs=settings.epochs,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        precision=train.precision(where, settings.precision),
        compiled=where.type == "cuda",
        checkpoint=checkpoint,
        title=f"{METHODS[method]} on {task.name}",
    )
    return Trained(Mirrored(net) if task.mirror else net, task, settings)


def task_settings(settings: Mapping[str, Any], data: str) -> tuple[images.ImageTask, Settings]:
    """Return a task and its settings out of an entry's; what is under the task's name goes first.

    Where the settings have some for "digits" and CIFAR is not at hand, the digits serve.

    Raises:
        fetch.DataUnavailable: CIFAR is not at hand, and nothing may stand in for it.
    """
    stand_in = bool(settings.get("digits"))
    try:
        task = images.image_task(data, download=not stand_in)
    except fetch.DataUnavailable:
        if not stand_in:
            raise
        data, task = "digits", images.digit_pair()
    chosen = {name: value for name, value in settings.items() if name not in _OF_ENTRY}
    chosen |= settings.get(data) or {}
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in chosen.items()
    }
    return task, Settings(**values)


def _run(job: Job) -> Outcome:
    data, method = job.case.split("-")
    task, settings = task_settings(job.settings, data)
    (seed,) = job.seeds
    trained = train_task(task, method, settings, seed, job.device, job.file("training.pt"))
    metrics = {
        "train accuracy": trained.accuracy("train"),
        "test accuracy": trained.accuracy("test"),
        "mean logit size": float(trained.logits().abs().mean()),
    }
    curves: dict[str, list[Any]] = {}
    for norm, name in NORMS.items():
        largest = getattr(settings, norm)[-1]
        radii = np.linspace(0, largest, 41).tolist()
        curves[f"eps ({name})"] = radii
        for kind, options in ATTACKS.items():
            margin = trained.margins(norm, **options)
            metrics[f"{kind} accuracy ({name})"] = float(
                attack.accuracy_under_attack(margin, [EPS])[0]
            )
            metrics[f"{kind} median margin ({name})"] = float(margin.clamp(max=largest).median())
            accuracy = attack.accuracy_under_attack(margin, radii)
            curves[f"{kind} accuracy ({name})"] = [[float(value)] for value in accuracy]
            if (kind, norm) == ("PGD", "l2"):
                afar = trained.margins_from_afar()
                shortest = torch.minimum(afar, margin).clamp(max=largest)
                metrics["from afar median margin (L2)"] = float(afar.clamp(max=largest).median())
                metrics["shortest median margin (L2)"] = float(shortest.median())
    return Outcome(
        {job.case: {name: [value] for name, value in metrics.items()}},
        {"name": trained.task.name} | trained.task.hashes(),
        {job.case: curves},
    )


def _cases(settings: Mapping[str, Any]) -> list[str]:
    return [f"{data}-{method}" for data in settings["data"] for method in METHODS]


_OF_ENTRY = ("data", "seeds", *images.TASKS)
_DIGITS = {
    "widths": [16, 32], "epochs": 60, "whole_epochs": 20, "batch": 34, "lr": 0.05,
    "test_size": None, "l2": [0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 2.0, 4.0],
    "linf": [EPS, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.3, 0.5],
}  # fmt: skip
_QUICK = {
    "data": ["cifar2"], "widths": [16, 32, 64], "residual": False, "lam": 0.01, "epochs": 10,
    "whole_epochs": 4, "batch": 32, "lr": 0.1, "weight_decay": 5e-4, "train_size": 1000,
    "test_size": 100, "l2": [EPS, 0.1, 0.2, 0.4, 0.8], "linf": [0.002, 0.005, 0.01, 0.02, EPS],
    "attack_steps": 10, "restarts": 2, "walk": 20, "precision": "float32", "digits": _DIGITS,
    "seeds": [0],
}  # fmt: skip
_PUBLISHED = {
    "data": ["cifar2", "cifar10", "cifar100"], "widths": [128, 384, 512], "residual": True,
    "lam": 0.01, "epochs": 40, "whole_epochs": 8, "batch": 256, "lr": 0.2, "weight_decay": 5e-4,
    "train_size": None, "test_size": 2000, "l2": [EPS, 0.1, 0.2, 0.4, 0.8, 1.6],
    "linf": [0.002, 0.005, 0.01, 0.02, EPS], "attack_steps": 40, "restarts": 5, "walk": 40,
    "precision": "auto",
    "cifar2": {"epochs": 80, "whole_epochs": 16, "batch": 128, "lr": 0.1},
    "cifar100": {"lam": 0.05}, "digits": {}, "seeds": list(range(10)),
}  # fmt: skip
_CPU = {
    **_PUBLISHED,
    "data": ["cifar2"], "widths": [32, 64, 128], "residual": False, "epochs": 24,
    "whole_epochs": 6, "batch": 64, "lr": 0.1, "weight_decay": 1e-3, "test_size": 300,
    "l2": [EPS, 0.1, 0.2, 0.4, 0.8], "attack_steps": 10, "restarts": 2, "walk": 10,
    "precision": "float32", "cifar2": {}, "cifar100": {}, "seeds": [0, 1, 2],
}  # fmt: skip


def _published(train: tuple, test: tuple, perturbed: tuple) -> dict[str, tuple[float, float]]:
    """Return a row of Table 1, given in %, as fractions; ε = 0.05 of a norm that is not named."""
    row = {"train accuracy": train, "test accuracy": test}
    row |= {f"PGD accuracy ({norm})": perturbed for norm in ("L2", "Linf")}
    return {name: (mean / 100, std / 100) for name, (mean, std) in row.items()}


_TABLE1 = {
    "cifar2-erm": _published((100.0, 0.0), (95.2, 0.12), (42.3, 3.0)),
    "cifar2-sd": _published((100.0, 0.0), (95.3, 0.17), (69.7, 2.9)),
    "cifar10-erm": _published((99.9, 0.01), (92.8, 0.15), (30.1, 2.1)),
    "cifar10-sd": _published((99.9, 0.01), (92.9, 0.16), (67.7, 1.5)),
    "cifar100-erm": _published((99.7, 0.01), (69.2, 0.29), (14.3, 2.0)),
    "cifar100-sd": _published((99.7, 0.02), (70.5, 0.26), (24.9, 1.9)),
}
ENTRIES = {
    "table1": Entry(
        name="table1",
        title="CIFAR-2, 10 and 100: accuracy, also under attack, ERM against SD (Table 1, Fig. 2)",
        chapter="06-cifar-margins",
        settings={"quick": _QUICK, "paper": _PUBLISHED},
        cases=_cases,
        run=_run,
        paper=_TABLE1,
        selection="none",
        together=(),
    ),
    "cifar2-cpu": Entry(
        name="cifar2-cpu",
        title="CIFAR-2 with a network that two CPU cores can train (Table 1, Fig. 2, scaled down)",
        chapter="06-cifar-margins",
        settings={"quick": _QUICK, "paper": _CPU},
        cases=_cases,
        run=_run,
        paper={case: row for case, row in _TABLE1.items() if case.startswith("cifar2-")},
        selection="oracle-test",
        together=(),
        as_published=False,
    ),
}
