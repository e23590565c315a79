"""Colored MNIST: settings, schedules, what a history records, and where SD's objective leads."""

import dataclasses

import numpy as np
import pytest
import torch

from gsutils.data import fetch, mnist
from gsutils.experiments import ENTRIES, colored_mnist
from gsutils.experiments.colored_mnist import Settings, case_settings, train_method
from gsutils.nets import MLP
from gsutils.runs import records

torch.set_num_threads(1)  # networks this small lose more by waiting for a second thread

DIGITS = mnist.embedded_digits()
SMALL = {"hidden": (16,), "lr": 3e-3, "train_size": 300, "test_size": 200}
SD = {"lam_before": 0.0, "lam": 2.0, "switch": 20, "factor": 1.0}


def train_small(method="erm", steps=40, seeds=(0,), **changes):
    return train_method(Settings(method, steps=steps, **SMALL | changes), seeds, "cpu", DIGITS)


# --- settings -------------------------------------------------------------------------------


def test_the_published_settings_are_those_of_the_authors_codes():
    cases = ENTRIES["table2"].settings["paper"]["cases"]
    assert {name: case["steps"] for name, case in cases.items()} == {
        "erm": 1001, "vrex": 501, "irm": 501, "sd": 2001, "oracle": 1001,
    }  # fmt: skip
    assert {name: case["hidden"] for name, case in cases.items()} == {
        "erm": [300] * 2, "vrex": [256] * 2, "irm": [390] * 2, "sd": [300] * 2, "oracle": [300] * 2,
    }  # fmt: skip
    assert (cases["erm"]["lr"], cases["vrex"]["lr"], cases["sd"]["lr"]) == (1e-4, 1e-3, 1e-4)
    assert cases["irm"]["lr"] == 4.898536566546834e-4
    assert cases["vrex"]["options"] == {"weight": 1e4, "switch": 100, "l2": 1e-3}
    assert cases["irm"]["options"] == {
        "weight": 91257.18613115903, "switch": 190, "l2": 1.10794568e-3,
    }  # fmt: skip
    # nll + 2e-5·mean(ŷ²), then 2e-5·(nll + 1.0·mean(ŷ²)); our penalty is λ/2·mean(ŷ²).
    sd = cases["sd"]["options"]
    assert (sd["lam_before"] / 2, sd["lam"] / 2) == (2e-5, 1.0)
    assert (sd["switch"], sd["factor"]) == (450, 2e-5)
    assert len(ENTRIES["table2"].settings["paper"]["seeds"]) == 10


@pytest.mark.parametrize("size", ["quick", "paper"])
def test_paths_of_sd_differ_from_its_schedule_in_one_thing_each(size):
    settings = ENTRIES["sd-path"].settings[size]
    schedule = case_settings(ENTRIES["table2"].settings[size], "sd")
    cases = {name: case_settings(settings, name) for name in settings["cases"]}
    assert cases["as published"] == schedule
    assert cases["longer"].steps > 2 * schedule.steps
    assert dataclasses.replace(cases["longer"], steps=schedule.steps) == schedule
    assert cases["Adam reset at the switch"] == dataclasses.replace(schedule, reset=True)
    assert cases["full speed"].options == schedule.options | {"factor": 1.0}
    assert {case.options["lam"] for case in cases.values()} == {0.02, 0.2, 2.0, 20.0}


def test_the_small_stand_in_is_used_whole():
    settings = ENTRIES["table2"].settings["quick"]
    assert case_settings(settings, "erm").train_size == 10_000
    assert case_settings(settings, "erm", DIGITS).train_size is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Settings("magic"), r"method must be in .*got 'magic'"),
        (lambda: Settings("erm", options={"lam": 1.0}), r"erm has no option \['lam'\]"),
        (lambda: Settings("erm", reset=True), "reset needs a method with a switch"),
        (
            lambda: case_settings(ENTRIES["table2"].settings["quick"], "rex"),
            r"case must be in .*got 'rex'",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- training -------------------------------------------------------------------------------


def test_sd_without_a_penalty_is_erm():
    erm, sd = train_small(), train_small("sd", options={"lam": 0.0})
    assert torch.equal(erm.logits("colored-digits"), sd.logits("colored-digits"))


def test_before_its_switch_sd_is_erm():
    erm = train_small(steps=20)
    sd = train_small("sd", steps=20, options=SD)
    assert torch.equal(erm.logits("colored-digits"), sd.logits("colored-digits"))


def test_adam_that_is_reset_differs_from_the_switch_on_and_not_before():
    kept, reset = (train_small("sd", options=SD, reset=on) for on in (False, True))
    assert kept.history.steps.tolist() == reset.history.steps.tolist()
    before = kept.history.steps <= 20
    np.testing.assert_allclose(
        kept.history["colour logit"][before], reset.history["colour logit"][before], atol=1e-6
    )
    assert abs(kept.history["colour logit"][-1] - reset.history["colour logit"][-1]) > 1e-3


def test_a_factor_on_the_objective_slows_adam_down_only_while_it_remembers():
    options = SD | {"factor": 1e-4}
    slow, reset = (train_small("sd", options=options, reset=on) for on in (False, True))
    moved = [
        abs(run.history["colour logit"][-1, 0] - run.history["colour logit"][4, 0])
        for run in (slow, reset)
    ]
    assert slow.history.steps[4] == 20
    assert moved[1] > 10 * moved[0]


def test_a_history_holds_what_colour_and_shape_add_to_a_logit():
    run = train_small(seeds=[1, 3])
    for i, data in enumerate(run.data):
        minus, plus = (
            run.model(torch.from_numpy(mnist.repaint(data.test, c).flat)).detach()[i]
            for c in (-1, 1)
        )
        y = torch.from_numpy(data.test.y)
        adds = {
            "colour logit": float(((plus - minus) / 2).mean()),
            "shape logit": float(((plus + minus) * y).mean()),
        }
        for name, expected in adds.items():
            assert run.history[name][-1, i] == pytest.approx(expected, rel=1e-4, abs=1e-6)
        changed = (torch.sign(plus) - torch.sign(minus)).mean() / 2
        assert run.history["colour vote"][-1, i] == pytest.approx(float(changed))


def test_the_shape_logit_of_a_perfect_shape_classifier_is_its_logit():
    clean = mnist.colored_mnist(DIGITS, 0, label_flip=0.0)
    noisy = mnist.colored_mnist(DIGITS, 0)
    assert np.array_equal(clean.test.X.sum(1), noisy.test.X.sum(1))
    task = colored_mnist.Task(Settings(), (noisy,), torch.device("cpu"))
    sign = torch.from_numpy(clean.test.y)
    n = len(sign)

    class Shape(torch.nn.Module):
        def forward(self, X, columns=None):
            return 0.3 * sign[None] if X.shape[-2] == n else torch.ones(1, X.shape[-2])

    measured = task.measure(Shape())
    assert float(measured["shape logit"]) == pytest.approx(0.3, abs=0.03)  # 599 noisy labels
    assert float(measured["colour logit"]) == 0


def test_at_full_speed_sd_ends_at_the_colour_classifier_with_the_optimal_logits():
    run = train_method(
        Settings(
            "sd", steps=300, lr=2e-3, hidden=(50, 50), options=SD | {"switch": 80},
        ), [0], "cpu", DIGITS,
    )  # fmt: skip
    assert run.history["validation"][-1, 0] > 0.78
    assert run.history["test"][-1, 0] < 0.25
    # The population's optimum for λ = 2: σ(z) - p + 2z = 0 with odds 17 (cues agree) and 17/9.
    assert run.history["colour logit"][-1, 0] == pytest.approx(0.133, abs=0.02)
    assert 0 < run.history["shape logit"][-1, 0] < run.history["colour logit"][-1, 0]


def test_metrics_are_the_last_record_and_the_four_environments():
    run = train_small(seeds=[0, 1])
    metrics = run.metrics()
    assert metrics["test accuracy"] == run.history["test"][-1].tolist()
    np.testing.assert_allclose(
        metrics["colored-digits accuracy"], metrics["test accuracy"], rtol=1e-6
    )
    assert {len(values) for values in metrics.values()} == {2}
    for variant in mnist.ENVIRONMENTS:
        assert {f"{variant} accuracy", f"{variant} entropy"} <= set(metrics)


def test_a_record_of_sd_paths_keeps_the_curves_that_the_chapter_draws(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "digits", mnist.embedded_digits)
    entry = ENTRIES["sd-path"]
    changes = {f"cases.{name}.steps": 3 for name in entry.settings["quick"]["cases"]}
    changes |= {f"cases.{name}.hidden": [4] for name in entry.settings["quick"]["cases"]}
    run = entry.record("quick", [0], "cpu", changes, cases=["longer", "full speed"])
    again = records.read(records.save(run, tmp_path))
    assert again.settings["cases"]["longer"]["options"]["switch"] == 80
    assert {"step", "test", "validation", "colour logit"} <= set(again.curves["longer"])


# --- against plain PyTorch -------------------------------------------------------------------


def test_the_schedule_of_sd_is_trained_as_plain_pytorch_trains_it():
    options = {"lam_before": 0.5, "lam": 2.0, "switch": 5, "factor": 0.1}
    trained = train_small("sd", steps=8, seeds=[4], hidden=(16,), options=options)
    data = mnist.colored_mnist(DIGITS, 4, train_size=300, test_size=200)
    X = torch.from_numpy(np.concatenate([e.flat for e in data.train]))
    y = torch.from_numpy(np.concatenate([e.y for e in data.train]))
    net = MLP((128, 16, 1), [4], init="xavier")
    optimizer = torch.optim.Adam(net.parameters(), lr=SMALL["lr"])
    for step in range(8):
        optimizer.zero_grad()
        logits = net(X)[0]
        nll, square = torch.nn.functional.softplus(-y * logits).mean(), (logits**2).mean()
        (nll + 0.25 * square if step < 5 else 0.1 * (nll + 1.0 * square)).backward()
        optimizer.step()
    torch.testing.assert_close(trained.model(X), net(X).detach(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", ["erm", "irm", "lff"])
def test_seeds_trained_together_are_seeds_trained_alone(method):
    together = train_small(method, steps=5, seeds=[0, 1])
    alone = train_small(method, steps=5, seeds=[1])
    for variant in mnist.ENVIRONMENTS:
        torch.testing.assert_close(
            together.logits(variant)[1:], alone.logits(variant), rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize("method", ["erm", "irm"])
def test_at_full_length_they_differ_by_less_than_half_a_point(method):
    settings = case_settings(ENTRIES["table2"].settings["quick"], method, DIGITS)
    together = train_method(settings, [0, 1], "cpu", DIGITS)
    alone = train_method(settings, [1], "cpu", DIGITS)
    for name in ("train accuracy", "test accuracy"):
        assert abs(together.metrics()[name][1] - alone.metrics()[name][0]) < 0.005


def test_the_oracle_sees_no_colour_and_the_others_do():
    erm, oracle = (train_small(method, steps=60, train_size=None) for method in ("erm", "oracle"))
    # Recorded on grayscale images, which a test environment without colour is.
    np.testing.assert_allclose(oracle.history["test"][-1], oracle.test_accuracy("grayscale-digits"))
    np.testing.assert_allclose(erm.history["test"][-1], erm.test_accuracy())
    assert erm.history["train"][-1] > 0.8
    assert erm.test_accuracy()[0] < 0.35 < oracle.history["test"][-1][0]
    assert erm.data_name == DIGITS.name


def test_an_empty_card_gets_one_answer_and_half_the_labels_right():
    run = train_small(steps=3)
    logits = run.logits("grayscale-blank")
    assert len(logits.unique()) == 1
    y = run.data[0].test.y
    share = np.mean(y == np.sign(logits[0, 0].item()))
    assert run.test_accuracy("grayscale-blank")[0] == pytest.approx(share)
    assert 0 <= run.test_entropy("grayscale-blank")[0] <= np.log(2) + 1e-6


def test_without_mnist_a_record_says_so_and_one_line_is_printed(monkeypatch, capsys):
    def unavailable(download=True):
        raise fetch.DataUnavailable("offline")

    monkeypatch.setattr(fetch, "mnist", unavailable)
    changes = {"cases.erm.steps": 3, "cases.erm.hidden": [4]}
    run = ENTRIES["table2"].record("quick", [0], "cpu", changes, cases=["erm"])
    assert run.data["name"] == DIGITS.name
    assert capsys.readouterr().out.count("\n") == 1
