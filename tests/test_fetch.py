"""Fetching, verifying and naming data sets, on stand-ins served from 127.0.0.1."""

import errno
import gzip
import hashlib
import http.server
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gsutils import _download, _files, fetch, registry

CONTENT = {key: f"{key} of a stand-in".encode() * 500 for key in registry.MNIST}
HTML = b"<!DOCTYPE html><html><body>Please log in</body></html>"
NOISE = bytes(np.random.default_rng(0).integers(0, 256, 200_000, dtype=np.uint8))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers.get("Range")))
        answer = self.server.answers.get(self.path, 404)
        if callable(answer):
            answer(self)
        elif isinstance(answer, int):
            self.send_error(answer)
        else:
            self.send_ranges(answer)

    def send_ranges(self, body: bytes, upto: int | None = None, ranges: bool = True) -> None:
        """Send the range asked for; `upto` breaks off after so many bytes of it."""
        asked = re.match(r"bytes=(\d+)-", self.headers.get("Range", "")) if ranges else None
        start = int(asked[1]) if asked else 0
        if start >= len(body) > 0:
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start:][:upto])
        self.close_connection = upto is not None

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, bytes | int | Callable[[Handler], None]] = {}
        self.requests: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "data"
    monkeypatch.setenv("GSUTILS_DATA", str(root))
    for name in ("GSUTILS_OFFLINE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    fetch.forget_unreachable()
    return root


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
    known = (_files.NOTE, _files.LOCK)
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
    faults: dict[str, bytes | int | Callable[[Handler], None]] = {
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
    answer: bytes | int | Callable[[Handler], None],
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
    mnist: Server, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MNIST_MIRRORS", (silent,))
    start = time.monotonic()
    for _ in range(3):
        with pytest.raises(fetch.DataUnavailable, match=r"no answer within 0\.3 seconds"):
            fetch.mnist(timeout=0.3)
    assert time.monotonic() - start < 0.9
    monkeypatch.setattr(registry, "MNIST_MIRRORS", (silent, mnist.url + "b/"))
    assert contents(fetch.mnist(timeout=0.3)) == CONTENT


def test_a_hanging_name_look_up_costs_the_timeout_once(
    mnist: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()

    def hang(*_: object, **__: object) -> None:
        done.wait(10)
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(registry, "MNIST_MIRRORS", ("http://one.invalid/", "http://two.invalid/"))
    start = time.monotonic()
    for _ in range(3):
        with pytest.raises(fetch.DataUnavailable, match=r"no answer within 0\.2 seconds"):
            fetch.mnist(timeout=0.2)
    assert time.monotonic() - start < 0.8
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


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def full_for_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        write = full  # type: ignore[assignment]

    real = Path.open

    def opened(path: Path, mode: str = "r", *args: object, **kwargs: object) -> object:
        file = real(path, mode, *args, **kwargs)  # type: ignore[call-overload]
        if path.suffix == ".part":
            file.close()
            return Full()
        return file

    monkeypatch.setattr(Path, "open", opened)


@pytest.mark.usefixtures("full_for_downloads")
def test_a_full_disk_while_downloading_leaves_nothing(mnist: Server, root: Path) -> None:
    with pytest.raises(fetch.DataUnavailable, match=r"train-images.*No space.*Free some space"):
        fetch.mnist()
    assert list((root / "mnist").iterdir()) == []


@pytest.mark.usefixtures("full_for_downloads")
def test_a_full_disk_is_not_left_full_of_a_part_to_resume(cifar: str, root: Path) -> None:
    with pytest.raises(fetch.DataUnavailable, match=r"tar\.gz.*No space.*Free some space"):
        fetch.cifar(cifar)
    assert [path.name for path in root.iterdir()] == [_files.LOCK]


def test_a_full_disk_while_unpacking_leaves_nothing(
    mnist: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "copyfileobj", full)
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

    monkeypatch.setattr(_files.tempfile, "mkstemp", refuse)
    assert contents(fetch.mnist()) == CONTENT
    monkeypatch.setattr(fetch, "content_sha256", None)  # remembered for this process at least
    assert contents(fetch.mnist()) == CONTENT


# What was verified is remembered


def test_verified_files_are_not_read_again_until_they_change(
    mnist: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_mnist(root / "mnist")
    fetch.mnist()
    monkeypatch.setattr(_files, "_memory", {})  # as in a new process
    read: list[Path] = []
    monkeypatch.setattr(
        fetch, "content_sha256", lambda path: read.append(path) or _files.content_sha256(path)
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
    (root / "mnist" / _files.NOTE).write_bytes(note.encode("utf-8", "surrogateescape"))
    assert fetch.cached() == {"mnist": "MNIST"}
    assert json.loads((root / "mnist" / _files.NOTE).read_text())["seen"]


# Two processes at once


def test_two_processes_fetch_at_once_and_each_file_comes_once(mnist: Server, root: Path) -> None:
    slow = {path: body for path, body in mnist.answers.items() if isinstance(body, bytes)}

    def slowly(body: bytes) -> Callable[[Handler], None]:
        return lambda handler: (time.sleep(0.1), handler.send_ranges(body))[1]

    mnist.answers = {path: slowly(body) for path, body in slow.items()}
    code = (
        "import json, sys; from gsutils import fetch, registry\n"
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


# Resuming


def retrieve(root: Path, server: Server, expected: bytes = NOISE) -> Path:
    root.mkdir(exist_ok=True)
    target = root / "big.bin"
    _download.retrieve(target, digest(expected), [server.url + "big.bin"], resume=True)
    return target


@pytest.fixture
def broken_off(server: Server, root: Path) -> Server:
    """A server from which 50,000 bytes came before the transfer broke off."""
    server.answers["/big.bin"] = lambda handler: handler.send_ranges(NOISE, upto=50_000)
    with pytest.raises(_download.NoMirror, match="broke off"):
        retrieve(root, server)
    [part] = root.iterdir()
    assert part.suffix == ".part"
    assert NOISE.startswith(part.read_bytes())
    assert part.stat().st_size == 50_000
    server.requests.clear()
    return server


def test_a_broken_download_goes_on_where_it_stopped(broken_off: Server, root: Path) -> None:
    broken_off.answers["/big.bin"] = NOISE
    assert retrieve(root, broken_off).read_bytes() == NOISE
    assert broken_off.requests == [("/big.bin", "bytes=50000-")]
    assert [path.name for path in root.iterdir()] == ["big.bin"]


def test_a_server_without_ranges_sends_it_all_again(broken_off: Server, root: Path) -> None:
    broken_off.answers["/big.bin"] = lambda handler: handler.send_ranges(NOISE, ranges=False)
    assert retrieve(root, broken_off).read_bytes() == NOISE
    assert len(broken_off.requests) == 1


def test_a_file_that_changed_meanwhile_is_fetched_afresh(broken_off: Server, root: Path) -> None:
    changed = NOISE[::-1]
    broken_off.answers["/big.bin"] = changed
    assert retrieve(root, broken_off, changed).read_bytes() == changed
    assert broken_off.requests == [("/big.bin", "bytes=50000-"), ("/big.bin", None)]


def test_a_part_that_is_too_long_is_fetched_afresh(broken_off: Server, root: Path) -> None:
    broken_off.answers["/big.bin"] = NOISE[:1000]
    assert retrieve(root, broken_off, NOISE[:1000]).read_bytes() == NOISE[:1000]


@pytest.mark.parametrize("answer", [503, HTML])
def test_an_error_of_the_server_does_not_lose_what_came(
    broken_off: Server, root: Path, answer: bytes | int
) -> None:
    page = answer
    broken_off.answers["/big.bin"] = (
        page if isinstance(page, int) else lambda handler: handler.send_ranges(page, ranges=False)
    )
    with pytest.raises(_download.NoMirror):
        retrieve(root, broken_off)
    broken_off.answers["/big.bin"] = NOISE
    assert retrieve(root, broken_off).read_bytes() == NOISE
    assert broken_off.requests[-1] == ("/big.bin", "bytes=50000-")


def test_a_stalled_transfer_is_broken_off(
    server: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_download, "STALL", 0.2)
    go_on = threading.Event()

    def stall(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(NOISE)))
        handler.end_headers()
        handler.wfile.write(NOISE[:1000])
        go_on.wait(10)
        handler.close_connection = True

    server.answers["/big.bin"] = stall
    with pytest.raises(_download.NoMirror, match="broke off"):
        retrieve(root, server)
    go_on.set()


# CIFAR


def records(spec: registry.Cifar, name: str) -> bytes:
    data = np.zeros((spec.records[name], spec.record_bytes), np.uint8)
    for column, classes in enumerate(spec.labels.values()):
        data[:, column] = np.arange(len(data)) % classes
    data[:, len(spec.labels) :] = len(name)
    return data.tobytes()


def tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("cifar-10-batches-bin/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return packed.getvalue()


@pytest.fixture(params=["cifar10", "cifar100"])
def cifar(request: pytest.FixtureRequest, server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a stand-in for a CIFAR of 200 records a file."""
    name: str = request.param
    spec = registry.CIFAR[name]
    spec = spec._replace(records=dict.fromkeys(spec.records, 200), mirrors=(server.url,))
    files = {f"{spec.folder}/{file}": records(spec, file) for file in spec.records}
    files |= {f"{spec.folder}/{file}": b"names\n" for file in spec.names}
    files |= {"../evil.bin": b"evil", f"{spec.folder}/../../evil.bin": b"evil", "/evil.bin": b""}
    packed = tar(files)
    spec = spec._replace(archive=registry.File(spec.archive.name, digest(packed)))
    monkeypatch.setattr(registry, "CIFAR", registry.CIFAR | {name: spec})
    server.answers[f"/{spec.archive.name}"] = packed
    return name


def put_cifar(folder: Path, name: str) -> Path:
    spec = registry.CIFAR[name]
    folder.mkdir(parents=True, exist_ok=True)
    for file in spec.records:
        (folder / file).write_bytes(records(spec, file))
    return folder


def test_cifar_is_fetched_unpacked_and_named(
    cifar: str, server: Server, root: Path, tmp_path: Path
) -> None:
    spec = registry.CIFAR[cifar]
    folder = fetch.cifar(cifar)
    assert folder == root / spec.folder
    assert {path.name for path in folder.iterdir()} == {*spec.records, *spec.names, _files.NOTE}
    assert {path.name for path in root.iterdir()} == {spec.folder, _files.LOCK}
    assert list(tmp_path.rglob("evil*")) == []
    assert fetch.source_name(cifar) == spec.title
    assert fetch.cifar(cifar, download=False) == folder
    assert fetch.cached() == {cifar: spec.title}
    assert len(server.requests) == 1


def test_when_cifar_cannot_be_had_the_message_says_where_it_belongs(
    cifar: str, server: Server, root: Path
) -> None:
    server.answers.clear()
    folder = root / registry.CIFAR[cifar].folder
    with pytest.raises(fetch.DataUnavailable) as caught:
        fetch.cifar(cifar)
    assert f"not in {folder} ({server.url}{registry.CIFAR[cifar].archive.name}: HTTP 404" in str(
        caught.value
    )
    assert "data_scripts/fetch_cifar.py" in str(caught.value)


def test_altered_cifar_loses_the_name(cifar: str) -> None:
    path = fetch.cifar(cifar) / next(iter(registry.CIFAR[cifar].records))
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    assert fetch.source_name(cifar) == registry.CIFAR[cifar].title + " (unverified)"


def test_cifar_of_unknown_origin_is_named_unverified_or_what_source_txt_says(
    cifar: str, root: Path
) -> None:
    spec = registry.CIFAR[cifar]
    folder = put_cifar(root / spec.folder, cifar)
    assert fetch.cifar(cifar, download=False) == folder
    assert fetch.source_name(cifar) == f"{spec.title} (unverified)"
    (folder / "SOURCE.txt").write_text(f"{spec.title} (JPEG re-encoding)\n")
    assert fetch.cached() == {cifar: f"{spec.title} (JPEG re-encoding)"}


@pytest.mark.parametrize("text", ["", "two\nlines", "x" * 100])
def test_a_source_txt_that_is_no_name_is_reported(root: Path, cifar: str, text: str) -> None:
    folder = put_cifar(root / registry.CIFAR[cifar].folder, cifar)
    (folder / "SOURCE.txt").write_text(text)
    with pytest.raises(fetch.CorruptData, match=r"SOURCE\.txt.*one line"):
        fetch.source_name(cifar)


def test_cifar_of_the_wrong_structure_is_reported_and_left_alone(cifar: str, root: Path) -> None:
    spec = registry.CIFAR[cifar]
    folder = put_cifar(root / spec.folder, cifar)
    path = folder / list(spec.records)[-1]
    good = path.read_bytes()
    label, classes = list(spec.labels.items())[-1]
    wrong_label = bytearray(good)
    wrong_label[spec.record_bytes + len(spec.labels) - 1] = classes
    cases = [
        (good[:-1], f"Expected {len(good):,} bytes: 200 records"),
        (good + b"\0", f"Expected {len(good):,} bytes: 200 records"),
        (HTML, "web page"),
        (bytes(wrong_label), f"{label} {classes}, expected 0 to {classes - 1}"),
    ]
    for bad, said in cases:
        path.write_bytes(bad)
        with pytest.raises(fetch.CorruptData) as caught:
            fetch.cifar(cifar)
        assert said in str(caught.value)
        assert str(path) in str(caught.value)
        assert path.read_bytes() == bad
        assert fetch.cached() == {}
    path.unlink()
    with pytest.raises(fetch.CorruptData, match=f"incomplete: {path.name} missing"):
        fetch.cifar(cifar)


def test_an_archive_at_hand_is_unpacked_without_network(
    cifar: str, server: Server, root: Path, tmp_path: Path
) -> None:
    spec = registry.CIFAR[cifar]
    packed = server.answers.pop(f"/{spec.archive.name}")
    assert isinstance(packed, bytes)
    root.mkdir()
    (root / spec.archive.name).write_bytes(packed)
    assert fetch.cached() == {}
    fetch.cifar(cifar, download=False)
    assert fetch.source_name(cifar) == spec.title
    assert (root / spec.archive.name).is_file()
    other = tmp_path / "other"
    fetch.cifar(cifar, source=root / spec.folder, root=other)
    assert fetch.source_name(cifar, root=other) == spec.title
    (root / spec.archive.name).rename(tmp_path / spec.archive.name)
    third = tmp_path / "third"
    fetch.cifar(cifar, source=tmp_path, root=third)
    assert fetch.source_name(cifar, root=third) == spec.title
    assert server.requests == []


def test_unpacked_files_are_taken_over_with_their_source_txt(
    cifar: str, root: Path, tmp_path: Path
) -> None:
    spec = registry.CIFAR[cifar]
    put_cifar(tmp_path / "mine" / spec.folder, cifar)
    (tmp_path / "mine" / spec.folder / "SOURCE.txt").write_text("Mine\n")
    fetch.cifar(cifar, source=tmp_path / "mine")
    assert fetch.source_name(cifar) == "Mine"
    with pytest.raises(fetch.DataUnavailable, match="Name the folder"):
        fetch.cifar(cifar, source=tmp_path / "none", root=tmp_path / "other")


def test_a_wrong_archive_is_reported_and_left_alone(cifar: str, root: Path) -> None:
    archive = root / registry.CIFAR[cifar].archive.name
    root.mkdir()
    archive.write_bytes(HTML)
    with pytest.raises(fetch.CorruptData, match=r"web page.*SHA-256"):
        fetch.cifar(cifar)
    assert archive.read_bytes() == HTML


def test_a_full_disk_while_unpacking_cifar_keeps_only_the_archive(
    cifar: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", full)
        with pytest.raises(fetch.DataUnavailable, match=r"No space left.*Free some space"):
            fetch.cifar(cifar)
    spec = registry.CIFAR[cifar]
    assert {path.name for path in root.iterdir()} == {spec.archive.name, _files.LOCK}
    fetch.cifar(cifar, download=False)
    assert fetch.source_name(cifar) == spec.title


def test_old_remains_give_way_and_foreign_files_do_not(cifar: str, root: Path) -> None:
    spec = registry.CIFAR[cifar]
    folder = root / spec.folder
    folder.mkdir(parents=True)
    (folder / "SOURCE.txt").write_text("What was here before\n")
    (folder / "thesis.txt").write_text("precious")
    with pytest.raises(fetch.CorruptData, match=r"already holds thesis\.txt"):
        fetch.cifar(cifar)
    (folder / "thesis.txt").unlink()
    fetch.cifar(cifar)
    assert fetch.source_name(cifar) == spec.title


@pytest.mark.parametrize("name", ["CIFAR10", "", "cifar-10"])
def test_an_unknown_data_set_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"got '{name}'"):
        fetch.cifar(name)
    with pytest.raises(ValueError, match=f"got '{name}'"):
        fetch.source_name(name)


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
