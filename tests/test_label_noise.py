"""Label noise and two cues: what spectral decoupling leaves as it is."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from scipy.special import logit

from gsutils import losses, methods, nets
from gsutils.data import mnist
from gsutils.experiments import ENTRIES, label_noise, two_cues

torch.set_num_threads(1)  # networks this small lose more by waiting for a second thread

SOURCE = mnist.embedded_digits()[::4]
CASE = label_noise.Case(
    noise=0.2, pairs=((0.0, 0.0), (0.5, 0.0), (0.1, 4.0)), train_size=120, test_size=100,
    width=6, steps=25,
)  # fmt: skip


@pytest.fixture(autouse=True)
def digits(monkeypatch):
    monkeypatch.setattr(mnist, "digits", lambda train_size: SOURCE)


def test_just_so_many_labels_are_wrong_and_the_test_has_none():
    whole = replace(CASE, side=SOURCE.images.shape[-1])
    for seed in (0, 3):
        drawn = label_noise.prepare(whole, seed)
        clean = label_noise.prepare(replace(whole, noise=0.0), seed)
        assert drawn.wrong.sum() == 24
        assert not clean.wrong.any()
        np.testing.assert_array_equal(clean.X, drawn.X)
        np.testing.assert_array_equal(clean.y != drawn.y, drawn.wrong)
        np.testing.assert_array_equal(clean.test_y, drawn.test_y)
        pairs = ((clean.X, clean.y), (drawn.test_X, drawn.test_y))
        flat = {image.tobytes(): digit for image, digit in zip(SOURCE.images, SOURCE.digits)}
        for X, y in pairs:
            images = np.round(X * 255).astype(np.uint8)
            digit = np.array([flat[image.tobytes()] for image in images])
            np.testing.assert_array_equal(y, np.where(digit == 8, 1, -1))
            assert set(digit) == {3, 8}


def test_every_seed_splits_and_flips_anew():
    one, other = (label_noise.prepare(CASE, seed) for seed in (0, 3))
    assert (one.X != other.X).any()
    assert (one.wrong != other.wrong).any()


def test_no_test_image_is_a_training_image():
    drawn = label_noise.prepare(CASE, 3)
    assert (len(drawn.X), len(drawn.test_X)) == (120, 100)
    together = np.concatenate([drawn.X, drawn.test_X]).round(4)
    assert len(np.unique(together, axis=0)) == len(together)


def test_of_a_small_source_three_fifths_are_trained_on():
    both = int(np.isin(SOURCE.digits, (3, 8)).sum())
    drawn = label_noise.prepare(replace(CASE, train_size=5000, test_size=5000), 0)
    assert len(drawn.X) == both * 3 // 5
    assert len(drawn.X) + len(drawn.test_X) == both


def test_mnist_is_averaged_over_blocks():
    images = np.zeros((40, 28, 28), np.uint8)
    images[:, :4, :4] = 255
    digits = mnist.Digits(images, np.tile([3, 8], 20), "MNIST")
    case = replace(CASE, noise=0.0, train_size=10, test_size=5)
    found = label_noise.prepare(case, 0, digits)
    assert (found.X.shape, found.test_X.shape) == ((10, 49), (5, 49))
    np.testing.assert_array_equal(found.X[0], np.eye(49)[0])
    assert found.name == "MNIST, 3 against 8, 7×7 pixels"


def test_images_stay_whole_where_blocks_do_not_fill_them():
    found = label_noise.prepare(replace(CASE, side=4), 0)
    assert found.X.shape == (120, SOURCE.images[0].size)
    assert found.name == f"{SOURCE.name}, 3 against 8"


def test_five_times_as_many_digits_are_asked_for_as_are_wanted(monkeypatch):
    asked = []

    def digits(wanted):
        asked.append(wanted)
        return SOURCE

    monkeypatch.setattr(mnist, "digits", digits)
    case = replace(CASE, train_size=30, test_size=20, steps=1)
    label_noise.prepare(case, 0)
    label_noise.train(case, [0, 3])
    assert asked == [250] * 2


def test_copies_of_a_network_are_the_network():
    X = torch.from_numpy(np.stack([label_noise.prepare(CASE, seed).X for seed in (0, 3)]))
    net = nets.MLP((X.shape[-1], 5, 1), [0, 3], parameterisation="ntk")
    many = net.copies(3)
    torch.testing.assert_close(many(X.repeat(3, 1, 1)), net(X).repeat(3, 1))
    with pytest.raises(ValueError, match="times must be >= 1, got 0"):
        net.copies(0)


def test_each_pair_is_trained_as_plain_pytorch_trains_it():
    trained = label_noise.train(CASE, [0, 3])
    drawn = label_noise.prepare(CASE, 3)
    X, y, test_X = (torch.from_numpy(v) for v in (drawn.X, drawn.y, drawn.test_X))
    for k, (lam, decay) in enumerate(CASE.pairs):
        net = nets.MLP((X.shape[-1], 6, 1), [3])
        optimizer = torch.optim.Adam(net.parameters(), lr=0.01, weight_decay=decay / 120)
        for _ in range(25):
            optimizer.zero_grad()
            logits = net(X)[0]
            (losses.logistic(logits, y) + lam / 2 * logits.square().mean()).backward()
            optimizer.step()
        with torch.no_grad():
            alone, new = net(X)[0], net(test_X)[0]
            together = trained.model.single(2 * k + 1)(X)[0]
        torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4)
        fitted = (alone * y > 0).numpy()
        expected = {
            "training accuracy": fitted.mean(),
            "wrong labels fitted": fitted[drawn.wrong].mean(),
            "test accuracy": (np.sign(new.numpy()) == drawn.test_y).mean(),
        }
        found = trained.metrics()[label_noise.part((lam, decay))]
        for metric, value in expected.items():
            assert trained.last(metric)[lam, decay][1] == pytest.approx(value)
            assert found[metric][1] == pytest.approx(value)
    best = trained.curve("test accuracy").max(0)
    np.testing.assert_allclose(
        [row["best test accuracy on the way"] for row in trained.metrics().values()], best
    )
    assert (best > trained.curve("test accuracy")[-1]).any()


def test_all_data_come_from_the_source():
    digits = mnist.Digits(SOURCE.images[:, ::-1], SOURCE.digits, "upside down")
    trained = label_noise.train(replace(CASE, steps=1), [0], source=digits)
    usual = label_noise.train(replace(CASE, steps=1), [0])
    assert trained.data["name"] == "upside down, 3 against 8, 7×7 pixels"
    assert trained.data["images"] != usual.data["images"]


def test_sd_learns_wrong_labels_by_heart_and_weight_decay_does_not():
    case = replace(CASE, pairs=((0.0, 0.0), (1.0, 0.0), (0.0, 5.0)), width=64, steps=250)
    trained = label_noise.train(case, [0, 3])
    fitted, test = (trained.last(m) for m in ("wrong labels fitted", "test accuracy"))
    assert fitted[0.0, 0.0].min() > 0.9
    assert fitted[1.0, 0.0].min() > 0.9
    assert fitted[0.0, 5.0].max() < 0.5
    assert (test[0.0, 5.0] > test[1.0, 0.0] + 0.05).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise": 1.0}, r"noise must lie in \[0, 1\), got 1.0"),
        ({"train_size": 1}, "sizes must be >= 2 and >= 1, got 1"),
        ({"test_size": 0}, "got 120 and 0"),
        ({"side": 0}, "side must be an integer >= 1, got 0"),
        ({"pairs": ((-1.0, 0.0),)}, "lam must be .*got -1.0"),
        ({"pairs": ((0.0, -1.0),)}, "weight_decay must be .*-"),
    ],
)
def test_a_case_out_of_range_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        label_noise.train(replace(CASE, **changes), [0])


# --- two cues -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes", [{"p_test": 2.0}, {"p_test": -0.1}, {"p_shape": 1.0}, {"p_colour": (0.6, 1.2)}]
)
def test_shares_out_of_range_are_refused(changes):
    (name,) = changes
    with pytest.raises(ValueError, match=f"{name} must be a finite number >"):
        replace(TINY, **changes)


def test_plain_training_ends_at_the_log_odds_of_each_cue():
    z = two_cues.flow(0.75, 0.85, (1.0, 1.5), 0.0, np.array([0.0, 300.0]))
    assert not z[0].any()
    np.testing.assert_allclose(z[1], [logit(0.75), logit(0.85)], rtol=1e-4)


@pytest.mark.parametrize("lam", [0.1, 2.0])
def test_sd_ends_at_its_optimum_from_everywhere_and_follows_the_better_cue(lam):
    for p_colour in (0.6, 0.85):
        optimum = two_cues.optimum(0.75, p_colour, lam)
        assert (optimum[0] > optimum[1]) == (p_colour < 0.75)
        for start in ((0.0, 0.0), (3.0, -1.0)):
            z = two_cues.flow(0.75, p_colour, (1.0, 2.0), lam, np.array([80.0]), start)
            np.testing.assert_allclose(z[0], optimum, rtol=1e-3)


def test_the_first_step_goes_by_squared_strength_times_excess():
    z = two_cues.flow(0.75, 0.85, (1.0, 2.0), 2.0, np.array([1e-5]))
    np.testing.assert_allclose(z[0], [1e-5 * 0.25, 4e-5 * 0.35], rtol=1e-3)


def test_a_window_opens_after_the_switch_where_the_colour_is_stronger():
    times = np.geomspace(0.01, 50, 60)
    for ratio, opens in ((2.0, True), (0.5, False)):
        plain = two_cues.flow(0.75, 0.85, (1.0, ratio), 0.0, times)[-1]
        path = two_cues.flow(0.75, 0.85, (1.0, ratio), 2.0, times, start=tuple(plain))
        ahead = two_cues.lead(path)
        assert (ahead.max() > 0) == opens
        assert ahead[-1] < 0


def test_parameters_broadcast_and_agree_with_single_flows():
    p, ratio = np.array([0.6, 0.9]), np.array([[0.5], [1.0], [3.0]])
    together = two_cues.flow(0.75, p, (1.0, ratio), 1.0, np.array([0.5, 2.0]))
    assert together.shape == (2, 2, 3, 2)
    alone = two_cues.flow(0.75, 0.9, (1.0, 0.5), 1.0, np.array([0.5, 2.0]))
    np.testing.assert_allclose(together[:, :, 0, 1], alone, atol=1e-4)


TINY = two_cues.Case(
    methods.SD(lam=2.0), p_colour=(0.65, 0.9), ratios=(0.4, 3.0), n=4000, steps=500
)
THEN = replace(TINY, method=methods.SD(lam=2.0, switch=500), steps=1000)


def test_what_networks_see_is_what_was_drawn():
    case = replace(TINY, p_colour=(0.65, 0.9, 0.95))
    X, y, weight = two_cues.prepare(case, 1)
    assert (X.shape, y.shape, weight.shape) == ((6, 8, 2), (8,), (6, 8))
    for cell, (ratio, p) in enumerate((r, p) for r in (0.4, 3.0) for p in (0.65, 0.9, 0.95)):
        assert set(np.abs(X[cell, :, 0])) == {1}
        assert set(np.abs(X[cell, :, 1])) == {ratio}
        assert len(np.unique(np.column_stack([X[cell], y]), axis=0)) == 8
        assert weight[cell].sum() == pytest.approx(1)
        np.testing.assert_allclose(weight[cell] * 4000, np.round(weight[cell] * 4000))
        assert weight[cell] @ (X[cell, :, 0] == y) == pytest.approx(0.75, abs=0.03)
        assert weight[cell] @ (X[cell, :, 1] == ratio * y) == pytest.approx(p, abs=0.03)
        assert weight[cell] @ (y > 0) == pytest.approx(0.5, abs=0.03)
    assert (two_cues.prepare(case, 2)[2] != weight).any()


def test_the_test_takes_the_colour_to_lie():
    for p_test, expected in ((0.1, 0.1), (0.3, 0.3)):
        case = replace(TINY, p_test=p_test, steps=200, ratios=(4.0,), p_colour=(0.95,), n=500)
        assert two_cues.train(case, [0]).end.item() == pytest.approx(expected, abs=1e-5)


def test_a_cell_is_trained_as_plain_pytorch_trains_it():
    case = replace(
        TINY, method=methods.SD(lam=2.0, switch=20), steps=45, n=300, width=5,
        ratios=(0.4, 1.0, 3.0), p_colour=(0.65, 0.9),
    )  # fmt: skip
    found = two_cues.train(case, [4, 1])
    assert found.test.shape[1:] == (3, 2, 2)
    assert found.steps[-1] == 25
    for row, column, run, seed in ((0, 1, 0, 4), (2, 0, 1, 1)):
        X, y, weight = (torch.from_numpy(v).float() for v in two_cues.prepare(case, seed))
        X, weight = (v[2 * row + column] for v in (X, weight))
        net = nets.MLP((2, 5, 1), [seed])
        with torch.no_grad():
            net.weights[-1].zero_()
            net.biases[-1].zero_()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1 / (1 + case.ratios[row] ** 2))
        shares = np.where(X[:, 0] == y, 0.75, 0.25) * np.where(X[:, 1] * y > 0, 0.1, 0.9) / 2
        path = []
        for step in range(46):
            optimizer.zero_grad()
            logits = net(X)[0]
            if step - 20 in found.steps:
                path.append((shares * (1 + np.sign((logits * y).detach().numpy())) / 2).sum())
            value = (weight * torch.nn.functional.softplus(-y * logits)).sum()
            (value + (step >= 20) * (weight * logits.square()).sum()).backward()
            optimizer.step()
        np.testing.assert_allclose(found.test[:, row, column, run], path, atol=1e-6)


def test_a_path_is_told_from_one_with_other_penalty_or_switch():
    losses_of = {
        name: two_cues.train(case, [0]).loss[-1].ravel()
        for name, case in {
            "sd": replace(TINY, steps=30),
            "erm": replace(TINY, steps=30, method=methods.ERM()),
            "late": replace(TINY, steps=30, method=methods.SD(lam=2.0, switch=29)),
        }.items()
    }
    assert (losses_of["sd"] > losses_of["erm"]).all()
    assert (losses_of["late"] > losses_of["sd"]).all()


def test_networks_follow_the_better_cue_in_the_end_and_the_other_in_passing():
    sd, after = (two_cues.train(case, [0, 1]) for case in (TINY, THEN))
    assert sd.test.shape[1:] == (2, 2, 2)
    for found in (sd, after):
        np.testing.assert_allclose(found.end[:, 0], 0.75, atol=1e-5)
        np.testing.assert_allclose(found.end[:, 1], 0.10, atol=1e-5)
    assert sd.best[0, 1] > 0.7 > sd.best[1, 1]
    assert after.best[1, 1] > 0.7 > after.best[0, 1]
    rows = sd.metrics()
    assert list(rows)[1] == "colour 0.9, ratio 0.4"
    assert rows["colour 0.9, ratio 0.4"]["best test accuracy"] == sd.test[:, 0, 1].max(0).tolist()
    assert rows["colour 0.65, ratio 3"]["last test accuracy"] == sd.test[-1, 1, 0].tolist()


def test_a_case_without_a_step_after_the_switch_and_falling_times_are_refused():
    with pytest.raises(ValueError, match="steps must be above the switch, 500, got 500"):
        two_cues.train(replace(THEN, steps=500), [0])
    with pytest.raises(ValueError, match=r"ERM.*knows no weights"):
        two_cues.train(replace(TINY, method=methods.BalancedERM()), [0])
    with pytest.raises(ValueError, match="times must rise"):
        two_cues.flow(0.75, 0.85, (1.0, 1.0), 0.0, np.array([1.0, 0.5]))


# --- cases and entries ----------------------------------------------------------------------

CHANGES = {
    label_noise: (
        replace(CASE, steps=8, width=4),
        {
            "noise": 0.3, "pairs": ((0.2, 0.0), (0.5, 0.0), (0.1, 4.0)), "train_size": 110,
            "test_size": 90, "width": 5, "steps": 9, "lr": 0.02, "classes": (4, 8), "side": 2,
            "records": 3,
        },
    ),
    two_cues: (
        replace(TINY, steps=8, width=4, n=300),
        {
            "method": methods.ERM(), "steps": 9, "p_shape": 0.8, "p_colour": (0.6, 0.9),
            "p_test": 0.2, "ratios": (0.5, 3.0), "n": 310, "width": 5, "lr": 0.2, "records": 3,
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("module", "field"), [(m, f.name) for m in CHANGES for f in fields(m.Case)]
)
def test_no_field_of_a_case_is_idle(module, field):
    case, changes = CHANGES[module]

    def result(case):
        trained = module.train(case, [0])
        if module is label_noise:
            return [trained.history[name] for name in sorted(trained.history.metrics)]
        return [trained.test, trained.loss]

    before, after = result(case), result(replace(case, **{field: changes[field]}))
    assert any(
        one.shape != other.shape or (one != other).any() for one, other in zip(before, after)
    )


def test_the_records_hold_every_pair_and_every_cell():
    small = {"pairs": [[0, 0], [1, 3]], "train_size": 40, "steps": 5, "width": 4}
    run = ENTRIES["label-noise"].record(
        seeds=[1, 2], settings=small, device="cpu", cases=["noise 0", "noise 0.4"]
    )
    assert list(run.metrics) == [
        f"noise {noise}, SD {lam}, weight decay {decay}"
        for noise in ("0", "0.4")
        for lam, decay in ((0, 0), (1, 3))
    ]
    run = ENTRIES["transient-map"].record(
        seeds=[1],
        settings={"p_colour": [0.65, 0.9], "ratios": [0.4, 3.0], "steps": 6}
        | {"ERM then SD.method.switch": 5},
        device="cpu",
    )
    assert len(run.metrics) == 3 * 4
    assert set(run.metrics["SD, colour 0.9, ratio 3"]) == {
        "best test accuracy", "last test accuracy",
    }  # fmt: skip


def test_the_cases_are_what_their_names_say():
    for size in ("quick", "paper"):
        for name, case in ENTRIES["label-noise"].cases[size].items():
            assert name == f"noise {case.noise:g}"
        for name, case in ENTRIES["label-noise-width"].cases[size].items():
            assert (name, case.noise) == (f"width {case.width}", 0.2)
        erm, sd, then = ENTRIES["transient-map"].cases[size].values()
        assert (erm.method, sd.method) == (methods.ERM(), methods.SD(lam=2.0))
        assert then.method == methods.SD(lam=2.0, switch=erm.steps)
        assert then.steps - then.switch == erm.steps == sd.steps
        assert 0.75 not in erm.p_colour
