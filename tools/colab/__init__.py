r"""Colab, played on this machine: every notebook runs as it does behind its button.

    python -m tools.colab             # a Python that holds what Colab has, and the built wheel
    python -m tools.colab --pinned    # the same in the very versions that Colab publishes
    python -m tools.colab --report    # what the notebooks that have run since must fulfil
    python -m tools.colab --refresh   # read Colab's published versions anew

The first is quick and comes with every test: it borrows the libraries of the Python that runs it
(`linked`). The second installs the published versions (`published`) and then adds the package
with the notebook's own first cell, which must change nothing else (`pinned`). Both print the folder
of the notebooks, each alone in its own; nbmake runs them with the kernel of either:

    JUPYTER_PATH=.colab/share/jupyter python -m pytest \
        --nbmake --nbmake-kernel=gs-colab --nbmake-timeout=300 --overwrite .colab/run
"""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HOME = Path(".colab")  # nbmake passes over every path with "_build" in it
# What a notebook needs of Jupyter, besides what the package requires, and what installs it.
NOTEBOOK = ["ipykernel", "ipython", "ipywidgets", "pip"]


def build_wheel(root: Path, folder: Path) -> Path:
    """Build the package's wheel in a folder, offline where the build backend is installed.

    Raises:
        RuntimeError: the build fails.
    """
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder)]
    command += ["--no-build-isolation"] * bool(importlib.util.find_spec("hatchling"))
    done = subprocess.run([*command, str(root)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the wheel of {root} cannot be built:\n{done.stderr}")
    return next(folder.glob("*.whl"))


def write_kernel(root: Path, name: str, python: Path) -> None:
    """Write the Jupyter kernel of an environment's Python under `.colab/share/jupyter`."""
    kernel = root / HOME / "share" / "jupyter" / "kernels" / name / "kernel.json"
    kernel.parent.mkdir(parents=True, exist_ok=True)
    # -I: what PYTHONPATH or the user's own site-packages hold is not in Colab either
    start = [str(python), "-I", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": start, "display_name": "As in Colab", "language": "python"}
    kernel.write_text(json.dumps(spec, indent=1), encoding="utf-8")


def place_notebooks(root: Path) -> Path:
    """Copy each committed notebook into an empty folder of its own; return the folder above."""
    run = root / HOME / "run"
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    for notebook in sorted((root / "book").glob("*.ipynb")):
        (run / notebook.stem).mkdir()
        shutil.copyfile(notebook, run / notebook.stem / notebook.name)
    return run
