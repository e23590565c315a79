"""An environment of the versions that Colab publishes; the notebooks' first cell adds the package.

Every package comes from pip, exactly as published and without what it requires: Colab, for one,
has IPython without jedi. PyTorch comes with its libraries; where pip cannot have that version, or
where it is told to borrow, the one that runs this stands in, and the output says so.
"""

import json
import re
import subprocess
import sys
import venv
from pathlib import Path

from tools.colab import HOME, build_wheel, write_kernel
from tools.colab.linked import closure, link, site_packages
from tools.colab.published import PYTHON, load, public

KERNEL = "gs-colab-pinned"
# Arguments: the Python that %pip is to serve, and a file with the cell.
RUN_CELL = """\
import sys, types
from IPython.core.interactiveshell import InteractiveShell

sys.executable = sys.argv[1]
sys.modules["google.colab"] = types.ModuleType("google.colab")
shell = InteractiveShell.instance()
shell.run_cell(open(sys.argv[2], encoding="utf-8").read()).raise_error()
sys.exit(shell.user_ns["_exit_code"])
"""


def installed(python: Path) -> dict[str, str]:
    """The versions that an environment's pip lists."""
    command = [str(python), "-I", "-m", "pip", "list", "--format=json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {item["name"]: item["version"] for item in json.loads(done.stdout)}


def install_cell(notebook: Path, wheel: Path) -> str:
    """The first code cell of a notebook, with a wheel in place of the repository's release.

    Raises:
        ValueError: it does not install the package from the repository.
    """
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    source = "".join(next(cell["source"] for cell in cells if cell["cell_type"] == "code"))
    source, count = re.subn(r"gsutils @ git\+[^\"]+", wheel.as_posix(), source)
    if not count:
        raise ValueError(f"expected 'gsutils @ git+…' in the first cell of {notebook.name}")
    return source


def run_install_cell(python: Path, cell: str, ipython: Path) -> dict[str, list[str | None]]:
    """Run an install cell as in Colab; return name: [version before, after] of what changed.

    Args:
        python: the environment that the cell's pip serves.
        cell: the cell's code.
        ipython: a Python with IPython that runs the cell; Colab's is `python` itself.

    Raises:
        RuntimeError: the cell, or its pip, fails.
    """
    before = installed(python)
    path = python.parent.parent / "install_cell.py"
    path.write_text(cell, encoding="utf-8")
    command = [str(ipython), "-I", "-c", RUN_CELL, str(python), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the install cell fails:\n{done.stdout}{done.stderr}")
    after = installed(python)
    names = sorted(before.keys() | after.keys())
    changes = {name: [before.get(name), after.get(name)] for name in names}
    return {name: [old, new] for name, (old, new) in changes.items() if old != new}


def pip(python: Path, *arguments: str) -> str:
    """Run an environment's pip; return what it complains about, empty when it succeeds."""
    command = [str(python), "-I", "-m", "pip", *arguments, "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr or f"exit status {done.returncode}" if done.returncode else ""


def libraries(root: Path, home: Path, borrow_torch: bool) -> None:
    """Install the published versions into a new environment, unless they are there.

    Raises:
        RuntimeError: a version cannot be installed.
    """
    versions = {name: public(version) for name, version in load(root).items()}
    current = repr([sys.version, versions, borrow_torch])
    stamp = home / "stamp"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == current:
        return
    venv.create(home, clear=True, symlinks=True, with_pip=True)
    python = home / "bin" / "python"
    torch = f"torch=={versions.pop('torch')}"
    pins = [f"{name}=={version}" for name, version in versions.items()]
    if failed := pip(python, "install", "--no-deps", *pins):
        raise RuntimeError(f"Colab's versions cannot be installed here:\n{failed}")
    if borrow_torch or pip(python, "install", torch, *pins):
        link(closure(["torch"]), site_packages(home))
    stamp.write_text(current, encoding="utf-8")


def environment(root: Path, borrow_torch: bool = False) -> Path:
    """Make the environment with today's package, and its kernel; return its Python.

    Args:
        root: the checkout.
        borrow_torch: link the PyTorch that runs this, rather than download the published one.

    Raises:
        RuntimeError: a version cannot be installed, or the first cell changes what was installed.
    """
    home = root / HOME / "pinned"
    python = home / "bin" / "python"
    libraries(root, home, borrow_torch)
    pip(python, "uninstall", "--yes", "gsutils")
    cell = install_cell(min((root / "book").glob("*.ipynb")), build_wheel(root, home / "wheel"))
    changed = run_install_cell(python, cell, python)
    if set(changed) != {"gsutils"} or changed["gsutils"][0] is not None:
        raise RuntimeError(f"the first cell must add gsutils and change nothing else: {changed}")
    write_kernel(root, KERNEL, python)
    return python


def describe(root: Path, python: Path) -> str:
    """What the environment holds, and where that differs from what Colab publishes."""
    versions, here = load(root), installed(python)
    colab = (root / PYTHON).read_text(encoding="utf-8").strip()
    mine = ".".join(map(str, sys.version_info[:2]))
    lines = [f"{len(versions)} packages in the versions that Colab publishes, and the built wheel."]
    if mine != colab:
        lines.append(f"Python {mine} stands in for Colab's {colab}.")
    if public(here["torch"]) != public(versions["torch"]):
        lines.append(f"PyTorch {here['torch']} stands in for Colab's {versions['torch']}.")
    return "\n".join(lines)
