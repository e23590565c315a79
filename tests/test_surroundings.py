"""A reader's shell: its variables change nothing, its streams stop nothing."""

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

from gsutils.text import say
from tools import identity, surroundings
from tools.book import BUILD

FLAWED = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "windows": {"PYTHONIOENCODING": "cp1252"},
    "none": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
SAYS = "import sys; from gsutils.text import command, say\n"


def run(code, *options, **changes):
    """A program that says something, with other options, variables or streams than usual."""
    where = {"cwd": ROOT, "env": {**os.environ, **changes.pop("env", {})}}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **changes}
    words = [sys.executable, *options, "-c", SAYS + code]
    return subprocess.run(words, **where, **streams, check=False)


@pytest.mark.parametrize("name", FLAWED)
def test_what_a_stream_lacks_becomes_a_question_mark(name):
    text = r"'\u03bb = 1, \u4e2d, \udcff\x1b'"
    done = run(f"say({text}); say({text}, error=True)", "-OO", env=FLAWED[name])
    assert done.returncode == 0
    assert done.stdout == done.stderr
    assert done.stdout == b"? = 1, ?, ??\n"


def test_a_reader_that_leaves_ends_no_program():
    reading, writing = os.pipe()
    os.close(reading)
    code = "def main():\n    for _ in range(99): say('x' * 9999)\n    say('the end', error=True)\n"
    for last in ("", "    print('and print')\n", "    raise SystemExit(0)\n"):
        done = run(f"{code}{last}\nsys.exit(command(main))", stdout=writing)
        assert (done.returncode, done.stderr) == (0, b"the end\n")
    os.close(writing)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a stream that is always full")
def test_a_full_disk_behind_a_stream_is_named_and_one_for_errors_stops_nothing():
    with open("/dev/full", "w") as full:
        done = run("say('x')", stdout=full)
        assert done.stderr.decode().splitlines()[-1] == (
            "OSError: the standard output cannot be written: No space left on device; "
            "send it elsewhere"
        )
        done = run("say('x', error=True); say('y')", stderr=full)
    assert (done.returncode, done.stdout) == (0, b"y\n")


@pytest.mark.parametrize("shut", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_run_is_stored_whatever_streams_are_shut(shut, tmp_path):
    words = f"-m gsutils run figure5 --size quick --jobs 2 --out '{tmp_path}' {shut}"
    done = subprocess.run(f"exec '{sys.executable}' {words}", shell=True, cwd=ROOT, check=False)
    assert done.returncode == 0
    assert len(list(tmp_path.glob("figure5-quick-*.json"))) == 1


@pytest.mark.parametrize(
    "odd",
    [{"MININTERVAL": "soon"}, {"DISABLE": "", "NCOLS": "wide"}, {"UNKNOWN": "1", "DELAY": "x"}],
)
def test_progress_bars_with_unreadable_variables_are_as_usual(odd):
    env = {f"TQDM_{name}": value for name, value in odd.items()}
    done = run("import pooch; from gsutils.text import track; say(*track([1, 2], 'x'))", env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"1\n2\n", b"")


def test_a_program_without_a_console_runs(monkeypatch, tmp_path):
    with (tmp_path / "out").open("w") as shut:
        pass
    for stream in (None, shut):
        monkeypatch.setattr(sys, "stdout", stream)
        say("nobody reads it")


def test_ctrl_c_is_no_traceback():
    done = run("def main(): raise KeyboardInterrupt\nsys.exit(command(main))")
    assert (done.returncode, done.stderr) == (130, b"stopped\n")


def test_make_takes_away_what_a_build_takes_away():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    words = {
        name: set(" ".join(re.findall(rf"^{name} \+?:?= (.+)$", text, re.MULTILINE)).split())
        for name in ("FOREIGN", "KEPT")
    }
    pip = {word for word in words["FOREIGN"] | words["KEPT"] if word.startswith("PIP_")}
    assert words["FOREIGN"] - pip == {f"{name}%" for name in surroundings.FOREIGN}
    assert words["KEPT"] - pip == {"GIT_SSL%", "PYTHON", *surroundings.KEPT}


def test_make_hands_on_what_it_should_and_quotes_what_it_is_given():
    odd = "a \"b\" 'c' `d` $$HOME.yml"
    foreign = {"PIP_USER": "1", "PIP_TARGET": "/t", "PYTHONHOME": "/h", "PYTHONSAFEPATH": "1"}
    foreign |= {"GIT_DIR": "/g", "MPLBACKEND": "agg", "OMP_DYNAMIC": "1", "JPY_SESSION_NAME": "a"}
    kept = {"PIP_INDEX_URL": "https://a.org", "OMP_NUM_THREADS": "1"}
    words = ["make", "-s", "--eval=probe: ; @env", "probe", f"COURSE={odd}"]
    done = subprocess.run(
        words, cwd=ROOT, env={**os.environ, **foreign, **kept}, capture_output=True, text=True
    )
    seen = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert not (foreign.keys() - {"PIP_USER"}) & seen.keys()
    assert kept.items() <= seen.items()
    assert (seen["PIP_USER"], seen["PYTHONPATH"]) == ("0", str(ROOT))
    assert seen["COURSE"] == odd.replace("$$", "$")
    planned = subprocess.run(
        ["make", "-n", "course", "-o", "book", f"COURSE={odd}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert planned.stdout.endswith('-m tools.course "$COURSE"\n')
    assert '"$PYTHON" -m venv' in (ROOT / "Makefile").read_text(encoding="utf-8").replace("$$", "$")


def test_a_build_keeps_a_number_of_threads_and_no_other_foreign_variable(tmp_path):
    shell = dict.fromkeys([*surroundings.FOREIGN, *surroundings.KEPT], "2") | {"HOME": "/h"}
    surroundings.settle(ROOT, BUILD, shell)
    assert shell["OMP_NUM_THREADS"] == "2"
    assert shell["PYTHONPATH"] == str(ROOT)
    assert not shell.keys() & set(surroundings.FOREIGN)
    for number in ("0", "-1", "all", "2,2", "", "١٢x"):
        shell["OMP_NUM_THREADS"] = number
        surroundings.settle(ROOT, BUILD, shell)
        assert "OMP_NUM_THREADS" not in shell


def test_a_commit_is_the_one_of_the_folder_within_a_hook_too(monkeypatch, tmp_path):
    before = identity.provenance(ROOT)
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    assert identity.provenance(ROOT) == before


def test_a_folder_whose_path_programs_would_change_is_refused(tmp_path):
    for name in ("a:b", "a$HOME", "a\nb"):
        with pytest.raises(ValueError, match=r"^a checkout cannot be built .*: rename it$"):
            surroundings.check(tmp_path / name)
    surroundings.check(tmp_path / "100 % [a]? #1 'ü' $5")
