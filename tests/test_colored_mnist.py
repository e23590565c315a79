"""Colored MNIST: settings, schedules, what a history records, and where SD's objective leads."""

import dataclasses
from operator import attrgetter

import numpy as np
import pytest
import torch

from gsutils import methods, train
from gsutils.data import fetch, mnist, registry
from gsutils.experiments import ENTRIES, colored_mnist
from gsutils.experiments.colored_mnist import Case, prepare
from gsutils.nets import MLP
from gsutils.runs import records

torch.set_num_threads(1)  # networks this small lose more by waiting for a second thread

DIGITS = mnist.embedded_digits()[::8]  # 1,250 to train on and 250 to test on
SMALL = Case(steps=40, hidden=(16,), lr=3e-3, train_size=300, test_size=200, precision="float32")
SD = methods.SD(lam=2.0, switch=20)


def train_small(method=SMALL.method, seeds=(0,), **changes):
    case = dataclasses.replace(SMALL, method=method, **changes)
    return colored_mnist.train(case, seeds, "cpu", source=DIGITS)


# --- settings -------------------------------------------------------------------------------


def test_the_published_settings_are_those_of_the_authors_codes():
    cases = ENTRIES["table2"].cases["paper"]
    assert {name: case.steps for name, case in cases.items()} == {
        "erm": 1001, "vrex": 501, "irm": 501, "sd": 2001, "oracle": 101,
    }  # fmt: skip
    assert {name: case.hidden for name, case in cases.items()} == {
        "erm": (300,) * 2, "vrex": (256,) * 2, "irm": (390,) * 2, "sd": (300,) * 2,
        "oracle": (83,) * 2,
    }  # fmt: skip
    assert (cases["erm"].lr, cases["vrex"].lr, cases["sd"].lr) == (1e-4, 1e-3, 1e-4)
    assert cases["irm"].lr == 4.898536566546834e-4
    assert cases["vrex"].method == methods.VREx(weight=1e4, switch=100, l2=1e-3)
    assert cases["irm"].method == methods.IRM(
        weight=91257.18613115903, switch=190, l2=1.10794568e-3
    )
    # nll + 2e-5·mean(ŷ²), then 2e-5·(nll + 1.0·mean(ŷ²)); our penalty is λ/2·mean(ŷ²).
    assert cases["sd"].method == methods.SD(lam=2.0, lam_before=4e-5, switch=450, factor=2e-5)
    assert [name for name, case in cases.items() if case.gray] == ["oracle"]
    assert cases["oracle"].method == methods.ERM(l2=0.00086029)
    assert cases["oracle"].lr == 0.00281715
    assert len(ENTRIES["table2"].seeds["paper"]) == 10


@pytest.mark.parametrize("size", ["quick", "paper"])
def test_paths_of_sd_differ_from_its_schedule_in_one_thing_each(size):
    cases, schedule = ENTRIES["sd-path"].cases[size], ENTRIES["table2"].cases[size]["sd"]
    assert cases["as published"] == schedule
    assert cases["longer"].steps > 2 * schedule.steps
    assert dataclasses.replace(cases["longer"], steps=schedule.steps) == schedule
    assert cases["Adam reset at the switch"] == dataclasses.replace(schedule, reset=True)
    full = dataclasses.replace(schedule.method, factor=1.0)
    assert cases["full speed"] == dataclasses.replace(schedule, method=full)
    started = dataclasses.replace(full, switch=0)
    assert cases["from the start"] == dataclasses.replace(schedule, method=started)
    assert {case.method.lam for case in cases.values()} == {0.02, 0.2, 2.0, 20.0}


def test_products_in_bfloat16_move_no_accuracy_of_sd_by_half_a_point():
    schedule = ENTRIES["table2"].cases["paper"]["sd"]
    short = dataclasses.replace(
        schedule,
        method=dataclasses.replace(schedule.method, switch=150),
        steps=400,
        hidden=(100,) * 2,
    )
    exact, rounded = (
        colored_mnist.train(dataclasses.replace(short, precision=name), [0], "cpu", source=DIGITS)
        for name in ("float32", "bfloat16")
    )
    assert not torch.equal(exact.model.weights[0], rounded.model.weights[0])
    for name in ("train", "validation", "test"):
        assert np.abs(exact.history[name] - rounded.history[name]).max() <= 0.005
        assert np.ptp(exact.history[name]) > 0.1


def test_adam_cannot_be_reset_at_a_switch_that_there_is_not():
    for method in (methods.ERM(), methods.SD(lam=1.0)):
        with pytest.raises(ValueError, match="reset needs a method with a switch"):
            Case(method, reset=True)


# --- what is handed over --------------------------------------------------------------------


def test_just_as_many_images_are_used_as_the_case_says():
    run = prepare(SMALL, 0, DIGITS)
    assert (len(run.y), len(run.held_out["test"][1])) == (300, 200)
    whole = prepare(dataclasses.replace(SMALL, train_size=None, test_size=None), 0, DIGITS)
    assert (len(whole.y), len(whole.held_out["test"][1])) == (1250, 250)


@pytest.mark.parametrize("train_size", [100, None])
def test_all_of_mnist_is_asked_for_where_all_is_wanted(monkeypatch, train_size):
    asked = []

    def digits(*wanted):
        asked.append(wanted)
        return DIGITS

    monkeypatch.setattr(mnist, "digits", digits)
    case = dataclasses.replace(SMALL, train_size=train_size, steps=1)
    colored_mnist.prepare(case, 0)
    colored_mnist.train(case, [0], "cpu")
    assert asked == [(train_size, SMALL.test_size)] * 2


@pytest.mark.parametrize("gray", [False, True])
def test_each_image_keeps_its_label_and_its_environment(gray):
    case = dataclasses.replace(SMALL, gray=gray, train_size=301)
    run = prepare(case, 3, DIGITS)
    first, second = run.drawn.train
    assert (len(first.y), len(second.y)) == (151, 150)  # of unequal size
    view = attrgetter("ink" if gray else "flat")
    for number, environment in enumerate((first, second)):
        mine = run.group == number
        given = {(image.tobytes(), float(label)) for image, label in zip(run.X[mine], run.y[mine])}
        expected = zip(view(environment), environment.y)
        assert given == {(image.tobytes(), float(label)) for image, label in expected}
        assert mine.sum() == len(environment.y)


def test_the_environments_are_the_two_flip_rates_and_colours_lie_together():
    run = prepare(dataclasses.replace(SMALL, train_size=1190), 1, DIGITS)
    half = run.X.shape[1] // 2
    colour = np.where(run.X[:, :half].any(1), -1, 1)
    assert (np.diff(colour) >= 0).all()
    flips = [np.mean(colour[run.group == g] != run.y[run.group == g]) for g in (0, 1)]
    assert flips == pytest.approx([0.2, 0.1], abs=0.04)


def test_held_out_images_are_those_that_they_are_called_after():
    for gray in (False, True):
        run = prepare(dataclasses.replace(SMALL, gray=gray), 2, DIGITS)
        view = attrgetter("ink" if gray else "flat")
        for name, environment in (("validation", run.drawn.validation), ("test", run.drawn.test)):
            X, y = run.held_out[name]
            assert np.array_equal(X, view(environment))
            assert np.array_equal(y, environment.y)
        for images, colour in zip(run.painted, (-1, 1)):
            assert np.array_equal(images, view(mnist.repaint(run.drawn.test, colour)))


@pytest.mark.parametrize(
    "method", [methods.IRM(weight=50.0), methods.VREx(weight=50.0, l2=0.01), methods.GroupDRO()]
)
def test_the_first_loss_is_the_methods_formula_on_what_was_prepared(method):
    seen = train_small(method, seeds=[2, 5], steps=1)
    for k, seed in enumerate((2, 5)):
        run = prepare(SMALL, seed, DIGITS)
        net = MLP((run.X.shape[-1], 16, 1), [seed], init="xavier")
        y, group = torch.from_numpy(run.y), torch.from_numpy(run.group)
        logits = net(torch.from_numpy(run.X))[0]
        loss = method.loss(logits, methods.Batch(y, group), 0, method.start(y, 2))
        expected = methods.objective(method, net, loss, 0).detach()
        assert seen.history["loss"][0, k] == pytest.approx(float(expected), rel=1e-4)


CHANGED = {
    "method": methods.SD(lam=1.0, switch=3), "gray": True, "steps": 9, "lr": 1e-2, "hidden": (5,),
    "train_size": 200, "test_size": 100, "reset": True,
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGED)
def test_every_field_of_a_case_changes_what_it_should(name):
    base = dataclasses.replace(SMALL, method=methods.SD(lam=1.0, switch=2, factor=0.1), steps=8)
    case = dataclasses.replace(base, **{name: CHANGED[name]})
    before, after = (colored_mnist.train(c, [1], "cpu", source=DIGITS) for c in (base, case))
    moved = before.history["loss"][-1] != after.history["loss"][-1]
    tested = before.metrics()[""]["test accuracy"] != after.metrics()[""]["test accuracy"]
    assert tested if name == "test_size" else moved


def test_every_field_is_tried_but_the_precision_which_is_tested_with_the_loop():
    assert {field.name for field in dataclasses.fields(Case)} - set(CHANGED) == {"precision"}


def test_the_precision_reaches_the_loop(monkeypatch):
    asked = []
    monkeypatch.setattr(train, "precision", lambda where, name: asked.append(name) or "float32")
    train_small(steps=1, precision="bfloat16")
    assert asked == ["bfloat16"]


def test_the_biased_network_starts_elsewhere_than_the_one_that_counts():
    run = train_small(methods.LfF(), steps=1, lr=0.0)
    start = MLP((2 * DIGITS.images[0].size, 16, 1), [0], init="xavier").weights[0]
    assert torch.equal(run.model.debiased.weights[0], start)
    assert not torch.equal(run.model.biased.weights[0], start)


# --- training -------------------------------------------------------------------------------


def test_sd_without_a_penalty_is_erm():
    erm, sd = train_small(), train_small(methods.SD())
    assert torch.equal(erm.logits("colored-digits"), sd.logits("colored-digits"))


def test_before_its_switch_sd_is_erm():
    erm = train_small(steps=20)
    sd = train_small(SD, steps=20)
    assert torch.equal(erm.logits("colored-digits"), sd.logits("colored-digits"))


def test_adam_that_is_reset_differs_from_the_switch_on_and_not_before():
    kept, reset = (train_small(SD, reset=on) for on in (False, True))
    assert kept.history.steps.tolist() == reset.history.steps.tolist()
    before = kept.history.steps <= 20
    np.testing.assert_allclose(
        kept.history["colour logit"][before], reset.history["colour logit"][before], atol=1e-6
    )
    assert abs(kept.history["colour logit"][-1] - reset.history["colour logit"][-1]) > 1e-3


def test_a_factor_on_the_objective_slows_adam_down_only_while_it_remembers():
    method = dataclasses.replace(SD, switch=60, factor=1e-4)
    slow, reset = (train_small(method, reset=on, steps=100, lr=1e-3) for on in (False, True))
    moved = [
        abs(run.history["colour logit"][-1, 0] - run.history["colour logit"][12, 0])
        for run in (slow, reset)
    ]
    assert slow.history.steps[12] == 60
    assert moved[1] > 10 * moved[0]


def test_a_history_holds_what_colour_and_shape_add_to_a_logit():
    run = train_small(seeds=[1, 3])
    for i, data in enumerate(one.drawn for one in run.runs):
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
    many = mnist.embedded_digits()
    clean = mnist.colored_mnist(many, 0, label_flip=0.0)
    noisy = mnist.colored_mnist(many, 0)
    assert np.array_equal(clean.test.X.sum(1), noisy.test.X.sum(1))
    task = colored_mnist.Task([prepare(Case(), 0, many)], torch.device("cpu"))
    sign = torch.from_numpy(clean.test.y)
    n = len(sign)

    class Shape(torch.nn.Module):
        def forward(self, X, columns=None):
            return 0.3 * sign[None] if X.shape[-2] == n else torch.ones(1, X.shape[-2])

    measured = task.measure(Shape())
    assert float(measured["shape logit"]) == pytest.approx(0.3, abs=0.03)  # 2,000 noisy labels
    assert float(measured["colour logit"]) == 0


def test_at_full_speed_sd_ends_at_the_colour_classifier_with_the_optimal_logits():
    method = dataclasses.replace(SD, switch=80)
    run = train_small(method, steps=300, lr=2e-3, hidden=(50, 50), train_size=None, test_size=None)
    assert run.history["validation"][-1, 0] > 0.78
    assert run.history["test"][-1, 0] < 0.25
    # The population's optimum for λ = 2: σ(z) - p + 2z = 0 with odds 17 (cues agree) and 17/9.
    assert run.history["colour logit"][-1, 0] == pytest.approx(0.133, abs=0.02)
    assert 0 < run.history["shape logit"][-1, 0] < run.history["colour logit"][-1, 0]


def test_metrics_are_the_last_record_and_the_four_environments():
    run = train_small(seeds=[0, 1])
    metrics = run.metrics()[""]
    assert metrics["test accuracy"] == run.history["test"][-1].tolist()
    np.testing.assert_allclose(
        metrics["colored-digits accuracy"], metrics["test accuracy"], rtol=1e-6
    )
    assert {len(values) for values in metrics.values()} == {2}
    for variant in mnist.ENVIRONMENTS:
        assert {f"{variant} accuracy", f"{variant} entropy"} <= set(metrics)


def test_a_record_of_sd_paths_keeps_the_curves_that_the_chapter_draws(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "digits", lambda *sizes: DIGITS)
    entry = ENTRIES["sd-path"]
    changes = {"steps": 3, "hidden": [4], "train_size": 300, "test_size": 200}
    run = entry.record("quick", [0], "cpu", changes, cases=["longer", "full speed"])
    again = records.read(records.save(run, tmp_path))
    assert again.settings["cases"]["longer"]["method"]["switch"] == 80
    assert {"step", "test", "validation", "colour logit"} <= set(again.curves["longer"])


# --- against plain PyTorch -------------------------------------------------------------------


def test_the_schedule_of_sd_is_trained_as_plain_pytorch_trains_it():
    method = methods.SD(lam_before=0.5, lam=2.0, switch=5, factor=0.1)
    trained = train_small(method, steps=8, seeds=[4])
    data = mnist.colored_mnist(DIGITS, 4, train_size=300, test_size=200)
    X = torch.from_numpy(np.concatenate([e.flat for e in data.train]))
    y = torch.from_numpy(np.concatenate([e.y for e in data.train]))
    net = MLP((X.shape[-1], 16, 1), [4], init="xavier")
    optimizer = torch.optim.Adam(net.parameters(), lr=SMALL.lr)
    for step in range(8):
        optimizer.zero_grad()
        logits = net(X)[0]
        nll, square = torch.nn.functional.softplus(-y * logits).mean(), (logits**2).mean()
        (nll + 0.25 * square if step < 5 else 0.1 * (nll + 1.0 * square)).backward()
        optimizer.step()
    torch.testing.assert_close(trained.model(X), net(X).detach(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", [methods.ERM(), methods.IRM(), methods.LfF()])
def test_seeds_trained_together_are_seeds_trained_alone(method):
    together = train_small(method, steps=5, seeds=[0, 1])
    alone = train_small(method, steps=5, seeds=[1])
    for variant in mnist.ENVIRONMENTS:
        torch.testing.assert_close(
            together.logits(variant)[1:], alone.logits(variant), rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize("method", ["erm", "irm"])
def test_at_full_length_they_differ_by_less_than_half_a_point(method):
    quick = ENTRIES["table2"].cases["quick"][method]
    case = dataclasses.replace(quick, train_size=None, test_size=None)
    together, alone = (
        colored_mnist.train(case, seeds, "cpu", source=DIGITS).metrics()[""]
        for seeds in ([0, 1], [1])
    )
    for name in ("train accuracy", "test accuracy"):
        assert abs(together[name][1] - alone[name][0]) < 0.005


def test_the_oracle_sees_no_colour_and_the_others_do():
    erm, oracle = (train_small(gray=gray, steps=60, train_size=None) for gray in (False, True))
    # Recorded on grayscale images, which a test environment without colour is.
    np.testing.assert_allclose(oracle.history["test"][-1], oracle.test_accuracy("grayscale-digits"))
    np.testing.assert_allclose(erm.history["test"][-1], erm.test_accuracy())
    assert erm.history["train"][-1] > 0.8
    assert erm.test_accuracy()[0] < 0.35 < oracle.history["test"][-1][0]
    assert erm.data["name"] == DIGITS.name


def test_an_empty_card_gets_one_answer_and_half_the_labels_right():
    run = train_small(steps=3)
    logits = run.logits("grayscale-blank")
    assert float(logits.max() - logits.min()) < 1e-6
    y = run.runs[0].drawn.test.y
    share = np.mean(y == np.sign(logits[0, 0].item()))
    assert run.test_accuracy("grayscale-blank")[0] == pytest.approx(share)
    assert 0 <= run.test_entropy("grayscale-blank")[0] <= np.log(2) + 1e-6


def test_a_quick_record_needs_no_mnist_and_a_published_one_does(monkeypatch, capsys):
    def unavailable(download=True):
        raise fetch.DataUnavailable("offline")

    monkeypatch.setattr(fetch, "mnist", unavailable)
    changes = {"steps": 3, "hidden": [4]}
    run = ENTRIES["table2"].record("quick", [0], "cpu", changes, cases=["erm"])
    digits = mnist.embedded_digits()
    assert run.data == digits.record
    assert digits.name not in registry.PUBLISHED
    assert capsys.readouterr().out == ""
    with pytest.raises(fetch.DataUnavailable):
        ENTRIES["table2"].record("paper", [0], "cpu", changes, cases=["erm"])
