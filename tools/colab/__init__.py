r"""Colab, played on this machine: every notebook runs as it does behind its button.

    python -m tools.colab             # a Python that holds what Colab has, and the built wheel
    python -m tools.colab --runtime   # in Colab's own runtime: a kernel of this very Python
    python -m tools.colab --report    # what the notebooks that have run since must fulfil

The first is quick and comes with every test: it borrows the libraries of the Python that runs it
(`linked`). The second is for the image that Google publishes of the runtime (`.ci/colab`): there
each notebook installs the wheel by its own first cell. Both print the folder of the notebooks, each
alone in its own; nbmake runs them with the kernel of either:

    JUPYTER_PATH=.colab/share/jupyter python -m pytest \
        --nbmake --nbmake-kernel=gs-colab --nbmake-timeout=300 --overwrite .colab/run
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HOME = Path(".colab")  # nbmake passes over every path with "_build" in it
# Settings of pip that put things elsewhere, or take them from other sources than are named.
MISLEADING = {f"PIP_{name}" for name in ("CONSTRAINT", "DRY_RUN", "PREFIX", "REQUIREMENT", "ROOT")}
MISLEADING |= {"PIP_EDITABLE", "PIP_NO_BINARY", "PIP_ONLY_BINARY", "PIP_TARGET", "PIP_USER"}
# How a kernel starts. In Colab the first import is there before a notebook's first cell.
KERNEL = ["-m", "ipykernel_launcher"]
RUNTIME = [
    "-c",
    "import google.colab; from ipykernel import kernelapp as k; k.launch_new_instance()",
]


def build_wheel(root: Path, folder: Path) -> Path:
    """Build the package's wheel in a folder, offline where the build backend is installed.

    Raises:
        RuntimeError: the build fails.
    """
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder)]
    command += ["--no-build-isolation"] * bool(importlib.util.find_spec("hatchling"))
    own = {key: value for key, value in os.environ.items() if key not in MISLEADING}
    command.append(str(root))
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the wheel of {root} cannot be built:\n{done.stderr}")
    return next(folder.glob("*.whl"))


def write_kernel(root: Path, name: str, python: Path, start: list[str] = KERNEL) -> None:
    """Write the Jupyter kernel of an environment's Python under `.colab/share/jupyter`."""
    kernel = root / HOME / "share" / "jupyter" / "kernels" / name / "kernel.json"
    kernel.parent.mkdir(parents=True, exist_ok=True)
    # -I: what PYTHONPATH or the user's own site-packages hold is not in Colab either
    argv = [str(python), "-I", *start, "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "As in Colab", "language": "python"}
    kernel.write_text(json.dumps(spec, indent=1), encoding="utf-8")


def place_notebooks(root: Path, wheel: Path | None = None) -> Path:
    """Copy each committed notebook into an empty folder of its own; return the folder above.

    Args:
        root: the checkout.
        wheel: what their first cells are to install, in place of the repository's release.

    Raises:
        ValueError: a notebook does not install the package from the repository.
    """
    run = root / HOME / "run"
    shutil.rmtree(run, ignore_errors=True)
    for path in sorted((root / "book").glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        if wheel:
            package = f"gsutils @ {wheel.resolve().as_uri()}"
            text, count = re.subn(r"gsutils @ git\+[^\"\\]+", package, text)
            if not count:
                raise ValueError(f"expected 'gsutils @ git+…' in the first cell of {path.name}")
        (run / path.stem).mkdir(parents=True)
        (run / path.stem / path.name).write_text(text, encoding="utf-8")
    return run
