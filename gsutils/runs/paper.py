"""What an entry declares of the paper: its numbers, their units, where its settings come from.

>>> number = Number(0.684, 0.012)
>>> f"{number} {number.unit.symbol}", str(Source(Origin.AUTHORS, "cmnist.py"))
('68.4 ± 1.2 %', "authors' code: cmnist.py")
"""

from dataclasses import dataclass
from enum import Enum


class Unit(Enum):
    """In what a number is measured; its value is what one is shown as, and the symbol."""

    ACCURACY = (100, "%")  # a fraction, shown in per cent, differences in points
    NATS = (1, "nats")

    @property
    def scale(self) -> int:
        """By what a stored value is multiplied to be shown."""
        return self.value[0]

    @property
    def symbol(self) -> str:
        """What stands behind a value that is shown."""
        return self.value[1]


@dataclass(frozen=True)
class Number:
    """A number that the paper prints.

    Attributes:
        mean: over ten runs, or the value of one; accuracies as fractions.
        std: standard deviation over ten runs, as ``numpy.std`` computes it in the authors' code
            (ddof = 0); None for the value of one model.
        unit: of both.
        repeats: the metric of the same case under which this is counted already: the same
            measurement under another name, or the same printed number read in another way.
    """

    mean: float
    std: float | None = None
    unit: Unit = Unit.ACCURACY
    repeats: str = ""

    def __str__(self) -> str:
        """Return the number as the paper prints it: "40.35 ± 1.68" for an accuracy, "0.41"."""
        shown = [self._decimals(v) for v in (self.mean, self.std) if v is not None]
        return " ± ".join(shown)

    def _decimals(self, value: float) -> str:
        text = f"{self.unit.scale * value:.2f}"
        return text[:-1] if self.unit is Unit.ACCURACY and text.endswith("0") else text


class Origin(Enum):
    """Who chose the settings of a case; the value is what pages call it."""

    AUTHORS = "authors' code"
    OTHER = "other repository"
    OURS = "our choice"


@dataclass(frozen=True)
class Source:
    """Where the settings of a case of the published size come from.

    Attributes:
        origin: who chose them.
        where: the file, or the reason, in a line.
    """

    origin: Origin
    where: str = ""

    def __str__(self) -> str:
        """Return "authors' code: cmnist.py"."""
        return ": ".join(filter(None, (self.origin.value, self.where)))


OURS = Source(Origin.OURS)
