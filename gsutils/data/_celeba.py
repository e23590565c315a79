r"""CelebA from the files the reader downloaded: verified, laid out, indexed.

`index.npz` holds what the experiments need of the annotations: of each image its file name, the
label (blond or not), the attribute that goes with it (male or not), their group, and the split.

>>> parse_partition("000001.jpg 0\n000002.jpg 2\n", "list_eval_partition.txt")
(['000001.jpg', '000002.jpg'], [0, 2])
"""

import re
import shutil
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from gsutils.data import registry
from gsutils.files import (
    CorruptData,
    DataUnavailable,
    describe,
    explained,
    read_note,
    remembered,
    sha256,
    staged,
    write_note,
)
from gsutils.text import person_watches

INDEX = "index.npz"
IMAGES = "img_align_celeba"
NAME = re.compile(r"\d{6}\.jpg", re.ASCII)
ALLOWED = {"blond": (-1, 1), "male": (-1, 1), "group": (0, 1, 2, 3), "split": (0, 1, 2)}
TODO = (
    f"If you agree to its terms (non-commercial research), download "
    f"{', '.join(file.name for file in registry.CELEBA.values())} from {registry.CELEBA_PAGE} "
    "and run `python data_scripts/prepare_celeba.py --from FOLDER`."
)
JPEG = b"\xff\xd8\xff"
VERIFIED = "CelebA"  # the name of what was made from the official files


def prepare(source: Path, folder: Path, verified: bool) -> Path:
    """Lay out `folder` from the three files in `source`; see `fetch.prepare_celeba`."""
    if (folder / INDEX).is_file():
        check(folder)
        if verified and (name := title(folder)) != VERIFIED:
            raise CorruptData(
                f"{folder} holds {name}, and verified files were asked for. Move it away and run "
                "data_scripts/prepare_celeba.py again, or use --unverified to keep it."
            )
        return folder
    paths = {key: source / file.name for key, file in registry.CELEBA.items()}
    missing = [path.name for path in paths.values() if not path.is_file()]
    if missing:
        raise DataUnavailable(f"{', '.join(missing)} not in {source}. {TODO}")
    if verified:
        for key, file in registry.CELEBA.items():
            _verify(paths[key], file.sha256)
    index = read_annotations(paths["attributes"], paths["partition"])
    if verified:
        _check_splits(index["split"], paths["partition"])
    with staged(folder, remains=set()) as new:
        (new / IMAGES).mkdir()
        _unpack(paths["images"], new / IMAGES, index["image"].tolist())
        for key in ("attributes", "partition"):
            shutil.copyfile(paths[key], new / paths[key].name)
        np.savez_compressed(new / INDEX, **index)
        if verified:
            write_note(new, {"archive": {INDEX: sha256(new / INDEX)}})
    return folder


def check(folder: Path) -> None:
    """Check that the index can be read and that its images are there, by their number.

    Raises:
        CorruptData: they are not as `prepare` left them.
    """
    todo = f"Move {folder} away and run data_scripts/prepare_celeba.py again."
    try:
        with (folder / INDEX).open("rb") as file, np.load(file) as index:
            lengths = {len(index[key]) for key in ("image", *ALLOWED)}
            odd = [key for key, values in ALLOWED.items() if not np.isin(index[key], values).all()]
            images = [bytes(image).decode("ascii", "replace") for image in index["image"]]
            if odd or len(set(images)) < len(images) or not all(map(NAME.fullmatch, images)):
                raise ValueError(f"values out of range: {', '.join(odd) or 'image'}")
    except (
        OSError,
        TypeError,
        ValueError,
        KeyError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise CorruptData(
            f"{folder / INDEX} {describe(folder / INDEX)}; it is not the index that "
            f"prepare_celeba writes ({error}). {todo}"
        ) from error
    there = sum(1 for _ in (folder / IMAGES).glob("*.jpg"))
    if lengths != {there}:
        raise CorruptData(
            f"{folder / IMAGES} holds {there:,} images, expected "
            f"{' or '.join(f'{n:,}' for n in sorted(lengths))} by {INDEX}. {todo}"
        )


def title(folder: Path) -> str:
    """What to call it: "CelebA" while the index is the one made from the official files."""
    proved = read_note(folder).get("archive") == {INDEX: remembered(folder / INDEX, sha256)}
    return VERIFIED if proved else f"{VERIFIED} (unverified)"


def read_annotations(attributes: Path, partition: Path) -> dict[str, Any]:
    """The arrays of the index, each of shape (n,), from the two official text files.

    Raises:
        CorruptData: they do not have the official format, or do not name the same images.
    """
    images, blond, male = parse_attributes(_text(attributes), str(attributes))
    same_images, split = parse_partition(_text(partition), str(partition))
    if images != same_images:
        raise CorruptData(
            f"{attributes} lists {len(images):,} images and {partition} {len(same_images):,}, "
            f"expected the same images in the same order. {TODO}"
        )
    is_blond, is_male = np.array(blond) > 0, np.array(male) > 0
    return {
        "image": np.array(images, dtype="S"),
        "blond": np.where(is_blond, 1, -1).astype(np.int8),
        "male": np.where(is_male, 1, -1).astype(np.int8),
        "group": (2 * is_blond + is_male).astype(np.uint8),
        "split": np.array(split, dtype=np.uint8),
    }


def parse_attributes(text: str, name: str) -> tuple[list[str], list[int], list[int]]:
    """The images, Blond_Hair and Male (-1/+1) of a `list_attr_celeba.txt`.

    Its first line is the number of images, its second the names of the attributes, then there is
    one line for each image: its file and -1 or 1 for each attribute.
    """
    count, header, *lines = text.rstrip().split("\n") if text.count("\n") > 1 else (text, "")
    attributes = header.split()
    if (
        not re.fullmatch(r"\s*\d{1,9}\s*", count, re.ASCII)
        or len(set(attributes)) < len(attributes)
        or not {"Blond_Hair", "Male"} <= set(attributes)
    ):
        raise CorruptData(
            f"{name} starts with {count[:60]!r} and {header[:60]!r}, expected the number of images "
            f"and the names of the attributes, Blond_Hair and Male among them. {TODO}"
        )
    if len(lines) != int(count):
        raise CorruptData(f"{name} has {len(lines):,} images, its first line says {count}. {TODO}")
    rows = [_row(line, len(attributes), {"-1", "1"}, name) for line in lines]
    blond, male = attributes.index("Blond_Hair") + 1, attributes.index("Male") + 1
    images = _unique([row[0] for row in rows], name)
    return images, [int(row[blond]) for row in rows], [int(row[male]) for row in rows]


def parse_partition(text: str, name: str) -> tuple[list[str], list[int]]:
    """The images and splits (0, 1, 2) of a `list_eval_partition.txt`, one line for each image."""
    rows = [_row(line, 1, {"0", "1", "2"}, name) for line in text.rstrip().split("\n")]
    return _unique([row[0] for row in rows], name), [int(row[1]) for row in rows]


def _row(line: str, values: int, allowed: set[str], name: str) -> list[str]:
    row = line.split()
    # the name becomes a path, so it may be nothing but a number
    if len(row) != 1 + values or not NAME.fullmatch(row[0]) or set(row[1:]) - allowed:
        raise CorruptData(
            f"{name} has the line {line[:60]!r}, expected NNNNNN.jpg and {values} of "
            f"{', '.join(sorted(allowed))}. {TODO}"
        )
    return row


def _unique(images: list[str], name: str) -> list[str]:
    if len(set(images)) < len(images):
        twin = next(image for image in images if images.count(image) > 1)
        raise CorruptData(f"{name} lists {twin} twice, expected every image once. {TODO}")
    return images


def _text(path: Path) -> str:
    with explained(path):
        return path.read_text("utf-8", errors="replace")


def _verify(path: Path, expected: str) -> None:
    with explained(path):
        digest = sha256(path)
    if digest != expected:
        raise CorruptData(
            f"{path} {describe(path)} and SHA-256 {digest}. Expected the official file, SHA-256 "
            f"{expected}. Download it again, or use --unverified if you know it to be right."
        )


def _check_splits(split: np.ndarray, path: Path) -> None:
    sizes = np.bincount(split, minlength=3).tolist()
    if sizes != list(registry.CELEBA_SPLITS.values()):
        raise CorruptData(f"{path} has splits of {sizes}, expected {registry.CELEBA_SPLITS}.")


def _unpack(archive: Path, folder: Path, images: list[bytes]) -> None:
    """Unpack just the images that the annotations name."""
    try:
        with zipfile.ZipFile(archive) as packed:
            for image in tqdm(images, "unpacking", disable=not person_watches(), leave=False):
                content = packed.read(f"{IMAGES}/{image.decode()}")
                if not content.startswith(JPEG):
                    raise CorruptData(f"{image.decode()} in {archive} is not a JPEG image. {TODO}")
                (folder / image.decode()).write_bytes(content)
    except KeyError as error:
        raise CorruptData(f"{archive} lacks an image of the list: {error}. {TODO}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise CorruptData(
            f"{archive} {describe(archive)} and cannot be unpacked ({error}). {TODO}"
        ) from error
