"""Colab, played here: what it holds, what its first cell changes, what a run there must fulfil."""

import ast
import importlib.metadata
import os
import subprocess
import sys
import tomllib
import venv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbformat
import pip
import pytest
import requests
import torch
from conftest import ROOT
from IPython.core.inputtransformer2 import TransformerManager
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tools import colab
from tools.colab import __main__ as command
from tools.colab import linked, pinned, published, report

NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
PROVIDERS = importlib.metadata.packages_distributions()  # of modules
DISPLAY = "from IPython.display import Image, display\ndisplay(Image(b'\\x89PNG', format='png'))"


@pytest.fixture(scope="module")
def python():
    """The Python of the linked environment, made anew where the package has changed."""
    return linked.environment(ROOT)


@pytest.fixture
def colab_python(tmp_path):
    """The Python of an environment that pip takes for Colab's: names and versions, and pip."""
    venv.create(tmp_path / "venv", symlinks=True)
    packages = linked.site_packages(tmp_path / "venv")
    for name, version in published.load(ROOT).items():
        info = packages / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "RECORD").write_text(f"{info.name}/METADATA,,\n{info.name}/RECORD,,\n")
    (packages / "pip").symlink_to(Path(pip.__file__).parent)
    return tmp_path / "venv" / "bin" / "python"


def notebook(path, *sources, times=(), outputs=()):
    """Write a notebook; with times, as one whose cells have run, each for so many seconds."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for cell, taken, output in zip(cells, times, outputs):
        cell.outputs = [output] if output else []
        stamps = {"iopub.status.busy": start, "iopub.status.idle": start + timedelta(seconds=taken)}
        cell.metadata.execution = {key: time.isoformat() for key, time in stamps.items()}
        start += timedelta(seconds=taken)
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    return path


def test_the_environment_holds_the_wheel_and_what_colab_has(python):
    code = (
        "import importlib.util as u\n"
        "for name in 'gsutils torch numpy scipy matplotlib sklearn tqdm pooch ipywidgets myst_nb "
        "jupytext sphinx pytest nbmake tools'.split():\n"
        "    spec = u.find_spec(name); print(name, spec.origin if spec else None)"
    )
    # run in the checkout, with the checkout on PYTHONPATH: -I must keep both out
    command = [str(python), "-I", "-c", code]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    found = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert found["gsutils"].startswith(str(ROOT / colab.HOME / "venv"))
    absent = {name for name, origin in found.items() if origin == "None"}
    assert absent == {"myst_nb", "jupytext", "sphinx", "pytest", "nbmake", "tools"}


def test_the_results_are_in_the_wheel(python):
    packages = next((ROOT / colab.HOME / "venv").glob("lib/*/site-packages"))
    shipped = {path.name for path in (packages / "gsutils" / "_results").glob("*.json")}
    assert shipped == {path.name for path in (ROOT / "results").glob("*.json")}


def test_each_notebook_is_alone_in_its_folder(tmp_path):
    (tmp_path / "book").mkdir()
    for name in ("a", "b"):
        (tmp_path / "book" / f"{name}.ipynb").write_text(name)
    run = colab.place_notebooks(tmp_path)
    found = sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())
    assert found == ["a/a.ipynb", "b/b.ipynb"]


def test_nbmake_runs_the_notebooks_and_a_failing_cell_fails(python, tmp_path):
    assert "_build" not in colab.HOME.parts  # nbmake would run nothing there
    (tmp_path / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\nfilterwarnings = ["error"]'
    )
    run = tmp_path / colab.HOME / "run"
    good = f"import os\nassert os.listdir() == ['good.ipynb']\nimport gsutils.page.prose\n{DISPLAY}"
    paths = {
        name: notebook(run / name / f"{name}.ipynb", code)
        for name, code in {"good": good, "bad": "1 / 0", "alien": "import myst_nb"}.items()
    }
    command = [sys.executable, "-m", "pytest", "-q", "--nbmake", f"--nbmake-kernel={linked.KERNEL}"]
    env = os.environ | {"JUPYTER_PATH": str(ROOT / colab.HOME / "share" / "jupyter")}
    done = subprocess.run(
        [*command, "--overwrite", "-p", "no:cacheprovider", str(colab.HOME / "run")],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "2 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "ZeroDivisionError" in done.stdout
    assert "No module named 'myst_nb'" in done.stdout
    good, bad = (report.read(paths[name]) for name in ("good", "bad"))
    assert 0 < good.figure <= good.total < 60
    assert bad.total is None


# What Colab publishes


def test_colab_has_what_the_package_requires():
    versions = published.load(ROOT)
    for requirement in published.requirements(ROOT):
        version = published.public(versions[canonicalize_name(requirement.name)])
        assert version in requirement.specifier, requirement
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    colab_python = (ROOT / published.PYTHON).read_text(encoding="utf-8").strip()
    assert colab_python in SpecifierSet(settings["project"]["requires-python"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_imports_nothing_that_colab_lacks(path):
    cells = nbformat.read(path, as_version=4).cells
    code = [TransformerManager().transform_cell(c.source) for c in cells if c.cell_type == "code"]
    nodes = list(ast.walk(ast.parse("".join(code))))
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    tops = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names
    wanted = {canonicalize_name(name) for top in tops - {"gsutils"} for name in PROVIDERS[top]}
    assert "gsutils" in tops
    assert wanted <= set(published.load(ROOT))


def test_every_first_cell_adds_the_package_and_changes_nothing_else(python, colab_python):
    (wheel,) = (ROOT / colab.HOME / "wheel").glob("*.whl")
    cells = {pinned.install_cell(path, wheel) for path in NOTEBOOKS}
    assert len(cells) == 1
    changed = pinned.run_install_cell(colab_python, cells.pop(), Path(sys.executable))
    assert list(changed) == ["gsutils"]
    assert changed["gsutils"] == [None, importlib.metadata.version("gsutils")]


def test_a_first_cell_that_changes_more_or_fails_is_found(colab_python):
    changed = pinned.run_install_cell(
        colab_python, "%pip uninstall --quiet --yes tqdm", Path(sys.executable)
    )
    assert changed == {"tqdm": [published.load(ROOT)["tqdm"], None]}
    with pytest.raises(RuntimeError, match="the install cell fails"):
        pinned.run_install_cell(colab_python, "%pip install ./none.whl", Path(sys.executable))


def test_an_install_cell_from_elsewhere_is_refused(tmp_path):
    path = notebook(tmp_path / "a.ipynb", "%pip install gsutils")
    with pytest.raises(ValueError, match="expected 'gsutils @ git"):
        pinned.install_cell(path, tmp_path / "gsutils.whl")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder to write published versions into, and files as Colab publishes them."""
    (tmp_path / "tests" / "colab").mkdir(parents=True)
    (tmp_path / published.FREEZE).write_text("# c\nnumpy==2.0.2\ntorch==2.11.0+cu128\njax==0.7.2\n")
    (tmp_path / published.SYSTEM).write_text("# c\nUbuntu 22.04.5 LTS\nPython 3.12.13\n")
    monkeypatch.setattr(published, "needed", lambda root, versions: {"numpy", "torch"})
    return tmp_path


def test_refreshing_writes_what_is_needed_in_the_published_versions(checkout):
    arguments = ["--refresh", "--from", str(checkout), "--commit", "1a2b"]
    assert command.main(arguments, checkout) == 0
    assert published.load(checkout) == {"numpy": "2.0.2", "torch": "2.11.0+cu128"}
    assert "at 1a2b, read " in (checkout / published.PACKAGES).read_text()
    assert (checkout / published.PYTHON).read_text() == "3.12\n"


def test_refreshing_without_network_says_so_and_changes_nothing(checkout, monkeypatch, capsys):
    def refuse(*_, **__):
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(requests, "get", refuse)
    assert command.main(["--refresh"], checkout) == 1
    assert "cannot be fetched (ConnectionError)" in capsys.readouterr().err
    assert not (checkout / published.PACKAGES).exists()


def test_published_files_of_another_form_are_refused(checkout, capsys):
    (checkout / published.SYSTEM).write_text("Ubuntu\n")
    assert command.main(["--refresh", "--from", str(checkout)], checkout) == 1
    assert "expected a line 'Python 3.x.y'" in capsys.readouterr().err
    with pytest.raises(ValueError, match="NAME==VERSION"):
        published.parse("<html>not found</html>")


# On which device, and in which size


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.parametrize("gpu", ["", "Tesla T4"])
def test_the_second_cell_says_which_device_there_is_and_that_the_size_is_quick(
    gpu, path, monkeypatch, capsys
):
    monkeypatch.delenv("GSUTILS_SIZE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(gpu))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: gpu)
    book = nbformat.read(path, as_version=4)
    exec([cell.source for cell in book.cells if cell.cell_type == "code"][1], {})
    said = capsys.readouterr().out
    assert report.DEVICE.search(said)[1] == (gpu or f"CPU, {os.cpu_count()} cores")
    assert report.SIZE.search(said)[1] == "quick"
    wants_gpu = book.metadata.get("accelerator") == "GPU"
    assert ("Change runtime type" in said) == (wants_gpu and not gpu)


# What a run must fulfil

SAYS = nbformat.v4.new_output(
    "stream", text="Device: CPU, 2 cores. Expected time: 9 s.\nSize: quick."
)
FIGURE = nbformat.v4.new_output("display_data", data={"image/png": ""})
ERROR = nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])


@pytest.mark.parametrize(
    ("times", "outputs", "problem"),
    [
        ((1, 2, 110), (SAYS, None, FIGURE), None),
        ((1, 2, 120), (SAYS, None, FIGURE), "shows its first figure after 123 s, expected 120"),
        ((1, 2, 1), (SAYS, None, None), "shows no figure"),
        ((1, 2, 1), (None, None, FIGURE), "does not say on which device it runs"),
        ((1, 2, 1), (SAYS, FIGURE, ERROR), "has not run to its end"),
        ((1, 2), (SAYS, FIGURE), "has not run to its end"),
    ],
)
def test_a_run_is_held_to_the_contract(times, outputs, problem, tmp_path):
    notebook(tmp_path / "01-a" / "01-a.ipynb", "a", "b", "c", times=times, outputs=outputs)
    assert report.report(tmp_path) == ([f"01-a {problem}"] if problem else [])


def test_a_run_without_a_gpu_takes_the_quick_size():
    run = report.Run("01-a", device="CPU, 2 cores", size="paper", figure=1.0, total=2.0)
    assert run.problems() == ["01-a runs the size 'paper' without a GPU, not 'quick'"]
    assert report.Run("01-a", "Tesla T4", "paper", 1.0, 2.0).problems() == []


def test_the_report_shows_the_times_and_fails_with_a_problem(tmp_path, capsys):
    run = tmp_path / colab.HOME / "run"
    assert command.main(["--report"], tmp_path) == 1
    assert "no notebook in" in capsys.readouterr().err
    path = notebook(run / "01-a" / "01-a.ipynb", "a", "b", times=(1, 2), outputs=(SAYS, FIGURE))
    assert command.main(["--report"], tmp_path) == 0
    assert "01-a" in (shown := capsys.readouterr().out)
    assert "3.0 s" in shown
    assert "CPU, 2 cores, quick" in shown
    notebook(path, "a", "b", times=(1,), outputs=(SAYS,))
    assert command.main(["--report"], tmp_path) == 1
    assert "01-a has not run to its end\n" in capsys.readouterr().err
