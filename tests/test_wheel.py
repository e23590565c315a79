"""The wheel alone, with what it declares and nothing else: what a new user's project sees."""

import shutil
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ALL = """
import importlib, pkgutil
import gsutils

for module in pkgutil.walk_packages(gsutils.__path__, "gsutils."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(gsutils.__file__)
"""


def required(lines: list[str]) -> dict[str, metadata.Distribution]:
    """The distributions that these requirements bring along, and theirs, by name."""
    found, todo = {}, [(line, "") for line in lines]
    while todo:
        line, extra = todo.pop()
        wanted = Requirement(line)
        name = canonicalize_name(wanted.name)
        if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
            continue
        if name not in found or wanted.extras:
            found[name] = metadata.distribution(name)
            todo += [(r, of) for of in ("", *wanted.extras) for r in found[name].requires or []]
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with an environment that holds the wheel and what it requires, as links."""
    folder = tmp_path_factory.mktemp("project")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=300)
    venv.create(folder / "env", with_pip=False, symlinks=True)
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    (info,) = site.glob("gsutils-*.dist-info")
    for distribution in required(metadata.PathDistribution(info).requires).values():
        for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(distribution.locate_file(top))
    return folder


def run(project: Path, *command: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command, cwd=project, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.mark.parametrize("name", ["pytest", "jupytext", "ipywidgets", "tools"])
def test_the_environment_has_nothing_that_the_wheel_does_not_require(name, project):
    done = run(project, "env/bin/python", "-I", "-c", f"import {name}")
    assert f"No module named '{name}'" in done.stderr


def test_the_script_runs_with_the_wheel_and_what_it_requires(project):
    shutil.copy(ROOT / "book" / "own_network.py", project)
    done = run(project, "env/bin/python", "-I", "own_network.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("before: accuracy")
    assert "\nafter: accuracy" in done.stdout


def test_every_module_of_the_wheel_can_be_imported(project):
    done = run(project, "env/bin/python", "-I", "-c", ALL)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(project)


def test_mypy_sees_the_types_of_the_installed_package(project):
    source = 'from gsutils import conventions\nreveal_type(conventions.to_lam("paper", 0.1))\n'
    (project / "use.py").write_text(source)
    options = ["--config-file=", "--cache-dir=.cache", "--python-executable=env/bin/python"]
    done = run(project, sys.executable, "-m", "mypy", *options, "use.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'Revealed type is "float | tuple[float, float]"' in done.stdout
