"""One file from the first mirror that delivers it: resumed, verified, put in place by pooch.

A server that does not answer within the timeout (a hanging name look-up included) is not asked
again in this process, so a machine without network waits once, a few seconds.

>>> retrieve(Path("train.gz"), digest="", urls=[])
Traceback (most recent call last):
gsutils.data._download.NoMirror
"""

import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pooch
import requests
import urllib3
from tqdm.auto import tqdm

from gsutils.files import DAMAGED_GZIP, apart, explained, is_web_page, open_unpacked
from gsutils.text import person_watches

TIMEOUT = 3.0  # seconds until a server has answered
STALL = 15.0  # seconds without a byte after which a transfer counts as broken
CHUNK = 1 << 18  # bytes
LEAST_RATE = 1_000  # bytes a second, from STALL seconds on; slower ones would take days
MOST_BYTES = 300_000_000  # of any file that is fetched

_unreachable: dict[str, str] = {}  # host -> why


class NoMirror(Exception):
    """None of the mirrors delivered."""


class Failed(Exception):
    """A mirror did not deliver."""


class Unanswered(Failed):
    """A mirror did not answer at all."""


def forget_unreachable() -> None:
    """Ask servers again that gave no answer earlier in this process."""
    _unreachable.clear()


def retrieve(
    target: Path,
    digest: str,
    urls: list[str],
    unpack: bool = False,
    resume: bool = False,
    timeout: float = TIMEOUT,
) -> None:
    """Fetch a file from the first address that delivers it to `target`, verified.

    Args:
        target: the final name, which must not exist yet; nothing wrong ever stands there.
        digest: the SHA-256 of the file, or of its unpacked content with `unpack`.
        urls: the same file on several mirrors, tried in turn.
        unpack: unpack gzip before the check.
        resume: keep what came of a broken transfer (`.part`), and go on from there next time.
        timeout: seconds within which a server has to answer.

    Raises:
        NoMirror: no mirror delivered; the message says why, mirror by mirror.
        DataUnavailable: `target` cannot be written.
    """
    reasons = []
    for url in urls:
        host = urlsplit(url).netloc
        try:
            if host in _unreachable:
                raise Failed(_unreachable[host])
            with explained(target):
                _from_one(url, target, digest, unpack, resume, timeout)
            return
        except Failed as error:
            if isinstance(error, Unanswered):
                _unreachable[host] = f"{error}, and was not asked again"
            reasons.append(f"{url}: {error}")
    raise NoMirror("; ".join(reasons))


def _from_one(
    url: str, target: Path, digest: str, unpack: bool, resume: bool, timeout: float
) -> None:
    """Fetch from one mirror; if a resumed transfer does not verify, once more from the start."""
    part = target.with_name(f"{target.name}.{sha1(url.encode()).hexdigest()[:8]}.part")

    def downloader(url: str, output: str, _: Any) -> None:
        _receive(url, part, resume, timeout)
        os.remove(output)  # pooch made it readable by its owner only
        if not unpack:
            os.replace(part, output)
            return
        try:
            with open_unpacked(part) as packed, open(output, "wb") as plain:
                while chunk := packed.read(CHUNK):
                    if plain.tell() > MOST_BYTES:
                        raise Failed(f"sent more than {MOST_BYTES:,} bytes, unpacked")
                    plain.write(chunk)
            part.unlink()
        except DAMAGED_GZIP as error:
            raise Failed(f"sent a damaged gzip file ({error})") from error

    try:
        again = resume and part.exists()
        while True:
            try:
                with _quiet_pooch(), apart(target) as folder:
                    pooch.retrieve(
                        url, f"sha256:{digest}", target.name, folder, downloader=downloader
                    )
                    os.replace(folder / target.name, target)
                return
            except ValueError as error:  # pooch found another hash, and deleted what came
                if not again:
                    raise Failed(f"sent another file than expected ({error})") from error
                again = False
    except BaseException as error:
        if not resume or isinstance(error, OSError):  # a full disk is not left full
            part.unlink(missing_ok=True)
        raise


def _receive(url: str, part: Path, resume: bool, timeout: float) -> None:
    """Bring `part` to the full length of the file at `url`."""
    start = part.stat().st_size if resume and part.exists() else 0
    with _answer(url, start, timeout) as response:
        if response.status_code == 416 and start:  # nothing lies beyond what we have
            part.unlink()
            return _receive(url, part, resume, timeout)
        if response.status_code not in (200, 206):
            raise Failed(f"HTTP {response.status_code} {response.reason}")
        if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            start = 0  # the server knows no ranges
        length = int(response.headers.get("Content-Length", 0))
        chunks = _chunks(response)
        first = next(chunks, b"")
        if not start and is_web_page(first):
            raise Failed("sent a web page (an error or login page) instead of the file")
        with (
            part.open("ab" if start else "wb") as file,
            tqdm(
                desc=part.name.split(".")[0],
                total=start + length if length else None,
                initial=start,
                unit="B",
                unit_scale=True,
                disable=not person_watches(),
            ) as bar,
        ):
            begun, received = monotonic(), 0
            while first:
                received, passed = received + len(first), monotonic() - begun
                if start + received > MOST_BYTES:
                    raise Failed(f"sent more than {MOST_BYTES:,} bytes, and did not end")
                if passed > STALL and received < LEAST_RATE * passed:
                    raise Failed(f"sent {received / passed:.0f} bytes a second")
                file.write(first)
                bar.update(len(first))
                first = next(chunks, b"")
    return None


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """The bytes as they come over the wire, so that a length means the same to both sides."""
    try:
        while chunk := response.raw.read1(CHUNK, decode_content=False):  # what has come
            yield chunk
    except urllib3.exceptions.HTTPError as error:
        raise Failed(f"the transfer broke off ({error.args[0]})") from error


def _answer(url: str, start: int, timeout: float) -> requests.Response:
    """The server's answer, in a thread of its own because looking up a name knows no timeout."""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    answers: queue.SimpleQueue[requests.Response | Exception] = queue.SimpleQueue()
    late = threading.Event()

    def ask() -> None:
        try:
            answer = requests.get(url, headers=headers, stream=True, timeout=(timeout, STALL))
        except Exception as error:
            answers.put(error)
        else:
            answers.put(answer)
            if late.is_set():
                answer.close()

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=timeout)
    except queue.Empty:
        late.set()
        raise Unanswered(f"no answer within {timeout:g} seconds") from None
    if isinstance(answer, requests.Response):
        return answer
    # requests wraps the cause twice, in words that no reader needs
    cause = getattr(answer.args[0], "reason", answer) if answer.args else answer
    raise Unanswered(str(cause).split(": ", 1)[-1]) from answer


@contextmanager
def _quiet_pooch() -> Iterator[None]:
    """Without pooch's line on the download, which would stand in a built page."""
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)
