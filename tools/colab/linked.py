"""A stand-in for Colab that costs neither time nor space: libraries by links, and the wheel.

What the book's own build needs (Sphinx, MyST-NB, pytest, …) is not in it, nor is the checkout. It
is made anew only when the package, the results, the project's settings or the libraries change.

>>> {"numpy", "torch", "ipykernel", "pyzmq"} <= set(closure(COLAB))
True
>>> {"myst-nb", "jupytext", "sphinx", "pytest", "gsutils"} & set(closure(COLAB))
set()
"""

import hashlib
import importlib.metadata
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.colab import HOME, build_wheel, write_kernel

KERNEL = "gs-colab"
# Packages of Colab that a notebook may rely on; those that are missing here are passed over.
COLAB = ["torch", "torchvision", "numpy", "scipy", "matplotlib", "scikit-learn", "pandas", "pillow"]
COLAB += ["tqdm", "requests", "pooch", "dacite", "jsonschema", "ipykernel", "ipython", "ipywidgets"]


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


def digest(root: Path, versions: list[tuple[str, str]]) -> str:
    """Digest of all that an environment with these versions is made from."""
    paths = [path for folder in ("gsutils", "results") for path in (root / folder).rglob("*")]
    paths = [path for path in paths if path.is_file() and "__pycache__" not in path.parts]
    paths += [root / "pyproject.toml", *Path(__file__).parent.glob("*.py")]
    result = hashlib.sha256(repr([sys.version, *sorted(versions)]).encode())
    for path in sorted(paths):
        result.update(f"{path}\n".encode() + path.read_bytes())
    return result.hexdigest()


def site_packages(home: Path) -> Path:
    """Where the virtual environment in `home` has its libraries."""
    scheme = {"base": str(home), "platbase": str(home)}
    return Path(sysconfig.get_path("purelib", "venv", scheme))


def link(libraries: dict[str, importlib.metadata.Distribution], packages: Path) -> None:
    """Put links to the libraries into a folder, except to what it already has."""
    for library in libraries.values():
        for top in {file.parts[0] for file in library.files or []} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(Path(str(library.locate_file(top))).resolve())


def environment(root: Path) -> Path:
    """Make the environment and its kernel where they are not up to date; return its Python."""
    home = root / HOME
    python = home / "venv" / "bin" / "python"
    libraries = closure(COLAB)
    current = digest(root, [(name, library.version) for name, library in libraries.items()])
    stamp = home / "stamp"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == current:
        return python
    stamp.unlink(missing_ok=True)
    wheel = build_wheel(root, home / "wheel")
    venv.create(home / "venv", clear=True, symlinks=True)
    packages = site_packages(home / "venv")
    link(libraries, packages)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    write_kernel(root, KERNEL, python)
    stamp.write_text(current, encoding="utf-8")
    return python
