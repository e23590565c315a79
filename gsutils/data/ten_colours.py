r"""Ten digits in ten colours: Colored MNIST's question, asked with ten classes.

In training the colour is the digit's own with a high probability, the **agreement**, and else one
of the nine others; in the test it is any of the ten.

>>> made = ten_colours(mnist.embedded_digits(), seed=0, train_size=2000)
>>> made.train.painted.shape, round(float((made.train.colour == made.train.digit).mean()), 2)
((2000, 588), 0.99)
"""

import colorsys
from dataclasses import dataclass

import numpy as np

from gsutils import guards
from gsutils.data import mnist
from gsutils.seeding import stream

CLASSES = 10
# The colour of each digit, (10, 3): hues all round the circle.
PALETTE = np.array([colorsys.hsv_to_rgb(k / CLASSES, 1, 1) for k in range(CLASSES)], np.float32)


@dataclass(frozen=True)
class Coloured:
    """Digits in colours.

    Attributes:
        ink: bytes, (n, h·w).
        digit: what is to be told, 0 to 9, int64 (n,).
        colour: whose colour it has, 0 to 9, int64 (n,).
    """

    ink: np.ndarray
    digit: np.ndarray
    colour: np.ndarray

    @property
    def painted(self) -> np.ndarray:
        """The images as vectors, float32 in [0, 1], (n, 3·h·w)."""
        shown = PALETTE[self.colour][..., None] * (self.ink[:, None] / np.float32(255))
        return shown.reshape(len(shown), -1)


@dataclass(frozen=True)
class TenColours:
    """The training images; others whose colours are as reliable; the same in random colours."""

    train: Coloured
    alike: Coloured
    random: Coloured


def ten_colours(
    source: mnist.Digits,
    seed: int = 0,
    agreement: float = 0.99,
    train_size: int | None = None,
) -> TenColours:
    """Colour digits.

    Which images are to train and which to test is said in :func:`gsutils.data.mnist.parts`.

    Args:
        source: the digits.
        seed: of the colours and, where not all images are used, of which ones are.
        agreement: the probability that a digit has its own colour in training, in [0, 1].
        train_size: use just so many training images.

    Raises:
        ValueError: a number out of range.
    """
    guards.number("agreement", agreement, least=0.0, most=1.0)
    training, held_out = mnist.parts(source)
    if train_size is not None:
        guards.count("train_size", train_size, most=len(training))
    chosen = stream(seed, "training images").permutation(len(training))[:train_size]

    def coloured(digits: mnist.Digits, name: str, probability: float) -> Coloured:
        rng, digit = stream(seed, name), digits.digits.astype(np.int64)
        shift = rng.integers(1, CLASSES, len(digits))
        shift[rng.random(len(digits)) < probability] = 0
        ink = digits.images.reshape(len(digits), -1)
        return Coloured(ink, digit, (digit + shift) % CLASSES)

    return TenColours(
        train=coloured(training[chosen], "colours", agreement),
        alike=coloured(held_out, "colours as in training", agreement),
        random=coloured(held_out, "random colours", 1 / CLASSES),
    )
