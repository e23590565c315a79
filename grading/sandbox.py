"""The grader's end: starting a student's process, calling the answer in it, and ending it.

>>> job = {"name": "f", "code": "def f(x): return 2 * x", "setup": [], "python": ""}
>>> with Sandbox(engines.Trust(), job, Limits()) as box:
...     box.call(4.0)
8.0
"""

import json
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import torch

from grading import engines, student, values
from grading.engines import Engine, NoEngine
from grading.limits import Limits

STARTING = 120.0  # seconds until a process must have imported what it needs
MESSAGES = 10_000  # from one process
UNREADABLE = ("crash", "Its process sent something unreadable.")


class Stopped(BaseException):
    """A student's process gave no answer, or came to an end before it had answered.

    Not an `Exception`: a check that catches what an answer raises must not catch this.

    Attributes:
        status: "failed", "time", "memory", "output" or "crash".
    """

    def __init__(self, status: str, message: str):
        super().__init__(message)
        self.status = status


class Sandbox:
    """A student's process, from the first to the last call.

    Args:
        engine: what keeps it to itself.
        job: what `student.main` does: "read" with the files' places, or "name", "code", "setup"
            and "python"; nothing to see whether the engine starts.
        limits: what it may use.
        clock: seconds by the clock, where fewer are left than the limits give.
        files: what it may read beside what is installed, by the place at which it finds it.
    """

    def __init__(
        self,
        engine: Engine,
        job: dict[str, Any],
        limits: Limits,
        clock: float | None = None,
        files: Mapping[str, Path] | None = None,
    ):
        self.engine, self.job, self.limits, self.files = engine, job, limits, files or {}
        self.clock = limits.clock if clock is None else min(clock, limits.clock)
        self.name = f"exercise-{uuid.uuid4().hex}"
        self.messages = 0
        self.started: float | None = None
        self.answered = False

    def __enter__(self) -> "Sandbox":
        """Start the process, which waits for its job."""
        self.process = self.engine.start(self.name, self.files, self.limits.memory)
        return self

    def __exit__(self, *_: object) -> None:
        """End the process and all that it started."""
        self.kill()
        self.engine.end(self.name)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if not self.answering() and stream is not None:
                with suppress(OSError):
                    stream.close()

    def kill(self) -> int | None:
        """End the process; return its exit code, negative where a signal ended it."""
        with suppress(AttributeError, OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with suppress(OSError):
            self.process.kill()
        with suppress(engines.subprocess.TimeoutExpired):
            self.process.wait(10)
        code = self.process.returncode
        return 128 - code if code is not None and 128 < code < 192 else code  # as engines say it

    def begin(self, tensors: bool = False) -> None:
        """Hand the job over and wait until all that takes time to import is there."""
        limits = {"seconds": self.limits.seconds, "memory": self.limits.memory}
        shut = not isinstance(self.engine, engines.Trust)
        self.receive({**self.job, **limits, "shut": shut, "tensors": tensors}, "ready")
        self.started = time.monotonic()

    def read(self) -> dict[str, Any]:
        """Return what is in the notebook that the job names, as `words.submission` does.

        Raises:
            Stopped: it is not a notebook, or could not be read within the limits.
        """
        self.begin()
        found: dict[str, Any] = self.receive({}, "value")["value"]
        return found

    @property
    def spent(self) -> float:
        """Seconds on the student's clock."""
        return 0.0 if self.started is None else time.monotonic() - self.started

    def call(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the answer, with functions among its arguments kept on this side.

        The first call runs the exercise's cells before.

        Raises:
            Exception: the answer raised an error, whose name and message it has.
            Stopped: the cells gave no answer, or the process came to an end.
        """
        if self.started is None:
            self.begin(any(isinstance(part, torch.Tensor) for part in arguments))
            self.find()
        functions: list[Callable[..., Any]] = []
        sent = {name: values.write(part, functions) for name, part in keywords.items()}
        message = {"arguments": values.write(list(arguments), functions), "keywords": sent}
        while True:
            reply = self.receive(message, "value", "call")
            try:
                if reply["kind"] == "value":
                    return values.read(reply["value"])
                function, asked = functions[reply["function"]], values.read(reply["arguments"])
            except (IndexError, KeyError, TypeError, ValueError):
                raise Stopped(*UNREADABLE) from None
            try:
                message = {"value": values.write(function(*asked))}
            except Exception as error:
                message = {"error": f"{type(error).__name__}: {error}"}

    def find(self) -> None:
        """Run the exercise's cells, and see whether they gave a function."""
        reply, name = self.receive({}, "answer"), self.job["name"]
        if not reply.get("found"):
            raise Stopped("failed", f"The cell has no function {name} and no call checks.{name}().")
        if not reply.get("callable"):
            text = f"Pass the function itself to checks.{name}, not its result."
            raise Stopped("failed", text)
        self.answered = True

    def receive(self, message: dict[str, Any], *kinds: str) -> dict[str, Any]:
        """Send a message and return the reply, which is of one of the kinds."""
        self.messages += 1
        line = self.exchange(json.dumps(message).encode() + b"\n")
        if not line:
            self.ended()
        try:
            if self.messages > MESSAGES:
                raise ValueError("too many messages")
            reply = values.decode(line)
        except ValueError:
            raise Stopped(*UNREADABLE) from None
        kind = reply.get("kind")
        if kind == "stop":
            raise Stopped(*self.stops().get(str(reply.get("why")), UNREADABLE))
        if kind == "error":
            raise self.error(reply)
        if kind not in kinds:
            raise Stopped(*UNREADABLE)
        return reply

    def exchange(self, line: bytes) -> bytes:
        """Write a line and return the next one, b"" where none comes.

        In a thread of its own, since a process may neither read nor write, or leave its pipes to
        others that it started: whatever it does, this returns in time.
        """
        replies: list[bytes] = []

        def talk() -> None:
            with suppress(OSError, ValueError):
                self.process.stdin.write(line)  # type: ignore[union-attr]
                self.process.stdin.flush()  # type: ignore[union-attr]
                replies.append(self.process.stdout.readline(values.LARGEST + 1))  # type: ignore[union-attr]

        self.talk = threading.Thread(target=talk, daemon=True)
        self.talk.start()
        self.talk.join(STARTING if self.started is None else max(0.0, self.clock - self.spent))
        self.expired = self.talk.is_alive()
        return replies[0] if replies else b""

    def answering(self) -> bool:
        """Whether a thread still waits for the process."""
        talk = getattr(self, "talk", None)
        if talk is not None:
            talk.join(1)
        return talk is not None and talk.is_alive()

    def error(self, reply: dict[str, Any]) -> BaseException:
        """Return an error of the student's as one to raise here."""
        name = values.plain(reply.get("type", ""), 60)
        text, line = values.plain(reply.get("message", "")), reply.get("line")
        if self.answered:
            return type(name or "Error", (Exception,), {})(text)
        if not name:
            return Stopped("failed", text)
        what = "A cell that it needs" if reply.get("setup") else "The cell"
        where = f" in line {line}" if isinstance(line, int) else ""
        return Stopped("failed", f"{what} failed{where} with {name}: {text}")

    def stops(self) -> dict[str, tuple[str, str]]:
        """Return why a process gives up: a status and a sentence."""
        return {
            "memory": ("memory", f"It needs more than {self.limits.memory:g} GiB of memory."),
            "printed": ("output", f"It prints more than {student.PRINTED:,} characters."),
            "returned": (
                "output",
                f"It returns more than {values.LARGEST // 2**20} MiB or {values.PARTS:,} parts.",
            ),
        }

    def ended(self) -> NoReturn:
        """Say why the process has come to an end."""
        if self.expired:
            raise Stopped("time", f"No end after {self.clock:.3g} s.")
        with suppress(engines.subprocess.TimeoutExpired):
            self.process.wait(2)
        code = self.kill()
        if self.started is None and self.process.stderr is not None:
            said = self.process.stderr.read(2000).decode("utf-8", "replace")
            raise Stopped("crash", values.plain(said))
        slow = code == -signal.SIGKILL and self.spent >= self.limits.seconds
        if slow or code == -getattr(signal, "SIGXCPU", 0):
            raise Stopped("time", f"No end after {self.limits.seconds:g} s of computing.")
        if code is None or code >= 0:
            raise Stopped("crash", f"It ended its process (exit code {code}).")
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        raise Stopped("crash", f"Its process crashed or was ended by the system ({name}).")


def choose(wanted: str = "auto") -> Engine:
    """Return the first engine that starts.

    Raises:
        NoEngine: none does; the message says why, and what to install.
    """
    why = ""
    for engine in engines.installed(wanted):
        try:
            with Sandbox(engine, {}, Limits()) as sandbox:
                sandbox.begin()
            return engine
        except (OSError, NoEngine, Stopped) as problem:
            said = f"{engine.name} does not start ({values.plain(problem, 200)})"
            why = why or said + engines.forbidden(engine)
    raise NoEngine(f"{why}; {engines.remedy()}")
