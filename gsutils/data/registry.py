"""What is known of each data set: names, SHA-256 hashes, mirrors, sizes. Plain data.

To add a mirror, append its folder's address; the content is verified whatever the server is.

>>> MNIST["train-labels"].name
'train-labels-idx1-ubyte'
>>> CIFAR["cifar10"].record_bytes * CIFAR["cifar10"].records["test_batch.bin"]
30730000
"""

import re
from collections.abc import Iterable
from typing import NamedTuple


class File(NamedTuple):
    """A file and the SHA-256 of its content."""

    name: str
    sha256: str


class Cifar(NamedTuple):
    """A CIFAR archive in its binary version (no pickle), and the layout it unpacks to."""

    title: str
    archive: File
    mirrors: tuple[str, ...]
    folder: str
    records: dict[str, int]  # binary file -> number of records
    labels: dict[str, int]  # label byte of a record -> number of classes
    names: tuple[str, ...]  # text files with the names of the classes
    classes: tuple[str, ...]  # the finest classes, in the order of their labels; (): alphabetical

    @property
    def record_bytes(self) -> int:
        """The bytes of one record: its labels, then 32 x 32 pixels in the planes R, G, B."""
        return len(self.labels) + 3 * 32 * 32


# The hashes are of the *unpacked* files: mirrors compress them anew.
MNIST = {
    "train-images": File(
        "train-images-idx3-ubyte",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "train-labels": File(
        "train-labels-idx1-ubyte",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "t10k-images": File(
        "t10k-images-idx3-ubyte",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "t10k-labels": File(
        "t10k-labels-idx1-ubyte",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}
MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

CIFAR = {
    "cifar10": Cifar(
        title="CIFAR-10",
        archive=File(
            "cifar-10-binary.tar.gz",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
        mirrors=("https://www.cs.toronto.edu/~kriz/",),
        folder="cifar-10-batches-bin",
        records={f"data_batch_{batch}.bin": 10_000 for batch in range(1, 6)}
        | {"test_batch.bin": 10_000},
        labels={"label": 10},
        names=("batches.meta.txt",),
        classes=(
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ),
    ),
    "cifar100": Cifar(
        title="CIFAR-100",
        archive=File(
            "cifar-100-binary.tar.gz",
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        ),
        mirrors=("https://www.cs.toronto.edu/~kriz/",),
        folder="cifar-100-binary",
        records={"train.bin": 50_000, "test.bin": 10_000},
        labels={"coarse label": 20, "fine label": 100},
        names=("coarse_label_names.txt", "fine_label_names.txt"),
        classes=(),
    ),
}

# CelebA has no mirrors here: the reader agrees to its terms and downloads it.
CELEBA_PAGE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
CELEBA = {
    "images": File(
        "img_align_celeba.zip",
        "46fb89443c578308acf364d7d379fe1b9efb793042c0af734b6112e4fd3a8c74",
    ),
    "attributes": File(
        "list_attr_celeba.txt",
        "f0e5da289d5ccf75ffe8811132694922b60f2af59256ed362afa03fefba324d0",
    ),
    "partition": File(
        "list_eval_partition.txt",
        "fc955bcb3ef8fbdf7d5640d9a8693a8431b5f2ee291a5c1449a1549e7e073fe7",
    ),
}
CELEBA_SPLITS = {"train": 162_770, "validation": 19_867, "test": 19_962}

# What records call the data that the paper used. A re-encoding, a stand-in and files that nobody
# has verified have names of their own, and so have the data of this book's own experiments.
# What papers used, as it was published or is drawn here by the same rule.
PUBLISHED = frozenset(
    {
        "MNIST",
        *(spec.title for spec in CIFAR.values()),
        "CIFAR-2 of CIFAR-10",
        "CelebA",
        "two moons (generated)",
        "two examples (given)",
    }
)


def is_published(names: Iterable[str]) -> bool:
    """Whether data are those that papers used, or made of them.

    A name may itself be several, joined as records join them.

    >>> is_published(["MNIST, 3 against 8"]), is_published(["0 or 1 of MNIST above CIFAR-10"])
    (True, True)
    >>> is_published(["MNIST", "CIFAR-10 (JPEG re-encoding)"])
    False
    """
    parts = (part for name in names for part in re.split("; | above ", name))
    originals = (part.split(", ")[0] for part in parts)
    return all(name in PUBLISHED or name.rpartition(" of ")[2] in PUBLISHED for name in originals)
