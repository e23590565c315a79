"""A download that breaks off goes on where it stopped, on stand-ins served from 127.0.0.1."""

import contextlib
import threading
import time
from pathlib import Path

import data_server
import pytest
from data_server import HTML, NOISE, Handler, Server, digest

from gsutils.data import _download

root, server = data_server.root, data_server.server


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


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"MOST_BYTES": 70_000}, r"sent more than 70,000 bytes, and did not end"),
        ({"STALL": 0.3, "LEAST_RATE": 10**9}, r"sent \d+ bytes a second"),
    ],
)
def test_a_transfer_that_drips_or_has_no_end_is_given_up(limits, said, server, root, monkeypatch):
    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(bytes(1000))
                time.sleep(0.005)

    for name, value in limits.items():
        monkeypatch.setattr(_download, name, value)
    server.answers["/big.bin"] = endless
    with pytest.raises(_download.NoMirror, match=said):
        retrieve(root, server)
