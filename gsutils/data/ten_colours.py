r"""Ten digits in ten colours: Colored MNIST's question, asked with ten classes.

In training the colour is the digit's own with a high probability, the **agreement**, and else one
of the nine others; in the test it is any of the ten.

>>> made = ten_colours(mnist.embedded_digits(), seed=0)
>>> made.train.painted.shape, round(float((made.train.colour == made.train.digit).mean()), 2)
((1198, 192), 0.99)
"""

import colorsys
from dataclasses import dataclass

import numpy as np

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

    Five sixths of MNIST's training images are to train, of which every second pixel is taken, and
    the last sixth to test; of the small stand-in two thirds and one third.

    Args:
        source: the digits.
        seed: of the colours and, where not all images are used, of which ones are.
        agreement: the probability that a digit has its own colour in training, in [0, 1].
        train_size: use just so many training images.

    Raises:
        ValueError: a number out of range.
    """
    if not 0 <= agreement <= 1:
        raise ValueError(f"agreement must be in [0, 1], got {agreement}")
    split = len(source) * 5 // 6 if source.published else len(source) * 2 // 3
    if train_size is not None and not 1 <= train_size <= split:
        raise ValueError(f"train_size must be between 1 and {split}, got {train_size}")
    shown = source.images[:, ::2, ::2] if source.published else source.images
    ink, digit = shown.reshape(len(source), -1), source.digits.astype(np.int64)
    chosen = stream(seed, "training images").permutation(split)[:train_size]
    held_out = np.arange(split, len(source))

    def coloured(index: np.ndarray, name: str, probability: float) -> Coloured:
        rng = stream(seed, name)
        shift = rng.integers(1, CLASSES, len(index))
        shift[rng.random(len(index)) < probability] = 0
        return Coloured(ink[index], digit[index], (digit[index] + shift) % CLASSES)

    return TenColours(
        train=coloured(chosen, "colours", agreement),
        alike=coloured(held_out, "colours as in training", agreement),
        random=coloured(held_out, "random colours", 1 / CLASSES),
    )
