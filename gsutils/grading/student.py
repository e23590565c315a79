"""The process in which a student's code runs: shut in, then at the grader's service.

It holds no check: ``gsutils.checks`` is replaced by one that notes the answer it is called with.
Then the grader sends arguments, and gets back what the answer made of them, as `values` writes it.

The operating system enforces the limits on memory, computing time and the size of files where it
can: all on Linux, all but memory on macOS, none on Windows, where the grader's clock remains. A
hook on Python's audit events refuses what no exercise needs, so that an attempt ends with a reason.
It is no wall: code that is out to get around it will, see `book/grading.md`.
"""

import importlib.util
import io
import json
import math
import os
import pickle
import signal
import sys
import sysconfig
import time
import types
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before NumPy is imported

from gsutils.grading import landlock, notebooks, values

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

# What import cells ask for; a fork has them at once, and they need what is refused later.
PRELOAD = ("torch", "scipy.optimize", "scipy.stats", "matplotlib.pyplot", "gsutils.experiments")
LARGEST = 16 * 2**20  # bytes of a message to the grader
CELL = "<exercise>"
PRINTED = 100_000  # characters
FILES = 16 * 2**20  # bytes of a file
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")
ENVIRONMENT = {"GSUTILS_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "MPLBACKEND": "agg"}
REFUSED = {
    "starts no programs": ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn"),
    "starts no processes": ("os.fork", "pty.spawn", "_winapi.CreateProcess"),
    "stops no processes": ("os.kill", "signal.pthread_kill"),
    "opens no connections": ("socket.connect", "socket.bind", "socket.get", "socket.send"),
    "keeps within Python": ("ctypes.", "gc.get_", "resource.", "sqlite3.", "syslog."),
}
CHANGES = {
    f"os.{word}" for word in ("chmod", "chown", "link", "mkdir", "remove", "rename", "rmdir")
}
CHANGES |= {"os.symlink", "os.truncate", "os.utime", "shutil.rmtree", "shutil.move"}


def main(connection: Connection, job: dict[str, Any]) -> None:
    """Do a job: read a notebook, or run an exercise and answer the grader's calls."""
    if hasattr(os, "setsid"):
        os.setsid()  # so that the grader can end it with all that it started
    service = _Service(connection)
    try:
        if "path" in job:
            _limit(job)
            service.send("value", value=_found(job))
        else:
            _run(service, job)
    except notebooks.UnreadableNotebook as error:
        service.send("error", type="", message=str(error))
    except (KeyboardInterrupt, SystemExit, Exception) as error:
        service.fail(error)


def _found(job: dict[str, Any]) -> dict[str, Any]:
    """Return the exercises of a notebook as parts of JSON."""
    assignment = notebooks.read(Path(job["assignment"])) if job["assignment"] else None
    found = notebooks.find(notebooks.read(Path(job["path"])), assignment)
    return values.write({name: vars(exercise) for name, exercise in found.items()})


def _run(service: "_Service", job: dict[str, Any]) -> None:
    """Run an exercise's cells, say whether they gave an answer, and then answer calls."""
    for name in PRELOAD:
        importlib.import_module(name)
    answers: dict[str, Any] = {}
    page = _page(answers)
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ |= {**ENVIRONMENT, "HOME": job["folder"], "TMPDIR": job["folder"]}
    sys.argv, sys.stdin = [""], io.StringIO()
    sys.stdout = sys.stderr = _Paper(service)
    _silence()
    _limit(job)
    _shut_in(job["folder"])
    service.send("ready")
    name = job["name"]
    for code in job["setup"]:
        exec(compile(code, "<setup>", "exec"), vars(page))
    service.at_setup = False
    tree = notebooks.parse(job["code"])
    try:
        exec(compile(tree, CELL, "exec"), vars(page))
    except Exception:  # what comes after the check is not asked for
        if name not in answers:
            raise
    defined = [n for n in [name, *reversed(_functions(tree))] if n in vars(page)]
    answer = answers.get(name, vars(page)[defined[0]] if defined else None)
    service.send("answer", found=name in answers or bool(defined), callable=callable(answer))
    while True:
        service.serve(answer)


def _functions(tree: Any) -> list[str]:
    return [node.name for node in tree.body if type(node).__name__ == "FunctionDef"]


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
    vars(page).update(checks=checks, display=lambda *_, **__: None)
    return page


class _Service:
    """The student's end of the connection."""

    def __init__(self, connection: Connection):
        self.connection = connection
        self.at_setup = True

    def send(self, kind: str, **fields: Any) -> None:
        """Send a message; one that is too long ends the process."""
        message = json.dumps({"kind": kind, **fields}).encode()
        if len(message) > LARGEST:
            self.stop("returned")
        self.connection.send_bytes(message)

    def stop(self, why: str) -> NoReturn:
        """Give up for a reason that the grader knows."""
        self.connection.send_bytes(json.dumps({"kind": "stop", "why": why}).encode())
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
        self.send("error", type=name, message=text, line=line, setup=self.at_setup)

    def serve(self, answer: Any) -> None:
        """Wait for a call and answer it."""
        arguments, keywords = map(self.arguments, pickle.loads(self.connection.recv_bytes()))
        try:
            self.send("value", value=values.write(answer(*arguments.values(), **keywords)))
        except (KeyboardInterrupt, SystemExit, Exception) as error:
            self.fail(error)

    def arguments(self, sent: dict[Any, tuple[bool, Any]]) -> dict[Any, Any]:
        """Return arguments, of which those marked are functions of the grader's."""
        return {key: self.remote(part) if marked else part for key, (marked, part) in sent.items()}

    def remote(self, which: int) -> Callable[..., Any]:
        """Return a function that asks the grader."""

        def ask(*arguments: Any) -> Any:
            self.send("call", function=which, arguments=values.write(list(arguments)))
            right, value = pickle.loads(self.connection.recv_bytes())
            if not right:
                raise ValueError(value)
            return value

        return ask


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


def _silence() -> None:
    """Let what is printed past Python go nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.close(nowhere)


def _limit(job: dict[str, Any]) -> None:
    """Limit computing time, memory, and files, each as far as the system lets us."""
    if resource is None:
        return
    seconds = math.ceil(time.process_time() + job["seconds"])
    limits = {"CORE": (0, 0), "CPU": (seconds, seconds + 1), "FSIZE": (FILES, FILES)}
    with suppress(OSError):  # what is mapped already, libraries above all, does not count
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        size = pages * resource.getpagesize() + int(job["memory"] * 2**30)
        limits["AS"] = (size, size)
    for name, values_ in limits.items():
        with suppress(OSError, ValueError):
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), values_)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def _shut_in(folder: str) -> None:
    """Leave only the folder to write to, and only Python and what is installed to read."""
    package = Path(__file__).resolve().parent.parent
    places = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), str(package)}
    readable = [os.path.realpath(place) for place in places]
    own = os.path.realpath(folder)
    with suppress(OSError):
        landlock.restrict(own, [*readable, *LIBRARIES])
    hidden = [str(package / "checks"), str(package / "grading")]
    sys.addaudithook(_hook(own, readable, hidden))


def _hook(
    own: str, readable: list[str], hidden: list[str]
) -> Callable[[str, tuple[Any, ...]], None]:
    """Return an audit hook that refuses what no exercise needs, and says so."""
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    real, separator = os.path.realpath, os.sep

    def within(path: Any, *roots: str) -> bool:
        place = real(os.fsdecode(path))
        return any(place == root or place.startswith(root + separator) for root in roots)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, int) or within(path, own, os.devnull):
                return
            if flags & writing or not within(path, *readable) or within(path, *hidden):
                raise PermissionError(f"an exercise opens no files outside its folder: {path}")
        elif event in CHANGES:
            paths = [part for part in arguments if isinstance(part, str | bytes | os.PathLike)]
            if event in ("os.link", "os.symlink") or not all(within(p, own) for p in paths):
                raise PermissionError(f"an exercise changes no files outside its folder: {paths}")
        else:
            for what, events in REFUSED.items():
                if event.startswith(events):
                    raise PermissionError(f"an exercise {what} ({event})")

    return hook
