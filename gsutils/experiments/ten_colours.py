r"""Ten digits in ten colours: spectral decoupling with K classes, in three conventions.

With K logits an example, published code penalises their squares summed over the classes, their mean
over the classes, or the square of the true class's logit alone (:mod:`gsutils.conventions`). The
first two differ by the factor K. The third is another penalty: a softmax does not change when all
logits are shifted, so that the true class's can stay at zero while the others fall.

>>> tiny = Case(hidden=(8,), epochs=1)
>>> run = train(tiny, seeds=[0, 1], source=mnist.embedded_digits())
>>> run.history["random colours"].shape
(2, 2)
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gsutils import attack, losses
from gsutils import train as training
from gsutils.conventions import to_lam
from gsutils.data import mnist
from gsutils.data.ten_colours import CLASSES, PALETTE, Coloured, TenColours, ten_colours
from gsutils.nets import MLP
from gsutils.runs.entry import Entry, Rows
from gsutils.seeding import check_seeds
from gsutils.train.image_batches import Order

# How squares are put together over the classes -> a convention of `gsutils.conventions`.
PENALTIES = {"sum": "woods", "mean": "domainbed", "true class": "bias-mitigators"}
HELD_OUT = ("alike", "random")


@dataclass(frozen=True)
class Case:
    """How one network is trained.

    Attributes:
        penalty: one of :data:`PENALTIES`.
        coefficient: c, as the penalty's source writes it; 0 for plain training.
        agreement: probability of a digit's own colour in training.
        train_size: training images; None for all.
        hidden: hidden widths.
        epochs: passes over the training images.
        batch: images a step.
        lr: Adam's learning rate.
        precision: see :func:`gsutils.train.precision`.
    """

    penalty: str = "sum"
    coefficient: float = 0.0
    agreement: float = 0.99
    train_size: int | None = None
    hidden: tuple[int, ...] = (300, 300)
    epochs: int = 24
    batch: int = 256
    lr: float = 1e-3
    precision: str = "auto"

    def __post_init__(self) -> None:
        """Refuse a penalty that there is not."""
        if self.penalty not in PENALTIES:
            raise ValueError(f"penalty must be in {tuple(PENALTIES)}, got {self.penalty!r}")
        losses.check_lam(self.coefficient, "coefficient")

    @property
    def lam(self) -> float:
        """The penalty's strength in the convention of this book."""
        classes = CLASSES if self.penalty == "mean" else None
        lam = to_lam(PENALTIES[self.penalty], self.coefficient, classes=classes)
        assert isinstance(lam, float)
        return lam

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return mean cross-entropy and penalty of logits (..., n, 10), (...)."""
        penalised = y if self.penalty == "true class" else None
        penalty = losses.spectral_decoupling_softmax(logits, self.lam, penalised)
        return losses.cross_entropy(logits, y) + penalty


@dataclass(frozen=True)
class Trained:
    """The runs of one case: the networks, the digits of each run, and what was recorded.

    The history holds by epoch the accuracies on test images, fractions: "alike", in colours as
    reliable as those in training, and "random colours"; and "colour", the share of those in the
    colour of another digit that are taken for that digit.
    """

    case: Case
    model: MLP
    runs: tuple[TenColours, ...]
    source: mnist.Digits
    history: training.History

    @property
    def data(self) -> dict[str, str]:
        """The name of the digits, and the hash of all their images."""
        return self.source.record

    def logits(self, part: str) -> Tensor:
        """Return the logits on "train", "alike" or "random", (runs, n, 10)."""
        images = _Images([getattr(run, part) for run in self.runs], _device(self.model))
        with torch.no_grad():
            return images.logits(self.model).double().cpu()

    def metrics(self) -> Rows:
        """Return the accuracies at the end, and how large logits and their leads are.

        The lead is that of the right class's logit over the largest other one, a median over the
        training images, which SD is to keep small.
        """
        logits = self.logits("train")
        y = torch.from_numpy(np.stack([run.train.digit for run in self.runs]))
        own = logits.gather(-1, y[..., None])[..., 0]
        lead = torch.stack([attack.logit_margin(*pair) for pair in zip(logits, y)])
        return {
            "": {
                "train accuracy": (lead > 0).double().mean(-1).tolist(),
                "same-colours accuracy": self.history["alike"][-1].tolist(),
                "random-colours accuracy": self.history["random colours"][-1].tolist(),
                "colour answers": self.history["colour"][-1].tolist(),
                "median lead": lead.median(-1).values.tolist(),
                "logit size": logits.square().mean((-2, -1)).sqrt().tolist(),
                "true-class logit size": own.square().mean(-1).sqrt().tolist(),
            }
        }

    def curves(self) -> Rows:
        """Return the history, to four digits after the point."""
        drawn = {name: np.round(v, 4).tolist() for name, v in self.history.metrics.items()}
        return {"": {"step": self.history.steps.tolist()} | drawn}


def prepare(case: Case, seed: int, source: mnist.Digits | None = None) -> TenColours:
    """Return what a run is given.

    Args:
        case: how it is trained.
        seed: of the colours.
        source: the digits; default :func:`gsutils.data.mnist.digits`.
    """
    source = source or mnist.digits(case.train_size)
    return ten_colours(source, seed, case.agreement, case.train_size)


def train(
    case: Case,
    seeds: Iterable[int],
    device: str | torch.device = "auto",
    checkpoint: Path | None = None,
    source: mnist.Digits | None = None,
) -> Trained:
    """Train one network per seed, of colours, weights and order, all in one program.

    Args:
        case: how.
        seeds: one run each.
        device: "auto", "cpu" or "cuda".
        checkpoint: see :func:`gsutils.train.minimise`.
        source: the digits; default :func:`gsutils.data.mnist.digits`.

    Raises:
        ValueError: an argument out of range.
        TrainingDiverged: a loss is not finite.
    """
    seeds, where = check_seeds(seeds), training.resolve_device(device)
    source = source or mnist.digits(case.train_size)
    runs = tuple(prepare(case, seed, source) for seed in seeds)
    images = _Images([run.train for run in runs], where)
    held_out = {name: _Images([getattr(run, name) for run in runs], where) for name in HELD_OUT}
    model = MLP((images.inputs, *case.hidden, CLASSES), seeds).to(where)
    orders = [Order(torch.zeros(images.n, dtype=torch.int64), case.batch, seed) for seed in seeds]
    reduced = training.precision(where, case.precision) == "bfloat16"

    def value(step: int) -> Tensor:
        chosen = torch.stack([order(step) for order in orders]).to(where)
        X, y = images(chosen)
        with torch.autocast(where.type, torch.bfloat16, enabled=reduced):
            logits = model(X)
        return case.loss(logits.float(), y)

    def measure(net: torch.nn.Module) -> dict[str, Tensor]:
        alike, random = (held_out[name].logits(net).argmax(-1) for name in HELD_OUT)
        digit, colour = held_out["random"].digit, held_out["random"].colour
        other = (colour != digit).float()
        return {
            "alike": (alike == held_out["alike"].digit).float().mean(-1),
            "random colours": (random == digit).float().mean(-1),
            "colour": ((random == colour) * other).sum(-1) / other.sum(-1),
        }

    steps = case.epochs * len(orders[0])
    history = training.minimise(
        model,
        value,
        steps=steps,
        optimizer=training.Adam(model.parameters(), case.lr),
        measure=measure,
        record_at=range(0, steps + 1, len(orders[0])),
        checkpoint=checkpoint,
        title="ten digits in ten colours",
    )
    return Trained(case, model, runs, source, history)


class _Images:
    """The images of all runs on a device, as bytes and colours, painted when they are wanted."""

    def __init__(self, parts: list[Coloured], device: torch.device) -> None:
        self.ink, self.digit, self.colour = (
            torch.from_numpy(np.stack([getattr(part, name) for part in parts])).to(device)
            for name in ("ink", "digit", "colour")
        )
        self.palette = torch.from_numpy(PALETTE).to(device)
        self.run = torch.arange(len(parts), device=device)[:, None]
        self.n, self.inputs = self.ink.shape[1], 3 * self.ink.shape[2]

    def __call__(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images (runs, b, 3·h·w) and digits (runs, b) at places (runs or 1, b)."""
        ink, colour = self.ink[self.run, chosen], self.colour[self.run, chosen]
        painted = self.palette[colour][..., None] * (ink[:, :, None].float() / 255)
        return painted.flatten(2), self.digit[self.run, chosen]

    def logits(self, net: torch.nn.Module) -> Tensor:
        """Return the logits of all images, (runs, n, 10)."""
        places = torch.arange(self.n, device=self.ink.device)[None].split(2000, -1)
        return torch.cat([net(self(chosen)[0]) for chosen in places], 1)


def _device(model: torch.nn.Module) -> torch.device:
    return next(model.parameters()).device


def _cases(common: Case, coefficients: Iterable[float]) -> dict[str, Case]:
    """Return plain training, and each penalty with each coefficient."""
    coefficients = tuple(coefficients)
    return {"erm": common} | {
        f"{penalty}, c = {c:g}": replace(common, penalty=penalty, coefficient=c)
        for penalty in PENALTIES
        for c in coefficients
    }


# Width, batch, rate and length are our choice, the same for all; the coefficients are a factor of
# ten, the number of classes, apart, so that "sum" and "mean" meet in two pairs of cases.
_COEFFICIENTS = (0.01, 0.1, 1.0)
ENTRIES = {
    "ten-colours": Entry(
        name="ten-colours",
        title="Ten digits in ten colours: SD with K classes in three conventions",
        chapter="05-spectral-decoupling",
        cases={
            "quick": _cases(
                Case(train_size=5000, hidden=(100,), epochs=5, precision="float32"), _COEFFICIENTS
            ),
            "paper": _cases(Case(), _COEFFICIENTS),
        },
        seeds={"quick": range(2), "paper": range(5)},
        run=train,
        paper={},
        selection="none",
        together=("cuda",),
    ),
}
