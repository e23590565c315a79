r"""Dominoes: an easy image above a hard one, for the question which of the two a network reads.

The label is the class of the hard image, the lower half. The upper half is a handwritten 0 or 1,
easy to tell; which one goes with the label as often as the **agreement** says (Shah et al. 2020,
"The Pitfalls of Simplicity Bias in Neural Networks").

>>> parts = deal(pools("4 and 9", mnist.embedded_digits()), (200, 40), (0.95, 0.5), seed=0)
>>> parts[0].images.shape, np.bincount(parts[0].group).tolist()
((200, 1, 28, 14), [95, 5, 5, 95])
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gsutils.data import images, mnist
from gsutils.seeding import stream

HARD = ("cats and dogs", "4 and 9")
EASY_DIGITS, HARD_DIGITS = (0, 1), (4, 9)

Pool = tuple[np.ndarray, np.ndarray]  # images of class -1 and of class +1, bytes (n, c, h, h)


@dataclass(frozen=True)
class Pools:
    """The halves that dominoes are made of: a pool to train and one to test, of each kind.

    Attributes:
        easy: images of zeros (-1) and ones (+1).
        hard: images of the two classes that are the labels.
        groups: what the four groups are called, in the order of :attr:`Dominoes.group`.
        name: what titles and records call the data.
    """

    easy: tuple[Pool, Pool]
    hard: tuple[Pool, Pool]
    groups: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class Dominoes:
    """Some dominoes.

    Attributes:
        images: bytes (n, c, 2h, h), the easy half above the hard one.
        y: the class of the hard half, which is the label, -1/+1, float32 (n,).
        easy: the class of the easy half, likewise.
    """

    images: np.ndarray
    y: np.ndarray
    easy: np.ndarray

    @property
    def group(self) -> np.ndarray:
        """The group of each, int64 (n,): 0 and 1 for the label -1, an odd one for an easy +1."""
        return 2 * (self.y > 0).astype(np.int64) + (self.easy > 0)


def pools(hard: str, source: mnist.Digits | None = None) -> Pools:
    """Return the halves.

    Args:
        hard: of :data:`HARD`. "cats and dogs" are CIFAR-2, 32×32 in colour, below digits with a
            frame of two black pixels. "4 and 9" are digits, as the easy half, in gray, 14×14.
        source: the digits, parted by :func:`gsutils.data.mnist.parts`; default all of MNIST's below
            cats and dogs, else those that come with the package.

    Raises:
        ValueError: an unknown kind.
        fetch.DataUnavailable: cats and dogs without CIFAR-10 or MNIST at hand.
    """
    if hard not in HARD:
        raise ValueError(f"hard must be in {HARD}, got {hard!r}")
    source = source or mnist.digits(mnist.EMBEDDED_SIZES[0] if hard == "4 and 9" else None)
    if hard == "4 and 9":
        shown = mnist.thinned(source).images[:, None]
        easy, below = (_digits(shown, source, pair) for pair in (EASY_DIGITS, HARD_DIGITS))
        return Pools(easy, below, _titles(("4", "9")), f"0 or 1 above 4 or 9, {source.name}")
    if source.images.shape[1:] != (28, 28):
        raise ValueError(
            f"cats and dogs need digits of 28×28 pixels above them, got {source.name}; leave "
            "source out, or choose '4 and 9'"
        )
    task = images.cats_and_dogs()
    framed = np.pad(source.images, ((0, 0), (2, 2), (2, 2)))
    shown = framed[:, None].repeat(3, 1)
    easy = _digits(shown, source, EASY_DIGITS)
    below = (_by_class(task.X, task.y), _by_class(task.X_test, task.y_test))
    return Pools(easy, below, _titles(task.classes), f"0 or 1 of MNIST above {task.name}")


def deal(
    halves: Pools, sizes: Sequence[int], agreements: Sequence[float], seed: int
) -> tuple[Dominoes, ...]:
    """Return splits with the numbers of dominoes in each group exactly as the agreement says.

    The last split is of the halves to test, the others are of those to train. Every hard image is
    on one domino at most; the easy ones are drawn with replacement.

    Args:
        halves: what the dominoes are made of.
        sizes: of the splits, each a positive even number; half the dominoes are of either class.
        agreements: share of the dominoes of each split, in [0, 1], whose halves agree.
        seed: of the draws, ``stream(seed, "dominoes")``.

    Raises:
        ValueError: a number out of range, another number of agreements than of sizes, or more
            dominoes than there are hard images.
    """
    if len(agreements) != len(sizes):
        raise ValueError(
            f"agreements must be {len(sizes)}, one for each split, got {tuple(agreements)}"
        )
    if min(sizes) < 2 or any(size % 2 for size in sizes):
        raise ValueError(f"sizes must be positive and even, got {tuple(sizes)}")
    if not all(0 <= agreement <= 1 for agreement in agreements):
        raise ValueError(f"an agreement must be in [0, 1], got {tuple(agreements)}")
    for pool, asked in zip(halves.hard, (sum(sizes[:-1]), sizes[-1])):
        most = 2 * min(map(len, pool))
        if asked > most:
            raise ValueError(f"there are hard images for {most} dominoes, {asked} were asked for")
    rng = stream(seed, "dominoes")
    orders = [[rng.permutation(len(part)) for part in pool] for pool in halves.hard]
    first, made = 0, []
    for place, (size, agreement) in enumerate(zip(sizes, agreements)):
        last = place == len(sizes) - 1
        begin = 0 if last else first
        each = size // 2
        agreeing = round(each * agreement)
        parts, y, easy = [], [], []
        for label in (0, 1):
            below = halves.hard[last][label][orders[last][label][begin : begin + each]]
            shown = np.repeat([label, 1 - label], [agreeing, each - agreeing])
            pool = halves.easy[last]
            above = np.stack([pool[k][rng.integers(len(pool[k]))] for k in shown])
            parts.append(np.concatenate([above, below], 2))
            y.append(np.full(each, 2 * label - 1, np.float32))
            easy.append((2 * shown - 1).astype(np.float32))
        made.append(Dominoes(*(np.concatenate(one) for one in (parts, y, easy))))
        first += each
    return tuple(made)


def _digits(shown: np.ndarray, source: mnist.Digits, pair: tuple[int, int]) -> tuple[Pool, Pool]:
    """Return the images (n, c, h, h) of two digits, a pool to train and one to test."""
    training, held_out = (
        (part.images[part.digits == pair[0]], part.images[part.digits == pair[1]])
        for part in mnist.parts(replace(source, images=shown))
    )
    return training, held_out


def _by_class(X: np.ndarray, y: np.ndarray) -> Pool:
    return X[y < 0], X[y > 0]


def _titles(hard: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{label} below {digit}" for label in hard for digit in EASY_DIGITS)
