r"""CIFAR margins (section 4.2): Table 1 and Figure 2, plain training against spectral decoupling.

Each run trains a :class:`gsutils.nets.ConvNet`, at last on images that are whole, so that the
training error comes down to zero. Where an image means the same when mirrored, the trained network
answers by the mean of both logits, as in the CIFAR speed records. The run then seeks the shortest
disturbance that crosses the decision boundary: by PGD and, to see how much an attack matters, by a
single gradient step and by a walk along the boundary from afar. The paper does not say in which
norm its ε = 0.05 is measured: both are recorded (the walk is in L2).

>>> tiny = Case("digits", widths=(4, 8), residual=False, epochs=1, whole_epochs=0, test_size=9)
>>> train(tiny, seeds=[0]).runs[0].margins("l2", steps=2).shape
torch.Size([9])
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gsutils import attack, methods
from gsutils import train as training
from gsutils.data import fetch, images
from gsutils.experiments._cifar_runs import EPS, NORMS, Case, Run
from gsutils.nets import ConvNet, Mirrored
from gsutils.runs.entry import Entry, Rows
from gsutils.runs.paper import Number, Origin, Source
from gsutils.seeding import check_seeds
from gsutils.train import checkpoints

ATTACKS: dict[str, dict[str, int]] = {"PGD": {}, "one-step": {"steps": 1, "restarts": 1}}


class Prepared(NamedTuple):
    """What a run is trained and attacked on: the case is the stand-in where that is taken."""

    case: Case
    task: images.ImageTask
    batches: training.Epochs


@dataclass(frozen=True)
class Trained:
    """The runs of one case, one for each seed; all have the same images."""

    runs: tuple[Run, ...]

    @property
    def case(self) -> Case:
        """What was trained: the case, or its stand-in."""
        return self.runs[0].case

    @property
    def task(self) -> images.ImageTask:
        """The images."""
        return self.runs[0].task

    @property
    def data(self) -> dict[str, str]:
        """The name of the images and what they hold."""
        return {"name": self.task.name} | self.task.hashes()

    @cached_property
    def found(self) -> dict[tuple[str, str], Tensor]:
        """(Attack, norm) -> margins, (runs, n)."""
        return {
            (kind, norm): torch.stack([run.margins(norm, **options) for run in self.runs])
            for norm in NORMS
            for kind, options in ATTACKS.items()
        }

    def metrics(self) -> Rows:
        """Return accuracies, also under attack at ε = 0.05, and median margins.

        A margin beyond the largest radius counts as that radius.
        """
        found: dict[str, list[Any]] = {
            "train accuracy": [run.accuracy("train") for run in self.runs],
            "test accuracy": [run.accuracy("test") for run in self.runs],
            "mean logit size": [float(run.logits().abs().mean()) for run in self.runs],
        }
        medians = dict(self.found)
        for (kind, norm), margin in self.found.items():
            under = attack.accuracy_under_attack(margin, [EPS])[:, 0]
            found[f"{kind} accuracy ({NORMS[norm]})"] = under.tolist()
        afar = torch.stack([run.margins_from_afar() for run in self.runs])
        medians["from afar", "l2"] = afar
        medians["shortest", "l2"] = torch.minimum(afar, self.found["PGD", "l2"])
        for (kind, norm), margin in medians.items():
            median = margin.clamp(max=self.case.radii(norm)[-1]).median(-1).values
            found[f"{kind} median margin ({NORMS[norm]})"] = median.tolist()
        return {"": found}

    def curves(self) -> Rows:
        """Return accuracies under attack at 41 radii of each norm."""
        drawn: dict[str, list[Any]] = {}
        for (kind, norm), margin in self.found.items():
            radii = np.linspace(0, self.case.radii(norm)[-1], 41).tolist()
            accuracy = attack.accuracy_under_attack(margin, radii)
            drawn[f"eps ({NORMS[norm]})"] = radii
            drawn[f"{kind} accuracy ({NORMS[norm]})"] = accuracy.T.tolist()
        return {"": drawn}


def prepare(case: Case, seed: int, device: str | torch.device = "cpu") -> Prepared:
    """Return the images of a case, and the batches of a seed.

    Where the images are not at hand, those of the case's stand-in serve, in its way.

    Raises:
        fetch.DataUnavailable: the images are not to be had, and nothing may stand in for them.
        ValueError: an unknown task, or a number out of range.
    """
    try:
        task = images.image_task(case.task, download=case.stand_in is None)
    except fetch.DataUnavailable:
        if case.stand_in is None:
            raise
        return prepare(case.stand_in, seed, device)
    task = task.head(case.train_size)
    batches = training.Epochs(
        torch.from_numpy(task.X).to(device),
        torch.from_numpy(task.y).to(device),
        batch=case.batch,
        seed=seed,
        pad=task.X.shape[-1] // 8,
        flip=task.mirror,
        whole_from=case.epochs - case.whole_epochs,
    )
    return Prepared(case, task, batches)


def train(
    case: Case,
    seeds: Iterable[int],
    device: str | torch.device = "auto",
    checkpoint: Path | None = None,
) -> Trained:
    """Train a network for each seed, of weights, order and augmentation, one after the other.

    Args:
        case: what to train, and how to attack it.
        seeds: one run each.
        device: "auto", "cpu" or "cuda".
        checkpoint: see :func:`gsutils.train.minimise`; each seed has a file of its own beside it.

    Raises:
        fetch.DataUnavailable: see :func:`prepare`.
        ValueError: an argument out of range.
        TrainingDiverged: a loss is not finite.
    """
    seeds, where = check_seeds(seeds), training.resolve_device(device)
    return Trained(
        tuple(
            _train(prepare(case, seed, where), seed, checkpoints.of_seed(checkpoint, seed))
            for seed in seeds
        )
    )


def _train(prepared: Prepared, seed: int, checkpoint: Path | None) -> Run:
    case, task, batches = prepared
    where = batches.X.device
    pixels = training.pixels(torch.from_numpy(task.X[:5000]))
    net = ConvNet(case.widths, pixels, task.outputs, case.residual, seed).to(where)
    training.fit_images(
        net,
        batches,
        case.method,
        epochs=case.epochs,
        lr=case.lr,
        weight_decay=case.weight_decay,
        precision=training.precision(where, case.precision),
        compiled=where.type == "cuda",
        checkpoint=checkpoint,
        title=f"{case.method.title} on {task.name}",
    )
    return Run(Mirrored(net) if task.mirror else net, task, case)


def _both(case: Case, lam: float = 0.01) -> dict[str, Case]:
    """Return a case by plain training and by spectral decoupling, its stand-in likewise."""

    def by(method: methods.ERM) -> Case:
        stand_in = case.stand_in and replace(case.stand_in, method=method)
        return replace(case, method=method, stand_in=stand_in)

    return {f"{case.task}-erm": by(methods.ERM()), f"{case.task}-sd": by(methods.SD(lam=lam))}


_DIGITS = Case(
    "digits", widths=(16, 32), residual=False, epochs=16, whole_epochs=5, batch=50, lr=0.05,
    train_size=1000, test_size=100, l2=(0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 2.0, 4.0),
    linf=(EPS, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.3, 0.5), attack_steps=10, restarts=2, walk=20,
    precision="float32",
)  # fmt: skip
_QUICK = _both(
    Case(
        "cifar2", widths=(16, 32, 64), residual=False, epochs=10, whole_epochs=4, batch=32, lr=0.1,
        train_size=1000, test_size=100, l2=(EPS, 0.1, 0.2, 0.4, 0.8), attack_steps=10, restarts=2,
        walk=20, precision="float32", stand_in=_DIGITS,
    )
)  # fmt: skip
_PUBLISHED = {
    **_both(Case("cifar2", epochs=80, whole_epochs=16, batch=128, lr=0.1)),
    **_both(Case("cifar10")),
    **_both(Case("cifar100"), lam=0.05),
}
_CPU = _both(
    Case(
        "cifar2", widths=(32, 64, 128), residual=False, epochs=24, whole_epochs=6, batch=64, lr=0.1,
        weight_decay=1e-3, test_size=300, l2=(EPS, 0.1, 0.2, 0.4, 0.8), attack_steps=10, restarts=2,
        walk=10, precision="float32",
    )
)  # fmt: skip


def _published(train: tuple, test: tuple, perturbed: tuple) -> dict[str, Number]:
    """Return a row of Table 1, given in %, as fractions; ε = 0.05 of a norm that is not named."""
    attacked, *again = (f"PGD accuracy ({norm})" for norm in NORMS.values())
    row = {"train accuracy": train, "test accuracy": test, attacked: perturbed}
    numbers = {name: Number(mean / 100, std / 100) for name, (mean, std) in row.items()}
    return numbers | dict.fromkeys(again, replace(numbers[attacked], repeats=attacked))


_TABLE1 = {
    "cifar2-erm": _published((100.0, 0.0), (95.2, 0.12), (42.3, 3.0)),
    "cifar2-sd": _published((100.0, 0.0), (95.3, 0.17), (69.7, 2.9)),
    "cifar10-erm": _published((99.9, 0.01), (92.8, 0.15), (30.1, 2.1)),
    "cifar10-sd": _published((99.9, 0.01), (92.9, 0.16), (67.7, 1.5)),
    "cifar100-erm": _published((99.7, 0.01), (69.2, 0.29), (14.3, 2.0)),
    "cifar100-sd": _published((99.7, 0.02), (70.5, 0.26), (24.9, 1.9)),
}
_OURS = Source(Origin.OURS, "the authors published no code, network or schedule")
ENTRIES = {
    "table1": Entry(
        name="table1",
        title="CIFAR-2, 10 and 100: accuracy, also under attack, ERM against SD (Table 1, Fig. 2)",
        chapter="06-cifar-margins",
        cases={"quick": _QUICK, "paper": _PUBLISHED},
        seeds={"quick": (0,), "paper": range(10)},
        run=train,
        paper=_TABLE1,
        selection="none",
        together=(),
        sources=dict.fromkeys(_PUBLISHED, _OURS),
    ),
    "cifar2-cpu": Entry(
        name="cifar2-cpu",
        title="CIFAR-2 with a network that two CPU cores can train (Table 1, Fig. 2, scaled down)",
        chapter="06-cifar-margins",
        cases={"quick": _QUICK, "paper": _CPU},
        seeds={"quick": (0,), "paper": range(3)},
        run=train,
        paper={case: _TABLE1[case] for case in _CPU},
        selection="oracle-test",
        together=(),
        sources=dict.fromkeys(_CPU, _OURS),
        variant_of="table1",
    ),
}
