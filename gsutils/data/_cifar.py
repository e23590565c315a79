"""CIFAR's binary files on the disk: unpacked or taken over, checked by structure, named.

A record is its label bytes, then 3,072 bytes of pixels. Files unpacked from the verified archive
have their hashes noted, and lose the archive's name once one of them has changed.

>>> from gsutils.data.registry import CIFAR
>>> present(Path("no", "such", "folder"), CIFAR["cifar10"])
False
"""

import hashlib
import shutil
import tarfile
from functools import partial
from pathlib import Path

import numpy as np

from gsutils.data.registry import Cifar, is_published
from gsutils.files import (
    DAMAGED_GZIP,
    NOTE,
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

SOURCE = "SOURCE.txt"


def present(folder: Path, spec: Cifar) -> bool:
    """Whether any of the binary files is there."""
    return any((folder / name).is_file() for name in spec.records)


def _remains(spec: Cifar) -> set[str]:
    """What may be left of a folder whose binary files were deleted."""
    return {NOTE, SOURCE, "readme.html", *spec.names}


def check(folder: Path, spec: Cifar) -> dict[str, str]:
    """The SHA-256 of each binary file, all of them of the right structure.

    Raises:
        CorruptData: a file is missing, of a wrong size, or holds a label out of range.
    """
    missing = [name for name in spec.records if not (folder / name).is_file()]
    if missing:
        raise CorruptData(
            f"{folder} is incomplete: {', '.join(missing)} missing of {', '.join(spec.records)}. "
            "Add the files, or delete the folder and try again."
        )
    return {name: remembered(folder / name, partial(_examine, spec)) for name in spec.records}


def _examine(spec: Cifar, path: Path) -> str:
    records = spec.records[path.name]
    size = records * spec.record_bytes
    todo = "The file was left as it is; delete or move its folder and try again."
    if path.stat().st_size != size:
        raise CorruptData(
            f"{path} {describe(path)}. Expected {size:,} bytes: {records:,} records of "
            f"{spec.record_bytes:,} bytes. {todo}"
        )
    data = np.fromfile(path, np.uint8)
    for column, (label, classes) in enumerate(spec.labels.items()):
        worst = data[column :: spec.record_bytes].max()
        if worst >= classes:
            raise CorruptData(
                f"{path} holds a {label} {worst}, expected 0 to {classes - 1} in each of the "
                f"{records:,} records. {todo}"
            )
    return hashlib.sha256(data.data).hexdigest()


def classes(folder: Path, spec: Cifar) -> tuple[str, ...]:
    """The names of the finest classes, in the order of their labels.

    Raises:
        CorruptData: the file is missing, or holds other names than the official one.
    """
    path, (*_, count) = folder / spec.names[-1], spec.labels.values()
    try:
        found = path.read_text("ascii").split() if path.stat().st_size < 10_000 else []
    except (OSError, ValueError):
        found = []
    official = list(spec.classes) or sorted(set(found))
    if len(found) != count or found != official:
        raise CorruptData(
            f"{path} does not hold the {count} class names of {spec.title} in their order, so that "
            "labels would be called by wrong names. Take it from the official archive again."
        )
    return tuple(found)


def title(folder: Path, spec: Cifar) -> str:
    """What the files are to be called: what `SOURCE.txt` says, else what can be proved."""
    hashes = check(folder, spec)
    with explained(folder / SOURCE):
        if (folder / SOURCE).is_file():
            lines = (folder / SOURCE).read_text("utf-8", errors="replace").strip().splitlines()
            if len(lines) != 1 or len(lines[0]) > 80 or not lines[0].isprintable():
                raise CorruptData(
                    f"{folder / SOURCE} has {len(lines)} lines. Expected one line of at most 80 "
                    f"characters, the name that titles carry, such as "
                    f'"{spec.title} (JPEG re-encoding)". Correct or delete it.'
                )
            name = lines[0].strip()
            if is_published([name]):
                raise CorruptData(
                    f"{folder / SOURCE} says {name}, which counts as a name of published data: "
                    "files have it where they were unpacked from the official archive. Put what "
                    f"was done to them in brackets, such as {spec.title} (JPEG re-encoding), or "
                    "delete it."
                )
            return name
    if read_note(folder).get("archive") == hashes:
        return spec.title
    return f"{spec.title} (unverified)"


def unpack(archive: Path, folder: Path, spec: Cifar) -> None:
    """Unpack the archive, which must be the official one, to `folder`, in one step.

    Only the files that are expected are read from it, so no name in it can lead elsewhere.

    Raises:
        CorruptData: the archive is not the official one.
        DataUnavailable: the folder cannot be written.
    """
    with explained(archive):
        digest = sha256(archive)
    if digest != spec.archive.sha256:
        raise CorruptData(
            f"{archive} {describe(archive)} and SHA-256 {digest}. Expected the official archive, "
            f"SHA-256 {spec.archive.sha256}. It was left as it is; delete or move it and try again."
        )
    with staged(folder, _remains(spec)) as new:
        try:
            with tarfile.open(archive, "r:gz") as tar:
                for member in tar:
                    name = member.name.removeprefix(f"{spec.folder}/")
                    content = tar.extractfile(member) if member.isreg() else None
                    if content and name in (*spec.records, *spec.names):
                        with (new / name).open("wb") as file:
                            shutil.copyfileobj(content, file)
        except (tarfile.TarError, *DAMAGED_GZIP) as error:
            raise CorruptData(f"{archive} cannot be unpacked ({error}).") from error
        write_note(new, {"archive": check(new, spec), **read_note(new)})


def take(source: Path, folder: Path, spec: Cifar) -> None:
    """Take over the archive or the unpacked files that lie in `source`.

    Raises:
        CorruptData: they are not what they should be.
        DataUnavailable: there is neither, or the folder cannot be written.
    """
    if (source / spec.archive.name).is_file():
        return unpack(source / spec.archive.name, folder, spec)
    for place in (source, source / spec.folder):
        if present(place, spec):
            check(place, spec)
            with staged(folder, _remains(spec)) as new:
                for name in (*spec.records, *spec.names, SOURCE):
                    if (place / name).is_file():
                        shutil.copyfile(place / name, new / name)
                hashes = check(new, spec)
                if read_note(place).get("archive") == hashes:  # another cache of ours
                    write_note(new, {"archive": hashes, **read_note(new)})
            return None
    raise DataUnavailable(
        f"Neither {spec.archive.name} nor the files {', '.join(spec.records)} are in {source} "
        f"or its {spec.folder}/. Name the folder that holds them."
    )
