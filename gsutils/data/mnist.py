"""Handwritten digits, and Colored MNIST made of them (section 4.3).

Labels are -1/+1.

>>> made = colored_mnist(embedded_digits(), seed=0)
>>> made.test.X.shape, made.test.flat.shape
((2000, 2, 14, 14), (2000, 392))
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gsutils import guards
from gsutils.data import fetch
from gsutils.files import DAMAGED_GZIP, atomic
from gsutils.seeding import stream

EMBEDDED_FILE = Path(__file__).with_name("mnist.npz")
EMBEDDED_SIZES = (10_000, 2000)  # digits in it, to train on and to test on
ENVIRONMENTS = ("grayscale-digits", "colored-digits", "grayscale-blank", "colored-blank")


@dataclass(frozen=True)
class Digits:
    """Images (n, h, w), uint8 from 0 to 255, and their digits (n,).

    Attributes:
        images: the images.
        digits: what they show.
        name: what titles and records call them.
    """

    images: np.ndarray
    digits: np.ndarray
    name: str

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.digits)

    @property
    def record(self) -> dict[str, str]:
        """What a record says of them: the name, and the hash of all images."""
        return {"name": self.name, "images": hashlib.sha256(self.images.tobytes()).hexdigest()}

    def __getitem__(self, index: slice | np.ndarray) -> "Digits":
        """Return some of the images."""
        return replace(self, images=self.images[index], digits=self.digits[index])


def mnist_train(download: bool = True, **options: Any) -> Digits:
    """Return MNIST's 60,000 training images in the official order.

    Args:
        download: fetch what is missing.
        options: see :func:`gsutils.data.fetch.mnist`.

    Raises:
        fetch.DataUnavailable: the files are neither cached nor reachable.
        fetch.CorruptData: a file is there but is not what it should be.
    """
    files = fetch.mnist(download=download, **options)
    return Digits(read_idx(files["train-images"]), read_idx(files["train-labels"]), "MNIST")


def embedded_digits() -> Digits:
    """Return the 12,000 of MNIST's training images that come with the package, 14×14.

    Every fifth of each digit among the first 50,000, and among the last 10,000, in MNIST's order:
    :func:`parts` has 10,000 to train on and 2,000 to test on.

    Source: LeCun, Cortes and Burges, MNIST, CC BY-SA 3.0; made by data_scripts/embed_mnist.py.
    """
    with np.load(EMBEDDED_FILE) as kept:
        return Digits(kept["images"], kept["digits"], f"{EMBEDDED_SIZES[0]:,} MNIST digits, 14×14")


def digits(train_size: int | None = EMBEDDED_SIZES[0], test_size: int | None = None) -> Digits:
    """Return the embedded digits where they suffice, else MNIST's training images.

    Args:
        train_size: how many images to train on are wanted; None for all of MNIST's.
        test_size: how many others to test on; None for all that there are.

    Raises:
        fetch.DataUnavailable, fetch.CorruptData: see :func:`mnist_train`.
    """
    if (
        train_size is not None
        and train_size <= EMBEDDED_SIZES[0]
        and (test_size or 0) <= EMBEDDED_SIZES[1]
    ):
        return embedded_digits()
    return mnist_train()


def thinned(source: Digits) -> Digits:
    """Return digits of 14×14 pixels: of MNIST's 28×28 every second one, as section 4.3 has it."""
    if source.images.shape[1:] == (28, 28):
        return replace(source, images=source.images[:, ::2, ::2])
    return source


def embed(source: Digits, path: Path) -> None:
    """Write the file of :func:`embedded_digits`.

    Args:
        source: MNIST's training images.
        path: where to.
    """
    source, first = thinned(source), len(source) * 5 // 6
    by_digit = (
        start + np.argsort(part, kind="stable")[::5]
        for start, part in ((0, source.digits[:first]), (first, source.digits[first:]))
    )
    kept = source[np.concatenate([np.sort(places) for places in by_digit])]
    with atomic(path) as part, part.open("wb") as file:
        np.savez_compressed(file, images=kept.images, digits=kept.digits.astype(np.uint8))


def read_idx(path: Path) -> np.ndarray:
    """Read a file in MNIST's IDX format, gzipped or not.

    Raises:
        fetch.CorruptData: the file is not IDX of unsigned bytes, or is too short or too long.
    """
    if not path.is_file():
        raise fetch.CorruptData(f"{path} is no file; fetch it with data_scripts/fetch_mnist.py")
    try:
        with fetch.open_unpacked(path) as file:
            content = file.read()
    except DAMAGED_GZIP as error:
        raise fetch.CorruptData(
            f"{path} is a truncated or damaged gzip file ({error}); delete it and fetch it again"
        ) from error
    if len(content) < 8 or content[:3] != b"\x00\x00\x08" or len(content) < 4 + 4 * content[3]:
        raise fetch.CorruptData(
            f"{path} is not an IDX file of unsigned bytes (it starts with {content[:4]!r}); "
            "delete it and fetch it again"
        )
    start = 4 + 4 * content[3]
    shape = tuple(np.frombuffer(content[4:start], ">u4").tolist())
    if len(content) - start != math.prod(shape):
        raise fetch.CorruptData(
            f"{path} should hold {math.prod(shape)} bytes of shape {shape}, it holds "
            f"{len(content) - start}; delete it and fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


@dataclass(frozen=True)
class Environment:
    """Images X (n, 2, h, w), float32 in [0, 1], labels y (n,), and colour (n,), both -1/+1."""

    X: np.ndarray
    y: np.ndarray
    colour: np.ndarray

    @property
    def flat(self) -> np.ndarray:
        """The images as vectors, (n, 2·h·w)."""
        return self.X.reshape(len(self.X), -1)

    @property
    def ink(self) -> np.ndarray:
        """The digits without their colour, as vectors (n, h·w): the sum of both channels."""
        return self.X.sum(1).reshape(len(self.X), -1)


def colored_environment(
    digits: Digits, colour_flip: float, rng: np.random.Generator, label_flip: float = 0.25
) -> Environment:
    r"""Colour digits so that colour predicts the label with probability 1 - ``colour_flip``.

    The clean label is +1 for digits 0-4; it is flipped with probability ``label_flip``; the
    colour is the flipped label, itself flipped with probability ``colour_flip``. Colour +1 fills
    the second channel, colour -1 the first; the other channel is zero.

    Args:
        digits: the images.
        colour_flip: in [0, 1]; section 4.3 has 0.1 and 0.2 for training, 0.9 for the test.
        rng: a stream of :mod:`gsutils.seeding`.
        label_flip: in [0, 1].

    Raises:
        ValueError: a probability out of range.

    Source: section 4.3. The text calls digits 0-4 negative, the published code positive; the
    code is followed, and no accuracy depends on it.
    """
    for name, value in {"colour_flip": colour_flip, "label_flip": label_flip}.items():
        guards.number(name, value, least=0.0, most=1.0)
    n = len(digits)
    y = np.where(digits.digits < 5, 1.0, -1.0)
    y = np.where(rng.random(n) < label_flip, -y, y).astype(np.float32)
    colour = np.where(rng.random(n) < colour_flip, -y, y)
    ink = digits.images.astype(np.float32) / 255
    channels = np.stack([colour < 0, colour > 0], 1).astype(np.float32)  # (n, 2)
    return Environment(ink[:, None] * channels[:, :, None, None], y, colour)


@dataclass(frozen=True)
class ColoredMNIST:
    """Two training environments, the reversed test environment, and the data's name.

    ``validation`` has the test images in colours as reliable as those of the pooled training
    environments: what one would have for choosing hyper-parameters without seeing the test.
    """

    train: tuple[Environment, Environment]
    validation: Environment
    test: Environment
    name: str


def parts(source: Digits) -> tuple[Digits, Digits]:
    """Return the images to train on and those to test on, as section 4.3 has them.

    Of MNIST's training images, in the official order, the first five sixths and the last sixth,
    see :func:`thinned`.
    """
    source, split = thinned(source), len(source) * 5 // 6
    return source[:split], source[split:]


def colored_mnist(
    source: Digits,
    seed: int = 0,
    train_size: int | None = None,
    test_size: int | None = None,
    colour_flips: tuple[float, float, float] = (0.2, 0.1, 0.9),
    label_flip: float = 0.25,
) -> ColoredMNIST:
    """Build the three environments of section 4.3 from digits.

    As in the published code: the training images, see :func:`parts`, are shuffled and dealt
    alternately to the two training environments, the others are the test environment.

    Args:
        source: MNIST's training images, or the embedded ones.
        seed: the run's seed; it sets the shuffle, the label noise and the colours.
        train_size: use just so many training images, both environments together.
        test_size: use just so many test images.
        colour_flips: of the two training environments and the test environment.
        label_flip: the label noise of all three.

    Raises:
        ValueError: more images asked for than there are, or a probability out of range.
    """
    training, held_out = parts(source)
    if train_size is not None:
        guards.count("train_size", train_size, least=2, most=len(training))
    if test_size is not None:
        guards.count("test_size", test_size, most=len(held_out))
    if len(colour_flips) != 3:
        raise ValueError(
            "colour_flips must be three probabilities, of two training environments and the test, "
            f"got {colour_flips}"
        )
    held_out = held_out[:test_size]
    order = stream(seed, "environments").permutation(len(training))[:train_size]
    shuffled, rng = training[order], stream(seed, "colours")
    return ColoredMNIST(
        train=(
            colored_environment(shuffled[::2], colour_flips[0], rng, label_flip),
            colored_environment(shuffled[1::2], colour_flips[1], rng, label_flip),
        ),
        test=colored_environment(held_out, colour_flips[2], rng, label_flip),
        validation=colored_environment(
            held_out, sum(colour_flips[:2]) / 2, stream(seed, "validation"), label_flip
        ),
        name=source.name,
    )


def joined(environments: Sequence[Environment]) -> Environment:
    """Return environments of equal image size as one, in their order.

    Raises:
        ValueError: there is none.
    """
    if not environments:
        raise ValueError("environments must hold at least one, got none")
    return Environment(
        *(np.concatenate([getattr(e, name) for e in environments]) for name in ("X", "y", "colour"))
    )


def grayscale(environment: Environment) -> Environment:
    """Remove the colour: both channels hold the digit, at half the ink each."""
    ink = environment.X.sum(1, keepdims=True) / 2
    return replace(environment, X=np.repeat(ink, 2, axis=1))


def repaint(environment: Environment, colour: int) -> Environment:
    """Paint every digit in one colour, -1 or +1, whatever its label."""
    if colour not in (-1, 1):
        raise ValueError(f"colour must be -1 or +1, got {colour}")
    channels = np.array([colour < 0, colour > 0], np.float32)[:, None, None]
    X = environment.X.sum(1, keepdims=True) * channels
    return replace(environment, X=X, colour=np.full_like(environment.colour, colour))


def variant(environment: Environment, name: str, ink: float | None = None) -> Environment:
    """Return one of the four test environments of Figure 3.

    ``colored-digits`` is the environment itself; ``grayscale-digits`` has no colour;
    ``colored-blank`` is a uniformly filled card of the example's colour and no digit;
    ``grayscale-blank`` is such a card without colour, the same for every example.

    Args:
        environment: the test environment.
        name: one of :data:`ENVIRONMENTS`.
        ink: of a blank card, in [0, 1]; default the mean ink of the environment's digits, as in
            the published code (0.129 on MNIST).

    Raises:
        ValueError: an unknown name, or ink out of range.
    """
    if name not in ENVIRONMENTS:
        raise ValueError(f"the test environments are {ENVIRONMENTS}, got {name!r}")
    seen = environment
    if name.endswith("blank"):
        ink = float(environment.ink.mean(dtype=np.float64)) if ink is None else ink
        guards.number("ink", ink, least=0.0, most=1.0)
        channels = np.stack([environment.colour < 0, environment.colour > 0], 1)
        cards = np.broadcast_to(ink * channels[:, :, None, None], environment.X.shape)
        seen = replace(environment, X=cards.astype(np.float32))
    return grayscale(seen) if name.startswith("grayscale") else seen
