"""The engines that keep a student's code to itself: bubblewrap, a container, or none at all.

Each starts `grading.student` where it sees Python, what is installed, this package and `gsutils`
without its checks, all read-only, and may write to a small folder that is gone afterwards. It has
no network, and no process but its own. The student's end sets the limits of a process itself.

>>> [engine.name for engine in ENGINES.values()]
['bubblewrap', 'docker', 'podman']
"""

import os
import platform
import shutil
import site
import struct
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gsutils

IMAGE = "gsutils-grading"
OWN = "/exercise"
SCRATCH = 64 * 2**20  # bytes of the folder that a student may write to
PACKAGES = [Path(str(gsutils.__file__)).resolve().parent, Path(__file__).resolve().parent]
SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives", "/nix/store")
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "",
    "GSUTILS_OFFLINE": "1",
    "MPLBACKEND": "agg",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONIOENCODING": "utf-8",
}
USERNS = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")  # of Ubuntu's AppArmor
STUDENT = ["-P", "-m", "grading.student"]  # -P: no module of the folder in which it starts

# Calls of the kernel that make a process, memory that no limit counts, or reach what is shared:
# their numbers on x86_64 and aarch64.
REFUSED = {
    "fork": (57, None), "vfork": (58, None), "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "bpf": (321, 280),
    "ptrace": (101, 117), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40),
    "userfaultfd": (323, 282), "perf_event_open": (298, 241), "io_uring_setup": (425, 425),
}  # fmt: skip
CLONE, CLONE3 = (56, 220), (435, 435)
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
THREAD, EPERM, ENOSYS = 0x10000, 1, 38


Process = subprocess.Popen[bytes]


class NoEngine(RuntimeError):
    """There is nothing to keep a student's code in; the message says what to install."""


class Bubblewrap:
    """Namespaces of Linux, through `bwrap`."""

    name, program = "bubblewrap", "bwrap"

    def start(self, name: str, files: Mapping[str, Path], memory: float) -> Process:
        """Start a student's process.

        Args:
            name: one that no other process has now.
            files: what else it may read, by the place at which it finds it.
            memory: in GiB; the student's end keeps to it.

        Raises:
            NoEngine: the calls of this machine's kernel are not known.
            OSError: the engine is not there.
        """
        words = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
        for place in SYSTEM:
            words += ["--ro-bind-try", place, place]
        for place in _libraries():
            words += ["--ro-bind", place, place]
        for package in PACKAGES:
            words += ["--ro-bind", str(package), f"/book/{package.name}"]
        words += ["--tmpfs", "/book/gsutils/checks"]
        for inside, path in files.items():
            words += ["--ro-bind", str(path.resolve()), inside]
        words += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
        words += ["--size", str(SCRATCH), "--tmpfs", OWN, "--chdir", OWN]
        packages = os.pathsep.join(["/book", *_installed()])
        for key, value in {**ENVIRONMENT, **_places(packages, OWN)}.items():
            words += ["--setenv", key, value]
        python = os.path.realpath(sys.executable)  # links may lead through folders that stay out
        ours, theirs = os.pipe()
        try:
            os.write(theirs, seccomp())
            os.close(theirs)
            rest = ["--seccomp", str(ours), "--remount-ro", "/", python, *STUDENT]
            return _popen([*words, *rest], pass_fds=[ours])
        finally:
            os.close(ours)

    def end(self, name: str) -> None:
        """End what outlives the command: nothing, its namespace ends with it."""


class Container:
    """A container of docker or podman."""

    def __init__(self, program: str):
        self.name = self.program = program

    def start(self, name: str, files: Mapping[str, Path], memory: float) -> Process:
        """Start a student's process, as `Bubblewrap.start`."""
        words = [self.program, "run", "--rm", "--interactive", "--name", name, "--network", "none"]
        words += ["--read-only", "--tmpfs", f"{OWN}:rw,size={SCRATCH}", "--workdir", OWN]
        words += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "65534"]
        words += ["--pids-limit", "64", "--cpus", "1", "--memory", f"{memory + 1:g}g"]
        words += ["--memory-swap", f"{memory + 1:g}g", "--pull", "never"]
        for package in PACKAGES:
            words += ["--volume", f"{package}:/book/{package.name}:ro"]
        words += ["--tmpfs", "/book/gsutils/checks:ro"]
        for inside, path in files.items():
            words += ["--volume", f"{path.resolve()}:{inside}:ro"]
        for key, value in {**ENVIRONMENT, **_places("/book", OWN)}.items():
            words += ["--env", f"{key}={value}"]
        return _popen([*words, IMAGE, "python", *STUDENT])

    def end(self, name: str) -> None:
        """End the container: it outlives the command that started it."""
        words = [self.program, "kill", name]
        subprocess.run(words, capture_output=True, timeout=30, check=False)


class Trust:
    """A plain process: time and memory are limited, where the system can, and nothing else."""

    name, program = "trust", sys.executable

    def start(self, name: str, files: Mapping[str, Path], memory: float) -> Process:
        """Start a student's process, as `Bubblewrap.start`; it finds files where they are."""
        kept = ("LD_LIBRARY_PATH", "PATH", "SYSTEMROOT")
        own = {key: os.environ[key] for key in kept if key in os.environ}
        roots = os.pathsep.join(dict.fromkeys(str(package.parent) for package in PACKAGES))
        self._folder(name).mkdir()
        places = _places(roots, str(self._folder(name)))
        environment = {**own, **ENVIRONMENT, **places}
        return _popen([sys.executable, *STUDENT], cwd=self._folder(name), env=environment)

    def end(self, name: str) -> None:
        """Remove the folder in which the process worked."""
        shutil.rmtree(self._folder(name), ignore_errors=True)

    def _folder(self, name: str) -> Path:
        return Path(tempfile.gettempdir(), name)


Engine = Bubblewrap | Container | Trust
ENGINES: dict[str, Engine] = {
    "bubblewrap": Bubblewrap(),
    "docker": Container("docker"),
    "podman": Container("podman"),
}


def installed(wanted: str = "auto") -> list[Engine]:
    """Return the engines to try, best first.

    Raises:
        NoEngine: none of those wanted is installed.
    """
    names = list(ENGINES) if wanted == "auto" else [wanted]
    found = [ENGINES[name] for name in names if shutil.which(ENGINES[name].program)]
    if not found:
        raise NoEngine(f"no {' or '.join(names)} is installed; {remedy()}")
    return found


def remedy() -> str:
    """Return what to do where no engine works."""
    container = f"docker or podman with the image {IMAGE}, made by `docker build -t {IMAGE} "
    container += f"{PACKAGES[1]}`"
    first = "bubblewrap (`apt-get install bubblewrap`) or " if sys.platform == "linux" else ""
    return f"install {first}{container}, or trust the students' code with --trust"


def forbidden(engine: Engine) -> str:
    """Return what to do where Ubuntu's AppArmor keeps bubblewrap from starting, or ""."""
    try:
        restricted = USERNS.read_text(encoding="utf-8").strip() not in ("", "0")
    except OSError:
        restricted = False
    if not restricted or not isinstance(engine, Bubblewrap):
        return ""
    return f": AppArmor may forbid it here, type `sudo sysctl -w kernel.{USERNS.name}=0`"


def seccomp() -> bytes:
    """Return the filter of the kernel's calls, for `bwrap --seccomp`.

    Raises:
        NoEngine: their numbers are not known for this machine.
    """
    if platform.machine() not in MACHINES:
        raise NoEngine(f"bubblewrap's filter knows no {platform.machine()}; {remedy()}")
    column, architecture = MACHINES[platform.machine()]
    load, equal, above, masked, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, kill, refuse = 0x7FFF0000, 0x80000000, 0x00050000
    code = [(load, 0, 0, 4), (equal, 1, 0, architecture), (answer, 0, 0, kill), (load, 0, 0, 0)]
    code += [(above, 0, 1, 0x40000000), (answer, 0, 0, kill)]  # x32: the same calls once more
    code += [(equal, 0, 1, CLONE3[column]), (answer, 0, 0, refuse | ENOSYS)]  # clone is tried then
    for numbers in REFUSED.values():
        if (number := numbers[column]) is not None:
            code += [(equal, 0, 1, number), (answer, 0, 0, refuse | EPERM)]
    code += [(equal, 1, 0, CLONE[column]), (answer, 0, 0, allow)]
    code += [(load, 0, 0, 16), (masked, 0, 1, THREAD), (answer, 0, 0, allow)]
    code += [(answer, 0, 0, refuse | EPERM)]
    return b"".join(struct.pack("=HBBI", *line) for line in code)


def _popen(words: list[str], **options: Any) -> Process:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        words, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, **options
    )


def _libraries() -> list[str]:
    """Return where Python and what is installed are, outside of the system's own folders."""
    places = [sys.base_prefix, *_installed()]
    inside = ("/usr/", "/lib/", "/nix/")
    found = dict.fromkeys(p for p in places if os.path.isdir(p) and not f"{p}/".startswith(inside))
    return [p for p in found if not any(p.startswith(f"{q}/") for q in found)]


def _installed() -> list[str]:
    """Return the folders of installed packages, of a virtual environment too."""
    paths = sysconfig.get_paths()
    places = [paths["purelib"], paths["platlib"], *site.getsitepackages()]
    return list(dict.fromkeys([*places, site.getusersitepackages()]))


def _places(packages: str, own: str) -> dict[str, str]:
    return {"PYTHONPATH": packages, "HOME": own, "TMPDIR": own, "TEMP": own, "TMP": own}
