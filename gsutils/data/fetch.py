"""Data sets: found in the cache or fetched, verified by content, named by what they are.

Everything lies below one folder, `GSUTILS_DATA` or else the user's cache folder:

- `mnist/`: the four MNIST files, unpacked or `.gz`; the SHA-256 of the unpacked content counts.
- `cifar-10-batches-bin/`, `cifar-100-binary/`: the binary versions. Files unpacked here from the
  official archive are "CIFAR-10" for as long as they stay as they were; others are checked by
  structure and are what a `SOURCE.txt` beside them says, or else "CIFAR-10 (unverified)".
- `celeba/`: made by `prepare_celeba` from files that the reader downloads. It is never fetched:
  its terms (non-commercial research) are for the reader to accept.

What is cached is used without network. `GSUTILS_OFFLINE=1` forbids the network altogether. A file
that is already there is never overwritten, right or wrong: a wrong one is reported.

>>> from gsutils.data import fetch
>>> all(name in fetch.DATA_SETS for name in fetch.cached())
True
"""

import os
import shutil
from pathlib import Path

import pooch

from gsutils.data import _celeba, _cifar, _download, registry
from gsutils.data._download import TIMEOUT, forget_unreachable
from gsutils.files import (
    CorruptData,
    DataUnavailable,
    atomic,
    content_sha256,
    describe,
    explained,
    forget,
    locked,
    open_unpacked,
    remembered,
)

__all__ = [
    "DATA_SETS",
    "CorruptData",
    "DataUnavailable",
    "cached",
    "celeba",
    "cifar",
    "data_dir",
    "forget_unreachable",
    "mnist",
    "open_unpacked",
    "prepare_celeba",
    "recheck",
    "source_name",
]

DATA_SETS = ("mnist", "cifar10", "cifar100", "celeba")


def data_dir() -> Path:
    """The folder of all data: `GSUTILS_DATA`, else the user's cache folder; it need not exist."""
    chosen = os.environ.get("GSUTILS_DATA")
    return Path(chosen).expanduser() if chosen else Path(pooch.os_cache("gsutils"))


def mnist(
    download: bool = True,
    *,
    source: Path | None = None,
    root: Path | None = None,
    timeout: float = TIMEOUT,
) -> dict[str, Path]:
    """The four MNIST files, each equal to the official one once unpacked.

    Args:
        download: fetch what is missing.
        source: a folder with the files, to copy from instead of downloading.
        root: the folder of all data; `data_dir()` unless given.
        timeout: seconds within which a server has to answer.

    Returns:
        "train-images", "train-labels", "t10k-images" and "t10k-labels", each with its file, which
        may be gzip: read it with `open_unpacked`.

    Raises:
        CorruptData: a file is there but is not MNIST's.
        DataUnavailable: a file is missing and cannot be had or written.
    """
    root = root or data_dir()
    folder = root / "mnist"
    found = {key: _find_mnist(folder, file) for key, file in registry.MNIST.items()}
    if None in found.values() and (source or _may_download(download)):
        with locked(root), explained(folder):
            folder.mkdir(exist_ok=True)
            for key, file in registry.MNIST.items():
                path = _find_mnist(folder, file)  # another process may have been faster
                if not path and source:
                    path = _copy_mnist(Path(source), file, folder)
                elif not path:
                    path = _fetch_mnist(file, folder, timeout)
                found[key] = path
    missing = [registry.MNIST[key].name for key, path in found.items() if not path]
    if missing:
        raise _unavailable("MNIST", folder, missing, "fetch_mnist.py")
    return {key: path for key, path in found.items() if path}


def cifar(
    name: str,
    download: bool = True,
    *,
    source: Path | None = None,
    root: Path | None = None,
    timeout: float = TIMEOUT,
) -> Path:
    """The folder of CIFAR's binary files, of the right structure; `source_name` says what they are.

    Args:
        name: "cifar10" or "cifar100".
        download: fetch and unpack the archive (160 MiB) where the files are missing.
        source: a folder with the archive or the unpacked files, instead of downloading.
        root: the folder of all data; `data_dir()` unless given.
        timeout: seconds within which the server has to answer.

    Raises:
        ValueError: an unknown name.
        CorruptData: files are missing, of a wrong size, or hold labels out of range.
        DataUnavailable: the files are not there and cannot be had or written.
    """
    spec = _cifar_spec(name)
    root = root or data_dir()
    folder, archive = root / spec.folder, root / spec.archive.name
    if not _cifar.present(folder, spec):
        if not (source or archive.is_file() or _may_download(download)):
            raise _unavailable(spec.title, folder, list(spec.records), "fetch_cifar.py")
        with locked(root):
            if _cifar.present(folder, spec):
                pass  # another process was faster
            elif source:
                _cifar.take(Path(source), folder, spec)
            elif archive.is_file():
                _cifar.unpack(archive, folder, spec)
            else:
                _fetch_cifar(archive, spec, timeout)
                _cifar.unpack(archive, folder, spec)
                archive.unlink()
    _cifar.check(folder, spec)
    return folder


def celeba(download: bool = False, *, root: Path | None = None) -> Path:
    """The folder that `prepare_celeba` made: `index.npz` and `img_align_celeba/`.

    Raises:
        ValueError: `download` is true; CelebA's terms are for the reader to accept.
        CorruptData: the index or the images are not what `prepare_celeba` wrote.
        DataUnavailable: CelebA has not been prepared.
    """
    if download:
        raise ValueError(
            f"CelebA is never downloaded for you, got download={download!r}. {_celeba.TODO}"
        )
    folder = (root or data_dir()) / "celeba"
    if not (folder / _celeba.INDEX).is_file():
        raise DataUnavailable(f"CelebA is not in {folder}. {_celeba.TODO}")
    _celeba.check(folder)
    return folder


def prepare_celeba(source: Path, *, root: Path | None = None, verified: bool = True) -> Path:
    """Lay CelebA out in the cache from the files that the reader downloaded.

    Args:
        source: a folder with `img_align_celeba.zip`, `list_attr_celeba.txt` and
            `list_eval_partition.txt`.
        root: the folder of all data; `data_dir()` unless given.
        verified: hold the files to the official hashes and split sizes; else they need only have
            the official structure, and the result is named "CelebA (unverified)".

    Returns:
        The folder: `img_align_celeba/*.jpg` and `index.npz` with `image` (file names), `blond` and
        `male` (-1/+1), `group` (0 dark-haired women, 1 dark-haired men, 2 blond women, 3 blond
        men) and `split` (0 train, 1 validation, 2 test), each of shape (n,).

    Raises:
        CorruptData: a file is not what it should be, or what was prepared before is not verified
            where that is asked for.
        DataUnavailable: a file is missing, or the cache cannot be written.
    """
    root = root or data_dir()
    with locked(root):
        return _celeba.prepare(Path(source), root / "celeba", verified)


def source_name(name: str, *, root: Path | None = None) -> str:
    """What titles and results call a data set that is at hand.

    Args:
        name: one of `DATA_SETS`.
        root: the folder of all data; `data_dir()` unless given.

    Returns:
        "MNIST", "CIFAR-10", "CIFAR-10 (unverified)", or what a `SOURCE.txt` beside the files says.

    Raises:
        ValueError: an unknown name.
        CorruptData: the data are not what they should be.
        DataUnavailable: the data are not at hand.
    """
    if name == "mnist":
        mnist(download=False, root=root)
        return "MNIST"
    if name == "celeba":
        return _celeba.title(celeba(root=root))
    spec = _cifar_spec(name)
    folder = (root or data_dir()) / spec.folder
    if not _cifar.present(folder, spec):
        raise _unavailable(spec.title, folder, list(spec.records), "fetch_cifar.py")
    return _cifar.title(folder, spec)


def recheck(name: str, *, root: Path | None = None) -> None:
    """Read the files of a data set anew when it is next asked for, whatever is remembered of them.

    Args:
        name: one of `DATA_SETS`.
        root: the folder of all data; `data_dir()` unless given.

    Raises:
        ValueError: an unknown name.
    """
    folder = name if name in ("mnist", "celeba") else _cifar_spec(name).folder
    forget((root or data_dir()) / folder)


def cached(*, root: Path | None = None) -> dict[str, str]:
    """The data sets at hand and in order, each with its `source_name`; the network is not used."""
    names = {}
    for name in DATA_SETS:
        try:
            names[name] = source_name(name, root=root)
        except (CorruptData, DataUnavailable):
            continue
    return names


def _may_download(wanted: bool) -> bool:
    return wanted and os.environ.get("GSUTILS_OFFLINE", "0") in ("", "0")


def _unavailable(
    title: str, folder: Path, missing: list[str], script: str, tried: str = ""
) -> DataUnavailable:
    if not tried:
        offline = not _may_download(True)
        tried = "GSUTILS_OFFLINE forbids the network" if offline else "no download was asked for"
    return DataUnavailable(
        f"{title} is not at hand: {', '.join(missing)} not in {folder} ({tried}). "
        f"With a network, run `python data_scripts/{script}`; or put the files there yourself, "
        f"or set GSUTILS_DATA to the folder that holds {folder.name}/."
    )


def _cifar_spec(name: str) -> registry.Cifar:
    if name not in registry.CIFAR:
        raise ValueError(f"name must be one of {', '.join(DATA_SETS)}, got {name!r}")
    return registry.CIFAR[name]


def _fetch_cifar(archive: Path, spec: registry.Cifar, timeout: float) -> None:
    urls = [mirror + archive.name for mirror in spec.mirrors]
    try:
        _download.retrieve(archive, spec.archive.sha256, urls, resume=True, timeout=timeout)
    except _download.NoMirror as error:
        folder = archive.with_name(spec.folder)
        raise _unavailable(
            spec.title, folder, list(spec.records), "fetch_cifar.py", str(error)
        ) from error


def _find_mnist(folder: Path, file: registry.File) -> Path | None:
    """The file with the right content; None where there is none of its name.

    Raises:
        CorruptData: there are files of its name, all of them wrong.
    """
    dotted = file.name.replace("-idx", ".idx")  # as it is called in some archives
    wrong = []
    for name in (file.name, file.name + ".gz", dotted, dotted + ".gz"):
        path = folder / name
        if not path.is_file():
            continue
        try:
            digest = remembered(path, content_sha256)
        except CorruptData as error:
            wrong.append(str(error))
            continue
        if digest == file.sha256:
            return path
        wrong.append(f"{path} {describe(path)}, and the SHA-256 of its content is {digest}.")
    if wrong:
        raise CorruptData(
            f"Not MNIST's {file.name}: {' '.join(wrong)} Expected the SHA-256 {file.sha256} "
            "(unpacked). The file was left as it is; delete or move it and try again."
        )
    return None


def _copy_mnist(source: Path, file: registry.File, folder: Path) -> Path:
    for place in (source, source / "mnist", source / "MNIST" / "raw"):
        if path := _find_mnist(place, file):
            target = folder / path.name
            with atomic(target) as part:
                shutil.copyfile(path, part)
            return target
    raise DataUnavailable(
        f"{file.name} (or {file.name}.gz) is neither in {source} nor in its mnist/ or MNIST/raw/. "
        "Name the folder that holds the four MNIST files."
    )


def _fetch_mnist(file: registry.File, folder: Path, timeout: float) -> Path:
    urls = [f"{mirror}{file.name}.gz" for mirror in registry.MNIST_MIRRORS]
    try:
        _download.retrieve(folder / file.name, file.sha256, urls, unpack=True, timeout=timeout)
    except _download.NoMirror as error:
        raise _unavailable("MNIST", folder, [file.name], "fetch_mnist.py", str(error)) from error
    return folder / file.name
