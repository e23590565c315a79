r"""CelebA as section 4.4 uses it, and a stand-in drawn by code in CelebA's file layout.

The label is CelebA's attribute ``Blond_Hair``, the spurious attribute its ``Male``; a group is
``2 * blond + male``. :func:`read` reads what :func:`gsutils.data.fetch.prepare_celeba` lays out.

The stand-in shows nobody. It is a set of **cards**: a band whose tone stands for the hair, pale or
dark, and a mark, cross or disc, in the place of the second attribute. The mark is always clear,
the tone is not: it is normal with mean ±1.28 (+ for the label +1) and standard deviation 1, and
overlaps. Training and validation cards have the group shares of CelebA's training split; test
cards have all groups in equal numbers, so that the rarest can be measured. The best possible
classifier is known: see :func:`bayes_logit`.

>>> float(bayes_logit(0.0, mark=1).round(2))  # no evidence in the tone: the prior of the mark
-3.88
>>> with tempfile.TemporaryDirectory() as folder:
...     write_cards(Path(folder), seed=0, sizes=(60, 20, 20))
...     root = fetch.prepare_celeba(Path(folder), root=Path(folder), verified=False)
...     cards = read(root, "train", name=CARDS)
...     image, y, group, index = cards[0]
>>> len(cards), tuple(image.shape), image.dtype
(60, (3, 16, 16), torch.uint8)
"""

import atexit
import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.stats import norm
from torch import Tensor
from torch.utils.data import Dataset

from gsutils import guards
from gsutils.data import fetch, registry
from gsutils.files import CorruptData
from gsutils.seeding import stream

GROUPS = ("dark-haired women", "dark-haired men", "blond women", "blond men")
SPLITS = ("train", "validation", "test")
# How many images each group has in the official partition; they sum to registry.CELEBA_SPLITS.
COUNTS = {
    "train": (71_629, 66_874, 22_880, 1_387),
    "validation": (8_535, 8_276, 2_874, 182),
    "test": (9_767, 7_535, 2_480, 180),
}
CARDS = "cards drawn by code (CelebA stand-in)"
CARD_GROUPS = ("dark, disc", "dark, cross", "pale, disc", "pale, cross")
EVIDENCE = 1.28  # mean of a card's tone in standard deviations: Φ(1.28) = 90 % are on their side
CARD_SIDE = 16
DARK, PALE = np.array([70.0, 50, 40]), np.array([240.0, 220, 160])


@dataclass(frozen=True)
class Faces(Dataset[tuple[Tensor, Tensor, Tensor, int]]):
    """One split, decoded image by image.

    Attributes:
        files: the images, (n,).
        y: labels, +1 blond and -1 not, float32, (n,).
        group: ``2 * blond + male``, int64, (n,).
        name: what titles and results call the data.
        view: what is done to an image before it becomes a tensor.
    """

    files: tuple[Path, ...]
    y: Tensor
    group: Tensor
    name: str
    view: Callable[[Image.Image], Image.Image] | None = None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor, int]:
        """Return the image (3, h, w), uint8, its label, its group and its index.

        Raises:
            CorruptData: the file is missing or is no image.
        """
        X = torch.from_numpy(self._pixels(index)).movedim(-1, 0)
        return X, self.y[index], self.group[index], int(index)

    @cached_property
    def images(self) -> Tensor:
        """All images in memory, (n, 3, h, w), uint8: for small sets."""
        return torch.from_numpy(np.stack([self._pixels(i) for i in range(len(self))])).movedim(
            -1, 1
        )

    def _pixels(self, index: int) -> np.ndarray:
        """Return an image as an array (h, w, 3)."""
        try:
            with Image.open(self.files[index]) as opened:
                image = opened.convert("RGB")
        except OSError as error:
            raise CorruptData(
                f"{self.files[index]} cannot be read as an image ({error}); move the folder "
                "celeba/ away and run data_scripts/prepare_celeba.py again"
            ) from error
        return np.array(self.view(image) if self.view else image)


def crop(image: Image.Image, side: int = 224) -> Image.Image:
    """Cut the middle square out of an aligned face (178×218) and scale it, as group DRO does."""
    guards.count("side", side)
    width, height = image.size
    square = min(width, height)
    left, top = (width - square) // 2, (height - square) // 2
    box = (left, top, left + square, top + square)
    return image.crop(box).resize((side, side), Image.Resampling.BILINEAR)


def read(
    folder: Path,
    split: str,
    *,
    name: str | None = None,
    view: Callable[[Image.Image], Image.Image] | None = None,
) -> Faces:
    """Read one split of a folder that :func:`gsutils.data.fetch.prepare_celeba` laid out.

    Args:
        folder: as :func:`gsutils.data.fetch.celeba` returns it.
        split: "train", "validation" or "test".
        name: what titles call the data; default what :func:`gsutils.data.fetch.source_name` says.
        view: applied to each image, for example :func:`crop`.

    Raises:
        ValueError: an unknown split.
        CorruptData: the index names images that are not there, or a group has none in the split.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be in {SPLITS}, got {split!r}")
    name = name or fetch.source_name("celeba", root=folder.parent)
    with np.load(folder / "index.npz") as index:
        chosen = np.flatnonzero(index["split"] == SPLITS.index(split))
        files = [folder / "img_align_celeba" / image.decode() for image in index["image"][chosen]]
        y, group = index["blond"][chosen], index["group"][chosen]
    there = set(os.listdir(folder / "img_align_celeba"))  # one look instead of one per image
    missing = [path.name for path in files if path.name not in there]
    if missing:
        raise CorruptData(
            f"{folder / 'img_align_celeba'} lacks {len(missing):,} of the {len(files):,} images of "
            f"the {split} split, the first {missing[0]}; move {folder} away and run "
            "data_scripts/prepare_celeba.py again"
        )
    sizes = np.bincount(group, minlength=4)
    if not sizes.all():
        empty = ", ".join(title for title, size in zip(GROUPS, sizes) if not size)
        raise CorruptData(
            f"the {split} split of {folder} has no {empty}: worst-group accuracy needs all four "
            "groups; take the official files, or a larger excerpt"
        )
    return Faces(
        tuple(files),
        torch.from_numpy(y.astype(np.float32)),
        torch.from_numpy(group.astype(np.int64)),
        name,
        view,
    )


def write_cards(folder: Path, seed: int = 0, sizes: Sequence[int] = (4800, 1600, 1600)) -> None:
    """Draw the stand-in and write it as CelebA's three official files.

    Args:
        folder: where ``img_align_celeba.zip``, ``list_attr_celeba.txt`` and
            ``list_eval_partition.txt`` are put; it exists.
        seed: of the stream that draws the cards.
        sizes: of the training, validation and test split, each >= 10.

    Raises:
        ValueError: not three sizes, or one too small.
    """
    if len(sizes) != len(SPLITS) or min(sizes) < 10:
        raise ValueError(f"sizes must be three integers >= 10, got {tuple(sizes)}")
    rng = stream(seed, "cards")
    shares = [COUNTS["train"], COUNTS["train"], (1, 1, 1, 1)]
    group = np.concatenate([rng.permutation(_groups(n, share)) for n, share in zip(sizes, shares)])
    split = np.repeat(np.arange(len(SPLITS)), sizes)
    names = [f"{i:06d}.jpg" for i in range(1, len(group) + 1)]
    cards = draw_cards(tones(group, rng), group % 2, rng)
    with zipfile.ZipFile(folder / registry.CELEBA["images"].name, "w") as archive:
        for name, card in zip(names, cards):
            jpeg = io.BytesIO()
            Image.fromarray(card).save(jpeg, "JPEG", quality=95)
            # a ZipInfo without a date: the same cards make the same file
            archive.writestr(zipfile.ZipInfo(f"img_align_celeba/{name}"), jpeg.getvalue())
    rows = [f"{name} {2 * (g // 2) - 1:2d} {2 * (g % 2) - 1:2d}" for name, g in zip(names, group)]
    attributes = "\n".join([str(len(names)), "Blond_Hair Male ", *rows]) + "\n"
    partition = "".join(f"{name} {part}\n" for name, part in zip(names, split))
    (folder / registry.CELEBA["attributes"].name).write_text(attributes, "utf-8")
    (folder / registry.CELEBA["partition"].name).write_text(partition, "utf-8")


def tones(group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the tone of one card for each group number, (n,), in standard deviations."""
    return EVIDENCE * np.where(group >= 2, 1, -1) + rng.standard_normal(len(group))


def draw_cards(tone: np.ndarray, mark: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw cards, images (n, 16, 16, 3), uint8: a band of the tone, below it the mark.

    Args:
        tone: (n,), in standard deviations; beyond ±5 the band gets no darker or paler.
        mark: 0 for a disc and 1 for a cross, (n,).
        rng: a stream of :mod:`gsutils.seeding`, for the noise of the pixels.
    """
    share = (0.5 + tone / 10).clip(0, 1)[:, None]
    band = share * PALE + (1 - share) * DARK  # (n, 3)
    row, column = np.mgrid[:CARD_SIDE, :CARD_SIDE] - np.array([10, 7.5])[:, None, None]
    disc = np.hypot(row, column) <= 4.5
    cross = (np.minimum(abs(row), abs(column)) <= 1) & (np.maximum(abs(row), abs(column)) <= 4.5)
    mark = np.where((mark == 1)[:, None, None], cross, disc)  # (n, h, w)
    cards = np.where(mark[..., None], 60, 170) + np.zeros(3)
    cards[:, :5] = band[:, None, None]
    noise = rng.standard_normal(cards.shape, np.float32)
    return (cards + 12 * noise).clip(0, 255).astype(np.uint8)


def bayes_logit(tone: np.ndarray | float, mark: np.ndarray | int) -> np.ndarray:
    r"""Return the log odds of the label +1 on a card: nothing trained on cards can know more.

    .. math:: \log\frac{P(+1 \mid t, m)}{P(-1 \mid t, m)} = \log\frac{n_{+,m}}{n_{-,m}} + 2 \mu t

    Args:
        tone: t, in standard deviations, any shape.
        mark: m, 0 for a disc and 1 for a cross.

    Here :math:`n_{\pm,m}` are CelebA's training counts and :math:`\mu` is ``EVIDENCE``.
    """
    counts = np.array(COUNTS["train"]).reshape(2, 2)  # (label, mark)
    return np.log(counts[1] / counts[0])[mark] + 2 * EVIDENCE * np.asarray(tone)


def bayes_accuracy(threshold: float = 0.0) -> np.ndarray:
    r"""Return the best possible classifier's accuracy within each group of cards, (4,), fractions.

    It decides +1 where :func:`bayes_logit` exceeds the threshold, that is, beyond a tone for each
    mark, and tones are normal.

    Args:
        threshold: on the log odds; 0 gives the highest average accuracy on cards with the group
            shares of the training split.
    """
    group = np.arange(4)
    label, mark = 2 * (group // 2) - 1, group % 2
    boundary = (threshold - bayes_logit(0.0, mark)) / (2 * EVIDENCE)
    return norm.cdf(EVIDENCE - label * boundary)


@cache
def cards(seed: int = 0, sizes: tuple[int, int, int] = (4800, 1600, 1600)) -> tuple[Faces, ...]:
    """Return the three splits of the stand-in, drawn, laid out and read like CelebA itself.

    The files live in a temporary folder for as long as this process does.
    """
    folder = Path(tempfile.mkdtemp(prefix="gsutils-cards-"))
    atexit.register(_remove, folder, os.getpid())
    write_cards(folder, seed, sizes)
    root = fetch.prepare_celeba(folder, root=folder, verified=False)
    return tuple(read(root, split, name=CARDS) for split in SPLITS)


def _remove(folder: Path, owner: int) -> None:
    """Remove a folder at the end of the process that made it: one forked from it still reads it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _groups(size: int, shares: Sequence[int]) -> np.ndarray:
    """Return group numbers (size,) in the given proportions, of each group at least one."""
    sizes = np.maximum(np.round(np.array(shares) / sum(shares) * size).astype(int), 1)
    sizes[0] += size - sizes.sum()  # what rounding left over
    return np.repeat(np.arange(4), sizes)
