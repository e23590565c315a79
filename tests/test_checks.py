"""The exercise checks: the right answer passes, each usual slip gets a hint of its own."""

import ast
import inspect

import numpy as np
import pytest
from chapters import GIVEAWAYS, RIGHT, WRONG

from gsutils import checks
from gsutils.checks import CHECKS
from gsutils.checks.verdict import Status


def cases(table):
    return [
        pytest.param(name, *(one if isinstance(one, tuple) else (one,)), id=f"{name}-{i}")
        for name, answers in table.items()
        for i, one in enumerate(answers)
    ]


def test_every_check_is_tested_here():
    assert set(RIGHT) == set(WRONG) == set(GIVEAWAYS) == set(CHECKS)
    assert all(len(answers) >= 3 for answers in WRONG.values())


@pytest.mark.parametrize(("name", "answer"), cases(RIGHT))
def test_a_right_answer_passes(name, answer):
    verdict = CHECKS[name](answer)
    assert verdict.passed, verdict
    assert repr(verdict) == "✓ Right."


@pytest.mark.parametrize(("name", "answer", "hint"), cases(WRONG))
def test_a_typical_wrong_answer_fails_with_its_hint(name, answer, hint):
    verdict = CHECKS[name](answer)
    assert not verdict.passed
    assert repr(verdict).startswith("✗ ")
    assert hint in verdict.message


@pytest.mark.parametrize("name", WRONG)
def test_the_hints_of_a_check_differ(name):
    hints = [CHECKS[name](answer).message for answer, _ in WRONG[name]]
    assert len(set(hints)) == len(hints)


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("stub", [lambda *_: None, lambda *_: ...])
def test_the_stub_is_not_solved_yet(name, stub):
    verdict = CHECKS[name](stub)
    assert not verdict.passed
    assert verdict.status is Status.UNSOLVED
    assert verdict.message.startswith("Not solved yet")


@pytest.mark.parametrize("name", CHECKS)
def test_an_exception_is_reported(name):
    def broken(*args):
        raise KeyError("what I mistyped")

    verdict = CHECKS[name](broken)
    assert not verdict.passed
    assert "KeyError" in verdict.message
    assert "what I mistyped" in verdict.message


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("value", [np.zeros((2, 3)), "a", float("nan"), 1e300])
def test_an_answer_of_another_kind_fails(name, value):
    assert not CHECKS[name](lambda *_: value).passed


@pytest.mark.parametrize("name", CHECKS)
def test_a_result_in_place_of_the_function_is_refused(name):
    verdict = CHECKS[name](0.5)
    assert not verdict.passed
    assert "Pass the function itself, not 0.5" in verdict.message


@pytest.mark.parametrize("name", CHECKS)
def test_no_hint_holds_the_solution(name):
    tree = ast.parse(inspect.getsource(CHECKS[name].judge)).body[0]
    hints = [
        node.value
        for statement in tree.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
    ]
    assert len(hints) >= 3
    for hint in hints:
        assert not [part for part in GIVEAWAYS[name] if part in hint], hint


def test_a_check_can_be_called_by_its_own_name():
    for name, check in CHECKS.items():
        assert getattr(checks, name.replace("-", "_")) is check
        assert check.__doc__ == f"Chapter {check.chapter}: {check.title}."
