r"""The versions that Colab publishes, of the packages that the notebooks need.

Colab's makers publish what a runtime holds. `tests/colab/packages.txt` keeps the lines of its GPU
runtime for what `gsutils` and Jupyter need there, `tests/colab/.python-version` its Python.

>>> parse("# a comment\ntorch==2.11.0+cu128\ngdown @ file:///gdown.whl\nPyYAML==6.0.3\n")
{'torch': '2.11.0+cu128', 'pyyaml': '6.0.3'}
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import requests
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.colab import NOTEBOOK

SOURCE = "https://github.com/googlecolab/backend-info"
RAW = "https://raw.githubusercontent.com/googlecolab/backend-info/{commit}/{name}"
FREEZE, SYSTEM = "pip-freeze.gpu.txt", "os-info-gpu.txt"
PACKAGES = Path("tests") / "colab" / "packages.txt"
PYTHON = Path("tests") / "colab" / ".python-version"
HEADER = """\
# What Colab's GPU runtime holds of the packages that the notebooks need.
# From {source}, {name} at {commit}, read {day}.
# Written by `python -m tools.colab --refresh`; do not edit.
"""


def parse(text: str) -> dict[str, str]:
    """The versions in a list as `pip freeze` writes it, by canonical name; local files left out.

    Raises:
        ValueError: it holds no version.
    """
    found = re.findall(r"^([\w.-]+)==(\S+)$", text, flags=re.MULTILINE)
    if not found:
        raise ValueError(
            f"expected lines NAME==VERSION as pip freeze writes them, got {text[:80]!r}"
        )
    return {str(canonicalize_name(name)): version for name, version in found}


def public(version: str) -> str:
    """A version without the label of its build: 2.11.0 for 2.11.0+cu128."""
    return version.partition("+")[0]


def requirements(root: Path) -> list[Requirement]:
    """What the package requires: nothing installs it in Colab, so Colab has to have it."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return [Requirement(line) for line in settings["project"]["dependencies"]]


def load(root: Path) -> dict[str, str]:
    """The committed versions, by canonical name."""
    return parse((root / PACKAGES).read_text(encoding="utf-8"))


def needed(root: Path, versions: dict[str, str]) -> set[str]:
    """The published packages that pip takes for the package's requirements and for Jupyter's.

    Raises:
        RuntimeError: Colab has no versions that fit, or pip reaches no index.
    """
    with tempfile.TemporaryDirectory() as folder:
        limits, report = Path(folder, "constraints.txt"), Path(folder, "report.json")
        lines = [f"{name}=={public(version)}\n" for name, version in versions.items()]
        limits.write_text("".join(lines), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"]
        command += ["--ignore-installed", "--constraint", str(limits), "--report", str(report)]
        command += [*map(str, requirements(root)), *NOTEBOOK]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"pip finds no way to have Colab's versions:\n{done.stderr}")
        taken = json.loads(report.read_text(encoding="utf-8"))["install"]
    names = {str(canonicalize_name(item["metadata"]["name"])) for item in taken}
    return names & set(versions)


def fetch(name: str, commit: str, folder: Path | None) -> str:
    """A published file, from the network or from a folder.

    Raises:
        ConnectionError: it cannot be fetched.
    """
    if folder is not None:
        return (folder / name).read_text(encoding="utf-8")
    address = RAW.format(commit=commit, name=name)
    try:
        answer = requests.get(address, timeout=60)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise ConnectionError(
            f"{address} cannot be fetched ({type(error).__name__}); {PACKAGES} stays as it is. "
            f"Try again later, or put {FREEZE} and {SYSTEM} into a folder: --refresh --from FOLDER"
        ) from error
    return answer.text


def refresh(root: Path, commit: str = "main", folder: Path | None = None) -> None:
    """Write the versions anew from what is published.

    Args:
        root: the checkout.
        commit: which version of the published files; "main" is the newest.
        folder: where the files lie; None fetches them.

    Raises:
        ConnectionError: they cannot be fetched.
        ValueError: they have another form than expected.
        RuntimeError: Colab has no versions that fit.
    """
    versions = parse(fetch(FREEZE, commit, folder))
    system = fetch(SYSTEM, commit, folder)
    python = re.search(r"^Python (\d+\.\d+)", system, flags=re.MULTILINE)
    if not python:
        raise ValueError(f"expected a line 'Python 3.x.y' in {SYSTEM}, got {system[:200]!r}")
    kept = sorted(needed(root, versions))
    day = datetime.now(UTC).date().isoformat()
    header = HEADER.format(source=SOURCE, name=FREEZE, commit=commit, day=day)
    lines = "".join(f"{name}=={versions[name]}\n" for name in kept)
    (root / PACKAGES).write_text(header + lines, encoding="utf-8")
    (root / PYTHON).write_text(python[1] + "\n", encoding="utf-8")
