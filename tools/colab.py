r"""A stand-in for Colab: a Python that holds the built wheel and what Colab has, nothing else.

    python -m tools.colab     # builds it, prints the folder of the notebooks to run
    JUPYTER_PATH=.colab/share/jupyter \
        python -m pytest --nbmake --nbmake-kernel=gs-colab --nbmake-timeout=300 .colab/run

The environment borrows its libraries by links from the one that runs this, so it costs neither time
nor space; what the book's own build needs (Sphinx, MyST-NB, pytest, …) is not in it, nor is the
checkout. Every committed notebook is copied into a folder of its own. The environment is made anew
only when the package, the results, the project's settings or the libraries have changed.

>>> {"numpy", "torch", "ipykernel", "pyzmq"} <= set(closure(COLAB))
True
>>> {"myst-nb", "jupytext", "sphinx", "pytest", "gsutils"} & set(closure(COLAB))
set()
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(".colab")  # nbmake passes over every path with "_build" in it
KERNEL = "gs-colab"
# Packages of Colab that a notebook may rely on; those that are missing here are passed over.
COLAB = ["torch", "torchvision", "numpy", "scipy", "matplotlib", "scikit-learn", "pandas", "pillow"]
COLAB += ["tqdm", "requests", "pooch", "jsonschema", "ipykernel", "ipython", "ipywidgets"]


def closure(names: list[str]) -> dict[str, importlib.metadata.Distribution]:
    """The installed distributions among `names` and all that they require, by canonical name."""
    found: dict[str, importlib.metadata.Distribution] = {}
    todo = list(names)
    while todo:
        name = canonicalize_name(todo.pop())
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        for need in map(Requirement, found[name].requires or []):
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                todo.append(need.name)
    return found


def digest(root: Path, libraries: dict[str, importlib.metadata.Distribution]) -> str:
    """Digest of all that the environment is made from."""
    paths = [path for folder in ("gsutils", "results") for path in (root / folder).rglob("*")]
    paths = [path for path in paths if path.is_file() and "__pycache__" not in path.parts]
    versions = [sys.version, *sorted((name, d.version) for name, d in libraries.items())]
    result = hashlib.sha256(repr(versions).encode())
    for path in sorted([*paths, root / "pyproject.toml", Path(__file__)]):
        result.update(f"{path}\n".encode() + path.read_bytes())
    return result.hexdigest()


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


def environment(root: Path) -> Path:
    """Make the environment and its kernel where they are not up to date; return its Python."""
    home = root / HOME
    python = home / "venv" / "bin" / "python"
    libraries = closure(COLAB)
    current, stamp = digest(root, libraries), home / "stamp"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == current:
        return python
    stamp.unlink(missing_ok=True)
    wheel = build_wheel(root, home / "wheel")
    venv.create(home / "venv", clear=True, symlinks=True)
    scheme = {"base": str(home / "venv"), "platbase": str(home / "venv")}
    packages = Path(sysconfig.get_path("purelib", "venv", scheme))
    for library in libraries.values():
        for top in {file.parts[0] for file in library.files or []} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(Path(str(library.locate_file(top))).resolve())
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    kernel = home / "share" / "jupyter" / "kernels" / KERNEL / "kernel.json"
    kernel.parent.mkdir(parents=True, exist_ok=True)
    # -I: what PYTHONPATH or the user's own site-packages hold is not in Colab either
    start = [str(python), "-I", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": start, "display_name": "As in Colab", "language": "python"}
    kernel.write_text(json.dumps(spec, indent=1), encoding="utf-8")
    stamp.write_text(current, encoding="utf-8")
    return python


def place_notebooks(root: Path) -> Path:
    """Copy each committed notebook into an empty folder of its own; return the folder above."""
    run = root / HOME / "run"
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    for notebook in sorted((root / "book").glob("*.ipynb")):
        (run / notebook.stem).mkdir()
        shutil.copyfile(notebook, run / notebook.stem / notebook.name)
    return run


def main(root: Path = ROOT) -> int:
    """Make the environment and the notebooks' folders, and print where these are."""
    environment(root)
    print(place_notebooks(root).relative_to(root))
    return 0


if __name__ == "__main__":
    sys.exit(main())
