"""Fetching, verifying and naming data sets, on stand-ins served from 127.0.0.1."""

import contextlib
import errno
import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import data_server
import pytest
from data_server import HTML, NOISE, Answer, Handler, Server, digest, full

from gsutils import files
from gsutils.data import _download, fetch, registry

CONTENT = {key: f"{key} of a stand-in".encode() * 500 for key in registry.MNIST}
root, server = data_server.root, data_server.server
full_for_downloads = data_server.full_for_downloads


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def waiting(listener: socket.socket) -> int:
    """How many connections a server has been asked for that it has not taken."""
    listener.setblocking(False)
    taken = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            taken += 1
    return taken


@pytest.fixture
def mnist(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A stand-in for MNIST, on two mirrors (/a/ and /b/)."""
    files = {
        key: registry.File(file.name, digest(CONTENT[key])) for key, file in registry.MNIST.items()
    }
    monkeypatch.setattr(registry, "MNIST", files)
    monkeypatch.setattr(registry, "MNIST_MIRRORS", (server.url + "a/", server.url + "b/"))
    for key, file in files.items():
        for mirror in "ab":
            server.answers[f"/{mirror}/{file.name}.gz"] = gzip.compress(CONTENT[key])
    return server


def put_mnist(folder: Path, suffix: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for key, file in registry.MNIST.items():
        packed = gzip.compress(CONTENT[key], 1) if suffix == ".gz" else CONTENT[key]
        (folder / (file.name + suffix)).write_bytes(packed)
    return folder


def contents(paths: dict[str, Path]) -> dict[str, bytes]:
    found = {}
    for key, path in paths.items():
        with fetch.open_unpacked(path) as file:
            found[key] = file.read()
    return found


def stray(root: Path) -> list[str]:
    """Files that are neither data nor our notes."""
    known = (files.NOTE, files.LOCK)
    return [
        path.name
        for path in root.rglob("*")
        if path.is_file() and path.name not in known and not path.name.endswith(("-ubyte", ".gz"))
    ]


# The registry


def test_registry_has_secure_addresses_and_whole_hashes() -> None:
    mirrors = [
        *registry.MNIST_MIRRORS,
        *(m for spec in registry.CIFAR.values() for m in spec.mirrors),
    ]
    assert all(re.fullmatch(r"https://[\w.~/-]+/", mirror) for mirror in mirrors)
    files = [*registry.MNIST.values(), *registry.CELEBA.values()]
    files += [spec.archive for spec in registry.CIFAR.values()]
    assert all(re.fullmatch(r"[0-9a-f]{64}", file.sha256) for file in files)
    assert len({file.sha256 for file in files}) == len(files)


def test_registry_gives_the_official_sizes() -> None:
    sizes = {
        name: records * spec.record_bytes
        for spec in registry.CIFAR.values()
        for name, records in spec.records.items()
    }
    batches = [f"data_batch_{batch}.bin" for batch in range(1, 6)]
    assert sizes == dict.fromkeys([*batches, "test_batch.bin"], 30_730_000) | {
        "train.bin": 153_700_000,
        "test.bin": 30_740_000,
    }
    assert sum(registry.CELEBA_SPLITS.values()) == 202_599


# MNIST: found, fetched, copied


def test_data_dir_is_the_environments_or_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GSUTILS_DATA", "~/somewhere")
    assert fetch.data_dir() == Path.home() / "somewhere"
    monkeypatch.delenv("GSUTILS_DATA")
    assert "gsutils" in fetch.data_dir().parts


def test_mnist_is_fetched_once_and_then_works_offline(mnist: Server, root: Path) -> None:
    assert contents(fetch.mnist()) == CONTENT
    assert len(mnist.requests) == 4
    mnist.answers.clear()
    assert contents(fetch.mnist()) == CONTENT
    assert fetch.mnist(download=False).keys() == registry.MNIST.keys()
    assert len(mnist.requests) == 4
    assert stray(root) == []
    assert fetch.cached() == {"mnist": "MNIST"}


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_a_fetched_file_has_the_usual_mode(mnist: Server, root: Path) -> None:
    before = os.umask(0o022)
    try:
        modes = {path.stat().st_mode & 0o777 for path in fetch.mnist().values()}
    finally:
        os.umask(before)
    assert modes == {0o644}


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist_files_that_lie_there_are_used(mnist: Server, root: Path, suffix: str) -> None:
    put_mnist(root / "mnist", suffix)
    assert contents(fetch.mnist()) == CONTENT
    assert mnist.requests == []


def test_gzip_is_known_by_content_not_by_name(mnist: Server, root: Path) -> None:
    put_mnist(root / "mnist", ".gz")
    for path in (root / "mnist").glob("*.gz"):
        path.write_bytes(gzip.decompress(path.read_bytes()))  # as some browsers save it
    assert contents(fetch.mnist(download=False)) == CONTENT


@pytest.mark.parametrize("place", [".", "mnist", "MNIST/raw"])
def test_mnist_is_copied_from_a_folder(
    mnist: Server, root: Path, tmp_path: Path, place: str
) -> None:
    put_mnist(tmp_path / "mine" / place, ".gz")
    assert contents(fetch.mnist(source=tmp_path / "mine")) == CONTENT
    assert mnist.requests == []
    assert stray(root) == []


def test_a_folder_without_mnist_is_named(mnist: Server, tmp_path: Path) -> None:
    with pytest.raises(fetch.DataUnavailable, match=re.escape(str(tmp_path / "none"))):
        fetch.mnist(source=tmp_path / "none")
    assert mnist.requests == []


@pytest.mark.parametrize("fault", ["404", "503", "HTML", "another file", "truncated", "no gzip"])
def test_the_next_mirror_serves_when_the_first_fails(mnist: Server, root: Path, fault: str) -> None:
    name = registry.MNIST["train-images"].name
    good = mnist.answers[f"/a/{name}.gz"]
    assert isinstance(good, bytes)
    faults: dict[str, Answer] = {
        "404": 404,
        "503": 503,
        "HTML": HTML,
        "another file": gzip.compress(b"Fashion-MNIST"),
        "truncated": lambda handler: handler.send_ranges(good, upto=20),
        "no gzip": good[:30],
    }
    mnist.answers[f"/a/{name}.gz"] = faults[fault]
    assert contents(fetch.mnist()) == CONTENT
    assert (f"/b/{name}.gz", None) in mnist.requests
    assert stray(root) == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (HTML, "web page"),
        (404, "HTTP 404"),
        (gzip.compress(b"other", mtime=0), "another file"),
        (gzip.compress(NOISE)[:-9], "damaged gzip"),
        (b"", "another file"),
        (lambda handler: handler.send_ranges(NOISE, upto=20), "broke off"),
    ],
)
def test_when_no_mirror_delivers_the_message_says_why_and_what_to_do(
    mnist: Server,
    root: Path,
    answer: Answer,
    said: str,
) -> None:
    mnist.answers = dict.fromkeys(mnist.answers, answer)
    with pytest.raises(fetch.DataUnavailable) as caught:
        fetch.mnist()
    message = str(caught.value)
    assert message.count(said) == 2
    assert mnist.url + "a/train-images-idx3-ubyte.gz" in message
    assert mnist.url + "b/train-images-idx3-ubyte.gz" in message
    assert str(root / "mnist") in message
    assert "data_scripts/fetch_mnist.py" in message
    assert "\n" not in message
    assert list((root / "mnist").iterdir()) == []


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        HTML,
        CONTENT["train-images"][:-1],
        b"x" + CONTENT["train-images"][1:],
        gzip.compress(CONTENT["train-images"])[:-9],
        gzip.compress(CONTENT["train-labels"]),
    ],
    ids=["empty", "HTML", "truncated", "altered", "truncated gzip", "wrong file"],
)
def test_a_wrong_file_is_reported_and_left_alone(mnist: Server, root: Path, bad: bytes) -> None:
    path = put_mnist(root / "mnist") / registry.MNIST["train-images"].name
    path.write_bytes(bad)
    with pytest.raises(fetch.CorruptData) as caught:
        fetch.mnist()
    message = str(caught.value)
    assert str(path) in message
    assert registry.MNIST["train-images"].sha256 in message
    assert "delete or move it" in message
    assert ("web page" in message) == (bad == HTML)
    assert path.read_bytes() == bad
    assert fetch.cached() == {}
    with pytest.raises(fetch.CorruptData):
        fetch.source_name("mnist")


def test_a_good_file_stays_when_another_is_fetched_badly(mnist: Server, root: Path) -> None:
    folder = put_mnist(root / "mnist")
    (folder / registry.MNIST["t10k-labels"].name).unlink()
    mnist.answers = dict.fromkeys(mnist.answers, HTML)
    with pytest.raises(fetch.DataUnavailable, match="t10k-labels"):
        fetch.mnist()
    kept = {key: file for key, file in registry.MNIST.items() if key != "t10k-labels"}
    assert all((folder / file.name).read_bytes() == CONTENT[key] for key, file in kept.items())


def test_a_good_gz_serves_beside_a_bad_unpacked_file(mnist: Server, root: Path) -> None:
    put_mnist(root / "mnist", ".gz")
    (root / "mnist" / registry.MNIST["train-images"].name).write_bytes(HTML)
    assert contents(fetch.mnist()) == CONTENT


# The network: absent, slow, forbidden


def test_offline_forbids_the_network_and_says_so(
    mnist: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GSUTILS_OFFLINE", "1")
    with pytest.raises(fetch.DataUnavailable, match="GSUTILS_OFFLINE"):
        fetch.mnist()
    with pytest.raises(fetch.DataUnavailable, match="GSUTILS_OFFLINE"):
        fetch.cifar("cifar10")
    assert mnist.requests == []
    assert not root.exists()


def test_without_download_nothing_is_asked_or_made(mnist: Server, root: Path) -> None:
    with pytest.raises(fetch.DataUnavailable, match=r"t10k-labels.*no download was asked for"):
        fetch.mnist(download=False)
    assert fetch.cached() == {}
    assert mnist.requests == []
    assert not root.exists()


def test_a_server_that_never_answers_costs_the_timeout_once(
    mnist: Server, silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
    monkeypatch.setattr(registry, "MNIST_MIRRORS", (address,))
    for _ in range(3):
        with pytest.raises(fetch.DataUnavailable, match=r"no answer within 0\.3 seconds"):
            fetch.mnist(timeout=0.3)
    assert waiting(silent) == 1
    monkeypatch.setattr(registry, "MNIST_MIRRORS", (address, mnist.url + "b/"))
    assert contents(fetch.mnist(timeout=0.3)) == CONTENT


def test_a_hanging_name_look_up_costs_the_timeout_once(
    mnist: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, asked, ended = threading.Event(), [], []

    def hang(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        ended.append(not done.wait(60))
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(registry, "MNIST_MIRRORS", ("http://one.invalid/", "http://two.invalid/"))
    for _ in range(3):
        with pytest.raises(fetch.DataUnavailable, match=r"no answer within 0\.2 seconds"):
            fetch.mnist(timeout=0.2)
    assert asked == ["one.invalid", "two.invalid"]
    assert not ended  # nobody waited for the look-ups themselves
    done.set()


def test_an_unreachable_server_is_asked_again_only_on_request(
    mnist: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    mirror = f"http://127.0.0.1:{closed}/"
    monkeypatch.setattr(registry, "MNIST_MIRRORS", (mirror,))
    with pytest.raises(fetch.DataUnavailable, match="refused"):
        fetch.mnist()
    with pytest.raises(fetch.DataUnavailable, match="not asked again"):
        fetch.mnist()
    fetch.forget_unreachable()
    with pytest.raises(fetch.DataUnavailable) as caught:
        fetch.mnist()
    assert "not asked again" not in str(caught.value)


# The disk


@pytest.mark.usefixtures("full_for_downloads")
def test_a_full_disk_while_downloading_leaves_nothing(mnist: Server, root: Path) -> None:
    with pytest.raises(fetch.DataUnavailable, match=r"train-images.*No space.*Free some space"):
        fetch.mnist()
    assert list((root / "mnist").iterdir()) == []


def test_a_full_disk_while_unpacking_leaves_nothing(
    mnist: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_download, "open_unpacked", full)
    with pytest.raises(
        fetch.DataUnavailable, match=r"train-images.*No space left.*Free some space"
    ):
        fetch.mnist()
    assert list((root / "mnist").iterdir()) == []


def test_a_full_disk_while_copying_leaves_nothing(
    mnist: Server, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_mnist(tmp_path / "mine")
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(
        fetch.DataUnavailable, match=r"train-images.*No space left.*Free some space"
    ):
        fetch.mnist(source=tmp_path / "mine")
    assert list((root / "mnist").iterdir()) == []


def test_a_cache_folder_that_cannot_be_made_is_named(
    mnist: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GSUTILS_DATA", str(tmp_path / "file" / "below"))
    with pytest.raises(fetch.DataUnavailable, match=r"file.below.*writable, or set GSUTILS_DATA"):
        fetch.mnist()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_cache_folder_is_named(mnist: Server, root: Path) -> None:
    root.mkdir(mode=0o555)
    with pytest.raises(fetch.DataUnavailable, match=r"data.*writable, or set GSUTILS_DATA"):
        fetch.mnist()


def test_data_in_a_read_only_folder_are_used(
    mnist: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_mnist(root / "mnist")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(files, "_temporary", refuse)
    assert contents(fetch.mnist()) == CONTENT
    monkeypatch.setattr(fetch, "content_sha256", None)  # remembered for this process at least
    assert contents(fetch.mnist()) == CONTENT


# What was verified is remembered


def test_verified_files_are_not_read_again_until_they_change(
    mnist: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_mnist(root / "mnist")
    fetch.mnist()
    monkeypatch.setattr(files, "_memory", {})  # as in a new process
    read: list[Path] = []
    monkeypatch.setattr(
        fetch, "content_sha256", lambda path: read.append(path) or files.content_sha256(path)
    )
    assert fetch.cached() == {"mnist": "MNIST"}
    assert read == []
    path = root / "mnist" / registry.MNIST["train-labels"].name
    os.utime(path, (1, 1))
    assert fetch.cached() == {"mnist": "MNIST"}
    assert read == [path]
    path.write_bytes(path.read_bytes()[::-1])
    assert fetch.cached() == {}


@pytest.mark.parametrize("note", ["", "[1, 2]", '{"seen": 3}', '{"seen": {"x": 1}}', "\udcff"])
def test_a_damaged_note_costs_a_check_and_no_more(mnist: Server, root: Path, note: str) -> None:
    put_mnist(root / "mnist")
    (root / "mnist" / files.NOTE).write_bytes(note.encode("utf-8", "surrogateescape"))
    assert fetch.cached() == {"mnist": "MNIST"}
    assert json.loads((root / "mnist" / files.NOTE).read_text())["seen"]


# Two processes at once


def test_two_processes_fetch_at_once_and_each_file_comes_once(mnist: Server, root: Path) -> None:
    slow = {path: body for path, body in mnist.answers.items() if isinstance(body, bytes)}

    def slowly(body: bytes) -> Callable[[Handler], None]:
        return lambda handler: (time.sleep(0.1), handler.send_ranges(body))[1]

    mnist.answers = {path: slowly(body) for path, body in slow.items()}
    code = (
        "import json, sys; from gsutils.data import fetch, registry\n"
        "files, mirrors = json.loads(sys.argv[1])\n"
        "registry.MNIST = {key: registry.File(*file) for key, file in files.items()}\n"
        "registry.MNIST_MIRRORS = tuple(mirrors)\n"
        "assert len(fetch.mnist()) == 4\n"
    )
    setting = json.dumps([registry.MNIST, registry.MNIST_MIRRORS])
    command = [sys.executable, "-c", code, setting]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[1] for process in processes] == ["", ""]
    assert [process.returncode for process in processes] == [0, 0]
    assert len(mnist.requests) == 4
    assert contents(fetch.mnist(download=False)) == CONTENT
    assert stray(root) == []


# The real files, where they are at hand


REAL = os.environ.get("GSUTILS_DATA")


@pytest.mark.skipif(
    not REAL or not list(Path(REAL, "mnist").glob("*ubyte*")), reason="GSUTILS_DATA has no MNIST"
)
def test_the_real_mnist_files_have_the_hashes_of_the_registry() -> None:
    assert REAL is not None
    files = fetch.mnist(download=False, root=Path(REAL))
    sizes = {key: len(content) for key, content in contents(files).items()}
    assert sizes == {
        "train-images": 16 + 60_000 * 784,
        "train-labels": 8 + 60_000,
        "t10k-images": 16 + 10_000 * 784,
        "t10k-labels": 8 + 10_000,
    }
