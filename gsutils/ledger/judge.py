r"""The judge: what a run of ours says of a number that the paper prints.

The difference d of the means, ours minus the paper's, has an interval at each level. Where the
paper's number is a mean over ten runs with a standard deviation :math:`s_p` (ddof = 0, so that
:math:`s_p^2 / 9` estimates the variance of the mean), and ours one over n seeds, it is Welch's,

.. math:: d \pm t(\nu) \sqrt{s^2 / n + s_p^2 / 9},

with Welch and Satterthwaite's number of degrees of freedom ν. Where the paper's number is that of a
**single model**, it is the prediction interval for one more run,

.. math:: d \pm t(n - 1)\, s \sqrt{1 + 1 / n},

which is also Student's interval for the difference of the means, from a sample of one: it holds if
the authors' networks spread as ours do.

With a margin δ of 2 points for an accuracy and 0.05 for an entropy, a number is called

- **equivalent** if the 90 % interval lies within ±δ: two one-sided tests, each at 5 %, reject that
  the means are δ or more apart;
- **different** if the 95 % interval excludes 0 and \|d\| > δ. For a single model: one more network
  of ours would be as far from our mean in at most 5 % of all cases;
- **inconclusive** otherwise: spread and number of seeds leave both open. A single model may leave
  them open for good, since no number of our seeds makes its interval narrower than our spread.

With more seeds and the same d an interval shrinks around d, which can make an inconclusive number
equivalent (\|d\| < δ) or different (\|d\| > δ), but never turn one of these into the other.

>>> judge([0.70, 0.71, 0.72], Number(0.71, 0.01)).text
'equivalent'
>>> judge([0.600, 0.601, 0.602], Number(0.72, 0.01)).text
'different'
>>> judge([0.10, 0.50, 0.10], Number(0.094)).text
'inconclusive'
>>> judge([0.72, 0.72, 0.72], Number(0.72, 0.01), obstacles=["other data"]).text
'not judged: other data'
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.special import stdtrit

from gsutils.runs.paper import Number, Unit

MARGIN = {Unit.ACCURACY: 0.02, Unit.NATS: 0.05}
PAPER_RUNS = 10
FEWEST_SEEDS = 3


class Status(Enum):
    """What became of a number; the value is what pages call it."""

    EQUIVALENT = "equivalent"
    DIFFERENT = "different"
    INCONCLUSIVE = "inconclusive"
    NOT_JUDGED = "not judged"  # there is a run of ours, but not of the paper's experiment
    NOT_RUN = "not run"

    @property
    def judged(self) -> bool:
        """Whether our run was held against the paper's number."""
        return self in (Status.EQUIVALENT, Status.DIFFERENT, Status.INCONCLUSIVE)


@dataclass(frozen=True)
class Verdict:
    """A status, and in words the reason for it where there is one to give."""

    status: Status
    reason: str = ""

    @property
    def text(self) -> str:
        """What pages and the command line show."""
        return self.status.value + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True)
class Difference:
    """Ours minus the paper's, in the unit of the number as it is stored.

    Attributes:
        value: of the means.
        error: its standard error.
        freedom: the number of degrees of freedom of the error.
    """

    value: float
    error: float
    freedom: float

    def interval(self, level: float) -> tuple[float, float]:
        """Return the ends of the interval at a level such as 0.95."""
        half = float(stdtrit(self.freedom, (1 + level) / 2)) * self.error
        return self.value - half, self.value + half


def difference(values: Sequence[float], number: Number) -> Difference:
    """Return how far ours is from the paper's number.

    Args:
        values: ours, one per seed, at least two.
        number: the paper's.

    Raises:
        ValueError: fewer than two values.
    """
    if not np.isfinite(values).all():
        raise ValueError(f"values must be finite, got {list(values)}")
    n = len(values)
    if n < 2:
        raise ValueError(f"a difference needs the values of at least two seeds, got {n}")
    value, variance = float(np.mean(values)) - number.mean, float(np.var(values, ddof=1))
    if number.std is None:
        return Difference(value, math.sqrt(variance * (1 + 1 / n)), n - 1)
    ours, theirs = variance / n, number.std**2 / (PAPER_RUNS - 1)
    inverse = ours**2 / (n - 1) + theirs**2 / (PAPER_RUNS - 1)
    freedom = (ours + theirs) ** 2 / inverse if inverse else n - 1
    return Difference(value, math.sqrt(ours + theirs), freedom)


def judge(values: Sequence[float], number: Number, obstacles: Sequence[str] = ()) -> Verdict:
    """Return what our values say of the paper's number.

    Args:
        values: ours, one per seed; none if there is no run.
        number: the paper's.
        obstacles: what is not as in the paper, see :func:`gsutils.ledger.verdicts.obstacles`.
    """
    if not len(values):
        return Verdict(Status.NOT_RUN)
    if len(values) < FEWEST_SEEDS:
        seeds = "one seed" if len(values) == 1 else f"{len(values)} seeds"
        obstacles = [*obstacles, f"only {seeds}"]
    if obstacles:
        return Verdict(Status.NOT_JUDGED, ", ".join(obstacles))
    found, margin = difference(values, number), MARGIN[number.unit]
    low, high = found.interval(0.90)
    # A difference of exactly the margin must not pass or fail by a rounding error.
    slack = 1e-12
    if -margin - slack <= low and high <= margin + slack:
        return Verdict(Status.EQUIVALENT)
    low, high = found.interval(0.95)
    if (low > 0 or high < 0) and abs(found.value) > margin + slack:
        return Verdict(Status.DIFFERENT)
    return Verdict(Status.INCONCLUSIVE)
