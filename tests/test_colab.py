"""The stand-in for Colab: it holds the wheel and what Colab has, and a failing cell fails in it."""

import os
import subprocess
import sys

import nbformat
import pytest
from conftest import ROOT

from tools import colab


@pytest.fixture(scope="module")
def python():
    """The Python of the environment, made anew where the package has changed."""
    return colab.environment(ROOT)


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
    good = "import os\nassert os.listdir() == ['good.ipynb']\nimport gsutils.prose"
    for name, code in {"good": good, "bad": "1 / 0", "alien": "import myst_nb"}.items():
        cells = [nbformat.v4.new_code_cell(code)]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        (run / name).mkdir(parents=True)
        nbformat.write(
            nbformat.v4.new_notebook(cells=cells, metadata=kernel), run / name / f"{name}.ipynb"
        )
    command = [sys.executable, "-m", "pytest", "-q", "--nbmake", f"--nbmake-kernel={colab.KERNEL}"]
    env = os.environ | {"JUPYTER_PATH": str(ROOT / colab.HOME / "share" / "jupyter")}
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(colab.HOME / "run")],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "2 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "ZeroDivisionError" in done.stdout
    assert "No module named 'myst_nb'" in done.stdout
