r"""Image classification: CIFAR-2, CIFAR-10, CIFAR-100, and a pair of digits in their place.

Images are bytes (n, c, h, w). CIFAR-2 is the cats (-1) and dogs (+1) of CIFAR-10.

>>> task = digit_pair()
>>> task.name
'MNIST digits, 3 or 8, 14×14'
>>> task.X.shape, task.X_test.shape, task.outputs
((1989, 1, 14, 14), (408, 1, 14, 14), 1)
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from gsutils.data import _cifar, fetch, mnist
from gsutils.data.registry import CIFAR

TASKS = ("cifar2", "cifar10", "cifar100", "digits")
CAT, DOG = 3, 5


@dataclass(frozen=True)
class ImageTask:
    """Training and test images, bytes (n, c, h, w), and their labels (n,).

    Attributes:
        X: training images.
        y: -1/+1 (float32) of two classes, 0 to K-1 (int64) of several.
        X_test: test images.
        y_test: their labels.
        classes: what the classes are called, in the order of the labels.
        name: what titles and results call the data.
        mirror: whether an image means the same when mirrored left to right.
    """

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    classes: tuple[str, ...]
    name: str
    mirror: bool

    @property
    def outputs(self) -> int:
        """How many logits a network needs."""
        return 1 if len(self.classes) == 2 else len(self.classes)

    def head(self, train: int | None = None, test: int | None = None) -> "ImageTask":
        """Return the task with its first so many images, all of them where there are fewer."""
        return replace(
            self, X=self.X[:train], y=self.y[:train], X_test=self.X_test[:test],
            y_test=self.y_test[:test],
        )  # fmt: skip

    def hashes(self) -> dict[str, str]:
        """Return SHA-256 of the images that are used."""
        parts = {"training images": self.X, "test images": self.X_test}
        return {key: hashlib.sha256(part.tobytes()).hexdigest() for key, part in parts.items()}


def image_task(name: str, download: bool = False) -> ImageTask:
    """Return a task by its name, one of :data:`TASKS`.

    Raises:
        ValueError: an unknown name.
        fetch.DataUnavailable: CIFAR is not at hand and not to be had.
        fetch.CorruptData: a file is there but is not what it should be.
    """
    if name not in TASKS:
        raise ValueError(f"name must be one of {TASKS}, got {name!r}")
    if name == "digits":
        return digit_pair()
    return cats_and_dogs(download) if name == "cifar2" else cifar(name, download)


def cifar(name: str, download: bool = False) -> ImageTask:
    """Return CIFAR-10 or CIFAR-100 in the official order, by the finest labels.

    Args:
        name: "cifar10" or "cifar100".
        download: fetch the archive (160 MiB) where it is not at hand.

    Raises:
        ValueError, fetch.DataUnavailable, fetch.CorruptData: see :func:`gsutils.data.fetch.cifar`.
    """
    folder, spec = fetch.cifar(name, download=download), CIFAR[name]
    *training, test = (np.fromfile(folder / part, np.uint8) for part in spec.records)

    def split(content: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        records = content.reshape(-1, spec.record_bytes)
        labels = len(spec.labels)
        images = records[:, labels:].reshape(-1, 3, 32, 32)
        return images, records[:, labels - 1].astype(np.int64)

    X, y = split(np.concatenate(training))
    X_test, y_test = split(test)
    classes = _cifar.classes(folder, spec)
    return ImageTask(X, y, X_test, y_test, classes, fetch.source_name(name), mirror=True)


def cats_and_dogs(download: bool = False) -> ImageTask:
    """Return CIFAR-2: the cats (-1) and dogs (+1) of CIFAR-10, 10,000 and 2,000 images.

    Raises:
        fetch.DataUnavailable, fetch.CorruptData: see :func:`cifar`.
    """
    return _pair(cifar("cifar10", download), CAT, DOG, "CIFAR-2 of {}")


def digit_pair(negative: int = 3, positive: int = 8) -> ImageTask:
    """Return two of the digits that come with the package, some 2,000 to train and 400 to test.

    Raises:
        ValueError: not two different digits.
    """
    if negative == positive or not {negative, positive} <= set(range(10)):
        raise ValueError(f"two different digits are needed, got {negative} and {positive}")
    training, held_out = mnist.parts(mnist.embedded_digits())
    names = tuple(map(str, range(10)))
    ten = ImageTask(
        training.images[:, None], training.digits, held_out.images[:, None], held_out.digits,
        names, "MNIST", mirror=False,
    )  # fmt: skip
    return _pair(ten, negative, positive, f"{{}} digits, {negative} or {positive}, 14×14")


def _pair(task: ImageTask, negative: int, positive: int, title: str) -> ImageTask:
    """Return the two-class task of two classes, labels -1 and +1."""

    def pick(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        of = (y == negative) | (y == positive)
        return X[of], np.where(y[of] == positive, 1, -1).astype(np.float32)

    (X, y), (X_test, y_test) = pick(task.X, task.y), pick(task.X_test, task.y_test)
    classes = (task.classes[negative], task.classes[positive])
    return ImageTask(X, y, X_test, y_test, classes, title.format(task.name), task.mirror)
