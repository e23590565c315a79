"""The student's end: a process that runs an exercise's cells and answers the grader's calls.

`python -m grading.student` reads messages from its standard input and writes to its standard
output, and takes both away before a student's code runs. It limits its own computing time, memory
and files, each as far as the system lets it; all else is kept from it by the engine that started
it, see `grading.engines`.
"""

import ast
import asyncio
import importlib
import inspect
import io
import json
import math
import os
import platform
import signal
import sys
import time
import types
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from grading import cells, notebooks, values, words

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

CELL = "<exercise>"
PRINTED = 100_000  # characters
FILES = 16 * 2**20  # bytes of a file
OPEN = 64  # files and pipes at a time
THREADS = 256
# What takes long to import, and is there before the student's clock runs.
HEAVY = {"gsutils", "matplotlib", "numpy", "scipy", "sklearn", "torch"}


def main() -> None:
    """Do the job in the first message: read a notebook, or run an exercise and answer calls."""
    service = _Service(*_take_over())
    try:
        job = service.receive()
        if "name" in job:
            _run(service, job)
        elif "read" in job:
            _limit(job)
            service.send("ready")
            service.receive()
            paths = [Path(place) for place in job["read"]]
            service.send("value", value=words.submission(*paths))
        else:
            service.send("ready")
    except notebooks.UnreadableNotebook as error:
        service.send("error", type="", message=str(error))
    except (KeyboardInterrupt, SystemExit, Exception) as error:
        service.fail(error)


def _take_over() -> tuple[BinaryIO, BinaryIO]:
    """Return what leads to the grader; what is printed past Python goes nowhere from now on."""
    streams = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.close(nowhere)
    return streams


def _run(service: "_Service", job: dict[str, Any]) -> None:
    """Run an exercise's cells, say whether they gave an answer, and then answer calls."""
    answers: dict[str, Any] = {}
    page, name = _page(answers), job["name"]
    service.python = job["python"]
    _import(job)
    sys.argv, sys.stdin = [""], io.StringIO()
    sys.stdout = sys.stderr = _Paper(service)
    _limit(job)
    service.send("ready")
    service.receive()
    for code in job["setup"]:
        _execute(cells.parse(code), "<setup>", page)
    service.at_setup = False
    tree = cells.parse(job["code"])
    try:
        _execute(tree, CELL, page)
    except (Exception, KeyboardInterrupt, SystemExit):  # what is below the check is not asked for
        if name not in answers:
            raise
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    defined = [n for n in [name, *reversed(functions)] if n in vars(page)]
    answer = answers.get(name, vars(page)[defined[0]] if defined else None)
    found = name in answers or bool(defined)
    service.send("answer", found=found, callable=callable(answer))
    while True:
        service.serve(answer)


def _execute(tree: ast.Module, place: str, page: types.ModuleType) -> None:
    """Run statements, among which may be an await."""
    code = compile(tree, place, "exec", cells.AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, vars(page)))
    else:
        exec(code, vars(page))


def _import(job: dict[str, Any]) -> None:
    """Import what is installed and the cells ask for; a cell that fails does so when it runs."""
    names = ["torch"] if job["tensors"] else []
    for code in [*job["setup"], job["code"]]:
        with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            for node in ast.walk(cells.parse(code)):
                if isinstance(node, ast.Import):
                    names += [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module:
                    names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    for name in dict.fromkeys(names):
        if name.split(".")[0] in HEAVY:
            with suppress(ImportError):
                importlib.import_module(name)


def _page(answers: dict[str, Any]) -> types.ModuleType:
    """Return the module in which cells run; the checks that they call fill `answers`."""

    def check(name: str) -> Callable[[Any], types.SimpleNamespace]:
        if name.startswith("__"):
            raise AttributeError(name)

        def note(answer: Any) -> types.SimpleNamespace:
            answers[name] = answer
            return types.SimpleNamespace(passed=True, message="")

        return note

    import gsutils

    checks = types.ModuleType("gsutils.checks")
    checks.__getattr__ = check  # type: ignore[method-assign]
    sys.modules["gsutils.checks"] = gsutils.checks = checks  # type: ignore[attr-defined]
    page = sys.modules["__main__"] = types.ModuleType("__main__")
    vars(page).update(checks=checks, display=lambda *_, **__: None, get_ipython=cells.Shell)
    return page


class _Service:
    """The way to the grader."""

    def __init__(self, source: BinaryIO, sink: BinaryIO):
        self.source, self.sink = source, sink
        self.at_setup, self.python = True, ""

    def receive(self) -> dict[str, Any]:
        """Return the grader's next message; end where there is none."""
        line = self.source.readline()
        if not line:
            os._exit(0)
        message: dict[str, Any] = json.loads(line)
        return message

    def send(self, kind: str, **fields: Any) -> None:
        """Send a message; one that is too long ends the process."""
        line = json.dumps({"kind": kind, **fields}).encode() + b"\n"
        try:
            values.decode(line)
        except ValueError:
            self.stop("returned")
        self._write(line)

    def stop(self, why: str) -> NoReturn:
        """Give up for a reason that the grader knows."""
        self._write(json.dumps({"kind": "stop", "why": why}).encode() + b"\n")
        os._exit(1)

    def fail(self, error: BaseException) -> None:
        """Send an error; want of memory ends the process."""
        if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
            self.stop("memory")
        line, trace = None, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == CELL:
                line = trace.tb_lineno
            trace = trace.tb_next
        name, text = values.plain(type(error).__name__, 60), values.plain(error)
        ours = f"Python {platform.python_version()}"
        if isinstance(error, SyntaxError) and self.python != ours:
            theirs = (
                f"written with {self.python}" if self.python else "perhaps written with another"
            )
            text += f" (graded with {ours}, {theirs})"
        self.send("error", type=name, message=text, line=line, setup=self.at_setup)

    def serve(self, answer: Any) -> None:
        """Wait for a call and answer it."""
        call = self.receive()
        arguments = values.read(call["arguments"], self.remote)
        keywords = {key: values.read(v, self.remote) for key, v in call["keywords"].items()}
        try:
            self.send("value", value=values.write(answer(*arguments, **keywords)))
        except (KeyboardInterrupt, SystemExit, Exception) as error:
            self.fail(error)

    def remote(self, which: int) -> Callable[..., Any]:
        """Return a function that asks the grader."""

        def ask(*arguments: Any) -> Any:
            self.send("call", function=which, arguments=values.write(list(arguments)))
            reply = self.receive()
            if "error" in reply:
                raise ValueError(reply["error"])
            return values.read(reply["value"])

        return ask

    def _write(self, line: bytes) -> None:
        self.sink.write(line)
        self.sink.flush()


class _Paper(io.TextIOBase):
    """What is printed: counted and forgotten."""

    def __init__(self, service: _Service):
        self.service, self.left = service, PRINTED

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.left -= len(text)
        if self.left < 0:
            self.service.stop("printed")
        return len(text)


def _limit(job: dict[str, Any]) -> None:
    """Limit computing time, memory, and files, each as far as the system lets us."""
    if resource is None:
        return
    seconds = math.ceil(time.process_time() + job["seconds"])
    limits = {"CORE": (0, 0), "CPU": (seconds, seconds + 1), "FSIZE": (FILES, FILES)}
    limits["NOFILE"] = (OPEN, OPEN)
    if job["shut"]:  # else it would count the user's other processes, too
        limits["NPROC"] = (THREADS, THREADS)
    with suppress(OSError):  # what is mapped already, libraries above all, does not count
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        size = pages * resource.getpagesize() + int(job["memory"] * 2**30)
        limits["AS"] = (size, size)
    for name, pair in limits.items():
        with suppress(OSError, ValueError):
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), pair)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


if __name__ == "__main__":
    main()
