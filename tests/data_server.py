"""A server of stand-ins for the data sets on 127.0.0.1, for the tests of what is fetched."""

import errno
import hashlib
import http.server
import io
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gsutils.data import fetch

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


Answer = bytes | int | Callable[[Handler], None]


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Answer] = {}
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


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "data"
    monkeypatch.setenv("GSUTILS_DATA", str(root))
    for name in ("GSUTILS_OFFLINE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    fetch.forget_unreachable()
    return root


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
