"""Colab, played here: what it holds, what its first cell changes, what a run there must fulfil."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta

import nbformat
import pytest
import torch
from conftest import ROOT
from packaging.requirements import Requirement

from gsutils.page import runtime
from gsutils.page.runtime import Device
from tools import colab
from tools.colab import __main__ as command
from tools.colab import linked, report

NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
DISPLAY = "from IPython.display import Image, display\ndisplay(Image(b'\\x89PNG', format='png'))"


@pytest.fixture(scope="module")
def python():
    """The Python of the linked environment, made anew where the package has changed."""
    return linked.environment(ROOT)


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


# Colab's own runtime


def test_nothing_that_the_package_requires_can_replace_what_colab_has():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for requirement in map(Requirement, settings["project"]["dependencies"]):
        assert [spec.operator for spec in requirement.specifier] == [">="], requirement


def test_in_the_runtime_every_first_cell_installs_the_wheel(tmp_path):
    shutil.copytree(ROOT / "book", tmp_path / "book", ignore=lambda *_: {"_static"})
    run = colab.place_notebooks(tmp_path, tmp_path / "gsutils.whl")
    for path in NOTEBOOKS:
        cells = nbformat.read(run / path.stem / path.name, as_version=4).cells
        first = next(cell.source for cell in cells if cell.cell_type == "code")
        install = (
            f'%pip install --quiet --no-deps "gsutils @ {(tmp_path / "gsutils.whl").as_uri()}"'
        )
        assert install in first
        assert "git+" not in first


def test_a_notebook_that_installs_the_package_from_elsewhere_is_refused(
    tmp_path, monkeypatch, capsys
):
    notebook(tmp_path / "book" / "a.ipynb", "%pip install gsutils")
    monkeypatch.setattr(command, "build_wheel", lambda root, folder: folder / "gsutils.whl")
    assert command.main(["--runtime"], tmp_path) == 1
    assert "expected 'gsutils @ git+…' in the first cell of a.ipynb" in capsys.readouterr().err


def test_the_runtime_s_kernel_is_this_python_with_google_colab(tmp_path, monkeypatch):
    notebook(tmp_path / "book" / "a.ipynb", "%pip install 'gsutils @ git+x'")
    monkeypatch.setattr(command, "build_wheel", lambda root, folder: folder / "gsutils.whl")
    assert command.main(["--runtime"], tmp_path) == 0
    found = tmp_path / colab.HOME / "share/jupyter/kernels/gs-colab-runtime/kernel.json"
    python, *start = json.loads(found.read_text())["argv"]
    assert python == sys.executable
    assert start[:3] == ["-I", *colab.RUNTIME]
    assert start[2].startswith("import google.colab;")


@pytest.fixture
def colab_image(tmp_path):
    """Runs `.ci/colab` where Python is a stand-in that writes down what it is asked."""
    root, log = tmp_path / "book", tmp_path / "log"
    for folder in ("book", "gsutils", "results", "tools", ".ci"):
        (root / folder).mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE", "CITATION.cff"):
        (root / name).touch()
    shutil.copy(ROOT / ".ci" / "colab", root / ".ci")
    stand_in = f"""#!/bin/sh
echo "$*" >> {log}
case "$*" in
  *list*) test "$(grep -c list {log})" = 1 && echo numpy==2 || printf "$AFTER" ;;
  *pytest*) exit "$STATUS" ;;
esac
"""
    (tmp_path / "python3").write_text(stand_in)
    (tmp_path / "python3").chmod(0o755)

    def run(after, status=0):
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        env = os.environ | {"PATH": path, "AFTER": after, "STATUS": str(status)}
        script = ["bash", str(root / ".ci" / "colab")]
        done = subprocess.run(script, env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr, log.read_text()

    return run


@pytest.mark.parametrize("after", [r"gsutils==1\nnumpy==2\n", r"dacite==1\ngsutils==1\nnumpy==2\n"])
def test_in_the_image_the_notebooks_run_and_the_package_is_new(colab_image, after):
    status, _, asked = colab_image(after)
    assert status == 0
    words = ["--target nbmake nbmake", "--runtime", "--nbmake-kernel=gs-colab-runtime", "--report"]
    assert [asked.index(word) for word in words] == sorted(asked.index(word) for word in words)


@pytest.mark.parametrize("after", [r"gsutils==1\nnumpy==3\n", r"gsutils==1\n", r"numpy==2\n"])
def test_in_the_image_a_first_cell_that_replaces_something_or_adds_nothing_fails(
    colab_image, after
):
    status, error, _ = colab_image(after)
    assert status == 1
    assert "the first cell must add gsutils and leave what was there as it is" in error


def test_in_the_image_a_notebook_that_fails_fails(colab_image):
    assert colab_image(r"gsutils==1\nnumpy==2\n", status=3)[0] == 3


# On which device, and in which size


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.parametrize("gpu", ["", "Tesla T4"])
def test_the_second_cell_says_which_device_there_is_and_that_a_size_is_quick(
    gpu, path, monkeypatch, capsys
):
    monkeypatch.delenv("GSUTILS_SIZE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(gpu))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: gpu)
    book = nbformat.read(path, as_version=4)
    exec([cell.source for cell in book.cells if cell.cell_type == "code"][1], {})
    said = capsys.readouterr().out
    device = Device("GPU", gpu) if gpu else Device("CPU", f"{os.cpu_count()} cores")
    sized = "GSUTILS_SIZE" in path.read_text(encoding="utf-8")
    assert runtime.said(f"{said}more") == (device, "quick" if sized else "")
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
    run = report.Run("01-a", Device("CPU", "2 cores"), size="paper", figure=1.0, total=2.0)
    assert run.problems() == ["01-a runs the size 'paper' without a GPU, not 'quick'"]
    assert report.Run("01-a", Device("GPU", "Tesla T4"), "paper", 1.0, 2.0).problems() == []


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
