import json
import shlex

import pytest

from gsutils import results
from gsutils.__main__ import main
from gsutils.experiments import ENTRIES

TINY = ["--seeds", "0", "--set", 'steps={"plain": 5}', "--device", "cpu"]


def test_list_names_every_entry(capsys):
    assert main(["list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(ENTRIES)


def test_show_prints_both_sizes_and_the_papers_numbers(capsys):
    assert main(["show", "table2"]) == 0
    shown = capsys.readouterr().out
    assert "quick:" in shown
    assert "paper:" in shown
    assert "sd, test accuracy: 0.684 ± 0.012" in shown


def test_run_stores_a_record_whose_command_gives_the_same_record(tmp_path, capsys):
    assert main(["run", "figure1", *TINY, "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.json")
    run = results.read(path)
    assert run.settings["steps"] == {"plain": 5}
    assert run.seeds == [0]
    words = shlex.split(run.command)[3:]
    assert main([*words, "--out", str(tmp_path / "again")]) == 0
    again = results.read(tmp_path / "again" / path.name)
    assert again.metrics == run.metrics
    assert json.loads(path.read_text())["schema"] == results.SCHEMA
    assert "input margin" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "figure9"], "no experiment is called 'figure9'"),
        (["run", "figure1", "--set", "step=3"], "no setting ['step']"),
        (["run", "figure1", "--device", "cuda:99"], "cuda:99"),
    ],
)
def test_a_wrong_word_gives_one_line_and_status_1(words, message, capsys):
    assert main(words) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("words", [["--seeds", "a"], ["--set", "steps"], ["--size", "huge"]])
def test_a_malformed_option_is_refused(words):
    with pytest.raises(SystemExit):
        main(["run", "figure1", *words])
