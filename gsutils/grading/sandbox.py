"""The grader's end: starting a student's process, calling the answer in it, and ending it.

>>> with Sandbox({"name": "f", "code": "def f(x): return 2 * x", "setup": []}, Limits()) as box:
...     box.answer()(4.0)
8.0
"""

import json
import math
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any, NoReturn

from gsutils.grading import student, values

# A fork of a process that has imported everything costs milliseconds; elsewhere forks are not safe.
_CONTEXT: Any = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
if sys.platform == "linux":
    _CONTEXT.set_forkserver_preload([student.__name__, *student.PRELOAD])
_LOCK = threading.Lock()
ATTEMPTS = 10
STARTING = 120.0  # seconds until a process must have imported what it needs
UNREADABLE = ("crash", "Its process sent something unreadable.")
KEPT = "HOME LANG LC_ALL LD_LIBRARY_PATH PATH PYTHONPATH SYSTEMROOT TEMP TMP TMPDIR USERPROFILE"


@dataclass(frozen=True)
class Limits:
    """What the code of one exercise may use.

    Attributes:
        seconds: of computing time; by the clock it may take twice as long.
        memory: in GiB, beyond what the libraries take.
    """

    seconds: float = 5.0
    memory: float = 1.0

    def __post_init__(self) -> None:
        """Refuse limits that nothing could meet."""
        for name in ("seconds", "memory"):
            if not 0 < getattr(self, name) <= 3600:
                raise ValueError(f"{name} must be > 0 and <= 3600, got {getattr(self, name)}")

    @property
    def clock(self) -> float:
        """Seconds by the clock."""
        return 2 * self.seconds


class Stopped(BaseException):
    """A student's process came to an end before it had answered.

    Not an `Exception`: a check that catches what an answer raises must not catch this.

    Attributes:
        status: "time", "memory", "output" or "crash".
    """

    def __init__(self, status: str, message: str):
        super().__init__(message)
        self.status = status


class Failed(Exception):
    """A student's cells raised an error before there was an answer."""


class Sandbox:
    """A student's process, from the first to the last call.

    Args:
        job: what `student.main` does: "path" and "assignment", or "name", "code" and "setup".
        limits: what it may use.
        clock: seconds by the clock, where fewer are left than the limits give.
    """

    def __init__(self, job: dict[str, Any], limits: Limits, clock: float | None = None):
        self.limits = limits
        self.clock = limits.clock if clock is None else min(clock, limits.clock)
        self.expired = self.answered = False
        self.started: float | None = None
        self.folder = tempfile.TemporaryDirectory(prefix="exercise-", ignore_cleanup_errors=True)
        self.job = {
            **job,
            "folder": self.folder.name,
            "seconds": limits.seconds,
            "memory": limits.memory,
        }

    def __enter__(self) -> "Sandbox":
        """Start the process."""
        for attempt in range(ATTEMPTS):
            self.connection, theirs = _CONTEXT.Pipe()
            self.process = _CONTEXT.Process(
                target=student.main, args=(theirs, self.job), daemon=True
            )
            try:
                with _LOCK, _bare():
                    self.process.start()
                break
            except (EOFError, OSError):  # the process that forks was stopped: another is started
                self.connection.close()
                if attempt + 1 == ATTEMPTS:
                    self.folder.cleanup()
                    raise
                time.sleep(0.2)
            finally:
                theirs.close()
        self.wind(STARTING)
        return self

    def __exit__(self, *_: object) -> None:
        """End the process and all that it started."""
        self.watch.cancel()
        self.kill()
        self.connection.close()
        self.folder.cleanup()

    def kill(self) -> int | None:
        """End the process; return its exit code."""
        with suppress(AttributeError, OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with suppress(OSError):
            self.process.kill()
        wait([self.process.sentinel], timeout=10)
        with _LOCK:  # reading an exit code takes it away from whoever reads it at the same time
            code: int | None = self.process.exitcode
        return code

    def expire(self) -> None:
        """Note that time is over, and end the process."""
        self.expired = True
        self.kill()

    def exercises(self) -> dict[str, dict[str, Any]]:
        """Return the exercises in the notebook that the job names.

        Raises:
            Failed: it is not a notebook.
            Stopped: it could not be read within the limits.
        """
        self.time()
        found: dict[str, dict[str, Any]] = self.reply()
        return found

    def answer(self) -> Callable[..., Any]:
        """Run the exercise's cells; return a function that calls the answer.

        Raises:
            Failed: the cells raise an error, or give no answer.
            Stopped: they do not come to an end within the limits.
        """
        self.receive("ready")
        self.time()
        message = self.receive("answer")
        if not message.get("found"):
            name = self.job["name"]
            raise Failed(f"The cell has no function {name} and no call checks.{name}(...).")
        if not message.get("callable"):
            name = self.job["name"]
            raise Failed(f"Pass the function itself to checks.{name}, not its result.")
        self.answered = True
        return self.call

    def time(self) -> None:
        """Start the student's clock."""
        self.started = time.monotonic()
        self.watch.cancel()
        self.wind(self.clock)

    @property
    def spent(self) -> float:
        """Seconds on the student's clock."""
        return 0.0 if self.started is None else time.monotonic() - self.started

    def wind(self, seconds: float) -> None:
        """Set the time after which the process ends."""
        self.watch = threading.Timer(seconds, self.expire)
        self.watch.daemon = True
        self.watch.start()

    def call(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the answer, with functions among its arguments kept on this side.

        Raises:
            Exception: the answer raised an error, whose name and message it has.
            Stopped: the process came to an end.
        """
        functions: list[Callable[..., Any]] = []

        def mark(argument: Any) -> tuple[bool, Any]:
            if not callable(argument):
                return False, argument
            functions.append(argument)
            return True, len(functions) - 1

        positional = {i: mark(argument) for i, argument in enumerate(arguments)}
        self.send((positional, {name: mark(argument) for name, argument in keywords.items()}))
        return self.reply(functions)

    def reply(self, functions: list[Callable[..., Any]] | None = None) -> Any:
        """Wait for a value, answering calls of our functions meanwhile."""
        while True:
            message = self.receive("value", "call")
            try:
                if message["kind"] == "value":
                    return values.read(message["value"])
                function = (functions or [])[message["function"]]
                arguments = values.read(message["arguments"])
            except (IndexError, KeyError, TypeError, ValueError):
                raise Stopped(*UNREADABLE) from None
            try:
                self.send((True, function(*arguments)))
            except Exception as error:
                self.send((False, f"{type(error).__name__}: {error}"))

    def send(self, message: Any) -> None:
        """Send a message to the process."""
        try:
            self.connection.send_bytes(pickle.dumps(message))
        except OSError:
            self.ended()

    def receive(self, *kinds: str) -> dict[str, Any]:
        """Wait for a message of one of the kinds."""
        try:
            message = json.loads(self.connection.recv_bytes(student.LARGEST))
        except (EOFError, OSError):
            self.ended()
        except (RecursionError, ValueError):
            message = None
        kind = message.get("kind") if isinstance(message, dict) else None
        if kind == "stop":
            raise Stopped(*self.stops().get(str(message.get("why")), UNREADABLE))
        if kind == "error":
            raise self.error(message)
        if kind not in kinds:
            raise Stopped(*UNREADABLE)
        return dict(message)

    def error(self, message: dict[str, Any]) -> Exception:
        """Return an error of the student's as one to raise here."""
        name = values.plain(message.get("type", ""), 60)
        text, line = values.plain(message.get("message", "")), message.get("line")
        if self.answered:
            return type(name or "Error", (Exception,), {})(text)
        if not name:
            return Failed(text)
        what = "A cell that it needs" if message.get("setup") else "The cell"
        where = f" in line {line}" if isinstance(line, int) else ""
        return Failed(f"{what} failed{where} with {name}: {text}")

    def stops(self) -> dict[str, tuple[str, str]]:
        """Return why a process gives up: a status and a sentence."""
        return {
            "memory": ("memory", f"It needs more than {self.limits.memory:g} GiB of memory."),
            "printed": ("output", f"It prints more than {student.PRINTED:,} characters."),
            "returned": ("output", f"It returns more than {student.LARGEST // 2**20} MiB."),
        }

    def ended(self) -> NoReturn:
        """Say why the process has come to an end."""
        expired = self.expired
        code = self.kill()
        if expired:
            raise Stopped("time", f"No end after {self.clock:.3g} s.")
        if code == -getattr(signal, "SIGXCPU", math.nan):
            raise Stopped("time", f"No end after {self.limits.seconds:g} s of computing.")
        if code is None or code >= 0:
            raise Stopped("crash", f"It ended its process (exit code {code}).")
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        raise Stopped("crash", f"Its process crashed or was ended by the system ({name}).")


@contextmanager
def _bare() -> Iterator[None]:
    """Let processes start without this one's environment, and without its main module."""
    environment, program = dict(os.environ), sys.modules["__main__"]
    for name in set(environment).difference(KEPT.split()):
        del os.environ[name]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program
        os.environ.update(environment)
