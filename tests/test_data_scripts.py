"""The command lines of data_scripts/, and CelebA from a small set of the official layout."""

import gzip
import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gsutils.data import fetch, mnist, registry
from gsutils.seeding import stream

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ("fetch_mnist", "fetch_cifar", "prepare_celeba", "embed_mnist")
JPEG = b"\xff\xd8\xff\xe0 a stand-in \xff\xd9"
ATTRIBUTES = ["5_o_Clock_Shadow", "Blond_Hair", "Eyeglasses", "Male", "Young"]
BLOND = [1, 1, -1, -1, 1, -1]
MALE = [-1, 1, -1, 1, -1, 1]
SPLIT = [0, 0, 0, 1, 2, 2]
IMAGES = [f"{number:06}.jpg" for number in range(1, 7)]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.setenv("GSUTILS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("GSUTILS_OFFLINE", "1")
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def embedded(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where embed_mnist writes when it is run here: not into the package."""
    path = root.parent / "embedded.npz"
    monkeypatch.setattr(importlib.import_module("data_scripts.embed_mnist"), "EMBEDDED", path)
    return path


def run(script: str, *arguments: object) -> int:
    main: Callable[[list[str]], int] = importlib.import_module(f"data_scripts.{script}").main
    return main([str(argument) for argument in arguments])


# Every script


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_says_what_the_script_does(script: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "data_scripts" / f"{script}.py", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"GSUTILS_DATA": "the place"},
    )
    for said in ("--from DIR", "--to DIR", "GSUTILS_DATA", "the place", f"{script}.py"):
        assert said in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_failure_is_one_message_and_exit_code_1(script: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "data_scripts" / f"{script}.py", "--from", tmp_path / "none"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"{script}: ")
    assert str(tmp_path / "none") in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("script", ["fetch_mnist", "fetch_cifar", "embed_mnist"])
def test_offline_is_said(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(script) == 1
    assert "GSUTILS_OFFLINE" in capsys.readouterr().err


@pytest.mark.parametrize("script", ["fetch_mnist", "fetch_cifar", "embed_mnist"])
@pytest.mark.parametrize("seconds", ["-1", "0", "nan", "inf", "soon"])
def test_a_timeout_that_is_none_is_refused(
    script: str, seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(script, "--timeout", seconds)
    said = f"argument --timeout: must be a finite number of seconds > 0, got '{seconds}'\n"
    assert capsys.readouterr().err.endswith(said)


@pytest.mark.parametrize(
    ("script", "getter"),
    [
        ("fetch_mnist", "mnist"),
        ("fetch_cifar", "cifar"),
        ("prepare_celeba", "prepare_celeba"),
        ("embed_mnist", "mnist"),
    ],
)
def test_an_interruption_is_one_message(
    script: str, getter: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, getter, interrupted)
    assert run(script, "--from", ".") == 1
    assert capsys.readouterr().err == f"{script}: interrupted; run it again to go on.\n"


# MNIST and CIFAR


def test_fetch_mnist_copies_and_says_where(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        key: registry.File(file.name, hashlib.sha256(key.encode()).hexdigest())
        for key, file in registry.MNIST.items()
    }
    monkeypatch.setattr(registry, "MNIST", files)
    for key, file in files.items():
        (tmp_path / f"{file.name}.gz").write_bytes(gzip.compress(key.encode()))
    assert run("fetch_mnist", "--from", tmp_path, "--to", tmp_path / "other") == 0
    assert capsys.readouterr().out == f"MNIST: {tmp_path / 'other' / 'mnist'}\n"
    assert fetch.cached() == {}
    assert fetch.cached(root=tmp_path / "other") == {"mnist": "MNIST"}
    (tmp_path / f"{files['t10k-images'].name}.gz").write_bytes(gzip.compress(b"Fashion"))
    assert run("fetch_mnist", "--from", tmp_path) == 1
    assert "Not MNIST's t10k-images" in capsys.readouterr().err


def idx(array: np.ndarray) -> bytes:
    """An array of bytes in MNIST's format."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


@pytest.fixture
def small_mnist(tmp_path: Path) -> mnist.Digits:
    """120 images of digits in files of MNIST's names."""
    rng = stream(0, "test")
    made = mnist.Digits(
        rng.integers(0, 256, (120, 28, 28), np.uint8), rng.integers(0, 10, 120, np.uint8), "MNIST"
    )
    for key, file in registry.MNIST.items():
        content = idx(made.images if "images" in key else made.digits)
        (tmp_path / f"{file.name}.gz").write_bytes(gzip.compress(content))
    return made


def test_embed_mnist_takes_only_what_is_mnist(
    small_mnist: mnist.Digits,
    embedded: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("embed_mnist", "--from", tmp_path) == 1
    assert "Not MNIST's train-images" in capsys.readouterr().err
    assert not embedded.exists()


def test_embed_mnist_thins_every_fifth_digit_and_says_where(
    small_mnist: mnist.Digits,
    embedded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = {
        key: file._replace(
            sha256=hashlib.sha256(
                gzip.decompress((tmp_path / f"{file.name}.gz").read_bytes())
            ).hexdigest()
        )
        for key, file in registry.MNIST.items()
    }
    monkeypatch.setattr(registry, "MNIST", files)
    in_package = mnist.embedded_digits().record
    assert run("embed_mnist", "--from", tmp_path, "--to", tmp_path / "other") == 0
    assert capsys.readouterr().out == f"MNIST: {embedded}\n"
    assert fetch.cached(root=tmp_path / "other") == {"mnist": "MNIST"}
    mnist.embed(small_mnist, tmp_path / "expected.npz")
    with np.load(embedded) as made, np.load(tmp_path / "expected.npz") as expected:
        assert made["images"].shape == (24, 14, 14)
        for name in ("images", "digits"):
            assert np.array_equal(made[name], expected[name])
    assert mnist.embedded_digits().record == in_package


def test_embed_mnist_hands_its_options_on(
    small_mnist: mnist.Digits,
    root: Path,
    embedded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def mnist_train(**options: object) -> mnist.Digits:
        asked.append(options)
        return small_mnist

    monkeypatch.setattr(mnist, "mnist_train", mnist_train)
    monkeypatch.setattr(fetch, "source_name", lambda name, root: name)
    assert run("embed_mnist") == 0
    assert embedded.exists()
    given = ("--from", tmp_path, "--to", tmp_path / "other", "--timeout", 7)
    assert run("embed_mnist", *given) == 0
    assert asked == [
        {"source": None, "root": root, "timeout": 30.0},
        {"source": tmp_path, "root": tmp_path / "other", "timeout": 7.0},
    ]


def test_fetch_cifar_takes_files_over_and_says_their_name(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = registry.CIFAR["cifar100"]._replace(records={"train.bin": 5, "test.bin": 5})
    monkeypatch.setattr(registry, "CIFAR", registry.CIFAR | {"cifar100": spec})
    for name in spec.records:
        (tmp_path / name).write_bytes(bytes(5 * spec.record_bytes))
    assert run("fetch_cifar", "--name", "cifar100", "--from", tmp_path) == 0
    assert capsys.readouterr().out == f"CIFAR-100 (unverified): {root / spec.folder}\n"
    (root / spec.folder / "test.bin").write_bytes(b"short")
    assert run("fetch_cifar", "--name", "cifar100") == 1
    assert "test.bin has 5 bytes" in capsys.readouterr().err


# CelebA


@pytest.fixture
def excerpt(tmp_path: Path) -> Path:
    """Six images in the official layout."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        archive.writestr("img_align_celeba/", b"")
        archive.writestr("../evil.jpg", JPEG)
        for image in IMAGES:
            archive.writestr(f"img_align_celeba/{image}", JPEG + image.encode())
    lines = [
        f"{image} -1 {blond:2d} -1 {male:2d}  1"
        for image, blond, male in zip(IMAGES, BLOND, MALE, strict=True)
    ]
    (folder / "list_attr_celeba.txt").write_text(
        "\n".join(["6", " ".join(ATTRIBUTES) + " ", *lines]) + "\n"
    )
    (folder / "list_eval_partition.txt").write_text(
        "".join(f"{image} {split}\n" for image, split in zip(IMAGES, SPLIT, strict=True))
    )
    return folder


@pytest.fixture
def official(excerpt: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same six images, as if they were the official set."""
    files = {
        key: registry.File(
            file.name, hashlib.sha256((excerpt / file.name).read_bytes()).hexdigest()
        )
        for key, file in registry.CELEBA.items()
    }
    monkeypatch.setattr(registry, "CELEBA", files)
    monkeypatch.setattr(registry, "CELEBA_SPLITS", {"train": 3, "validation": 1, "test": 2})
    return excerpt


def alter(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_celeba_is_laid_out_and_indexed(
    official: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("prepare_celeba", "--from", official) == 0
    folder = root / "celeba"
    assert capsys.readouterr().out == f"CelebA: {folder}\n"
    with np.load(folder / "index.npz") as index:
        assert index["image"].astype(str).tolist() == IMAGES
        assert index["blond"].tolist() == BLOND
        assert index["male"].tolist() == MALE
        assert index["group"].tolist() == [2, 3, 0, 1, 2, 1]
        assert index["split"].tolist() == SPLIT
    unpacked = {path.name: path.read_bytes() for path in (folder / "img_align_celeba").iterdir()}
    assert unpacked == {image: JPEG + image.encode() for image in IMAGES}
    assert list(root.parent.rglob("evil*")) == []
    assert fetch.celeba() == folder
    assert fetch.cached() == {"celeba": "CelebA"}
    assert {path.name for path in root.iterdir()} == {"celeba", ".gsutils.lock"}
    assert run("prepare_celeba", "--from", official) == 0  # again: checked and kept


def test_an_excerpt_needs_unverified_and_is_named_so(
    excerpt: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("prepare_celeba", "--from", excerpt) == 1
    message = capsys.readouterr().err
    assert str(excerpt / "img_align_celeba.zip") in message
    assert registry.CELEBA["images"].sha256 in message
    assert not (root / "celeba").exists()
    assert run("prepare_celeba", "--from", excerpt, "--unverified") == 0
    assert fetch.source_name("celeba") == "CelebA (unverified)"
    capsys.readouterr()
    assert run("prepare_celeba", "--from", excerpt) == 1  # again, and not what is asked for
    message = capsys.readouterr().err
    assert f"{root / 'celeba'} holds CelebA (unverified)" in message
    assert "Move it away" in message
    assert run("prepare_celeba", "--from", excerpt, "--unverified") == 0


def test_an_altered_index_loses_the_name_and_a_broken_one_is_reported(
    official: Path, root: Path
) -> None:
    folder = fetch.prepare_celeba(official)
    with np.load(folder / "index.npz") as index:
        arrays = dict(index)
    arrays["blond"] = -arrays["blond"]
    np.savez(folder / "index.npz", **arrays)
    assert fetch.source_name("celeba") == "CelebA (unverified)"
    assert fetch.prepare_celeba(official, verified=False) == folder
    with pytest.raises(fetch.CorruptData, match=r"holds CelebA \(unverified\)"):
        fetch.prepare_celeba(official)
    content = (folder / "index.npz").read_bytes()
    for bad in (b"", content[: len(content) // 2], b"<html>"):
        (folder / "index.npz").write_bytes(bad)
        with pytest.raises(fetch.CorruptData, match=r"index\.npz"):
            fetch.celeba()
    (folder / "index.npz").write_bytes(content)
    (folder / "img_align_celeba" / IMAGES[0]).unlink()
    with pytest.raises(fetch.CorruptData, match="5 images, expected 6"):
        fetch.celeba()
    assert fetch.cached() == {}


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("list_attr_celeba.txt", "Blond_Hair", "Blonde", "Blond_Hair and Male among them"),
        ("list_attr_celeba.txt", "Male", "Man", "Blond_Hair and Male among them"),
        ("list_attr_celeba.txt", "6\n", "<html>\n", "the number of images"),
        ("list_attr_celeba.txt", "6\n", "7\n", "has 6 images, its first line says 7"),
        ("list_attr_celeba.txt", "000002.jpg -1", "000002.jpg", "expected NNNNNN.jpg and 5"),
        ("list_attr_celeba.txt", "000002.jpg -1", "000002.jpg 0", "-1, 1"),
        ("list_attr_celeba.txt", "000002.jpg", "../../.jpg", "expected NNNNNN.jpg"),
        ("list_eval_partition.txt", "000002.jpg 0", "000002.jpg 3", "0, 1, 2"),
        ("list_eval_partition.txt", "000002.jpg 0\n", "", "lists 6 images and"),
        ("list_eval_partition.txt", "000002", "000009", "the same images in the same order"),
        ("list_eval_partition.txt", "000001.jpg", "<html>", "expected NNNNNN.jpg"),
    ],
)
def test_annotations_of_another_format_are_reported(
    excerpt: Path, root: Path, file: str, old: str, new: str, said: str
) -> None:
    alter(excerpt / file, old, new)
    with pytest.raises(fetch.CorruptData) as caught:
        fetch.prepare_celeba(excerpt, verified=False)
    assert said in str(caught.value)
    assert str(excerpt / file) in str(caught.value)
    assert not (root / "celeba").exists()


@pytest.mark.parametrize("text", ["", "6", "6\n", "<html></html>"])
def test_an_attribute_list_that_is_none_is_reported(excerpt: Path, text: str) -> None:
    (excerpt / "list_attr_celeba.txt").write_text(text)
    with pytest.raises(fetch.CorruptData, match=r"list_attr_celeba\.txt"):
        fetch.prepare_celeba(excerpt, verified=False)


def test_splits_of_other_sizes_are_reported(
    official: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "CELEBA_SPLITS", {"train": 4, "validation": 1, "test": 1})
    with pytest.raises(fetch.CorruptData, match=r"splits of \[3, 1, 2\]"):
        fetch.prepare_celeba(official)


def test_images_that_are_none_are_reported(excerpt: Path, root: Path) -> None:
    archive = excerpt / "img_align_celeba.zip"
    content = archive.read_bytes()
    cases = [
        (content[:-30], "cannot be unpacked"),
        (b"<html>", "looks like a web page"),
        (content.replace(JPEG + b"000003", JPEG + b"000004"), "cannot be unpacked"),
    ]
    for bad, said in cases:
        archive.write_bytes(bad)
        with pytest.raises(fetch.CorruptData, match=said):
            fetch.prepare_celeba(excerpt, verified=False)
    for image, body in (("000006.jpg", b"<html>"), ("000007.jpg", JPEG)):
        with zipfile.ZipFile(archive, "w") as packed:
            for name in [*IMAGES[:-1], image]:
                packed.writestr(f"img_align_celeba/{name}", body if name == image else JPEG)
        with pytest.raises(fetch.CorruptData, match=r"000006\.jpg"):
            fetch.prepare_celeba(excerpt, verified=False)
    assert {path.name for path in root.iterdir()} == {".gsutils.lock"}


def test_a_full_disk_leaves_nothing_of_celeba(
    excerpt: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(fetch.DataUnavailable, match=r"celeba.*No space left.*Free some space"):
        fetch.prepare_celeba(excerpt, verified=False)
    assert {path.name for path in root.iterdir()} == {".gsutils.lock"}


def test_celeba_is_never_downloaded_and_the_message_says_how_to_get_it(
    excerpt: Path,
) -> None:
    with pytest.raises(ValueError, match=r"never downloaded.*got download=True"):
        fetch.celeba(download=True)
    with pytest.raises(fetch.DataUnavailable, match=r"terms.*prepare_celeba\.py --from"):
        fetch.celeba()
    (excerpt / "list_eval_partition.txt").unlink()
    with pytest.raises(fetch.DataUnavailable, match=r"list_eval_partition\.txt not in"):
        fetch.prepare_celeba(excerpt)
