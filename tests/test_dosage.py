"""Gradient dosage: exact doses, the law of what is left, and what networks do."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from gsutils import methods, pulls
from gsutils.data import features
from gsutils.data.features import Population
from gsutils.experiments import ENTRIES, dosage, dosage_noise
from gsutils.experiments.dosage import Case, train
from gsutils.nets import MLP
from gsutils.train import SGD, History

torch.set_num_threads(1)  # networks this small lose more by waiting for a second thread

PROBABILITY = st.floats(0.55, 0.98)
SMALL = Case(steps=30, hidden=8, pool=512, records=3, batch=64)
NOISY = dosage_noise.Case(
    n=40, steps=20, records=4, private=30, label_noise=0.2, test=50, twins=2, hidden=30
)
ERM, SQUARED = methods.ERM(), methods.Squared()


# --- the population -------------------------------------------------------------------------


def test_probabilities_are_those_of_independent_features():
    population = Population.of_features((0.9, 0.6))
    assert population.f.tolist() == [[1, 1], [1, -1], [-1, 1], [-1, -1]]
    np.testing.assert_allclose(population.plus, np.array([0.54, 0.36, 0.06, 0.04]) / 2)
    np.testing.assert_allclose(population.minus, population.plus.flip(0))


def test_three_features_start_at_nine_to_one_and_end_at_one_to_one():
    population = Population.of_features((0.9,) * 3)
    w = torch.tensor([0.0, np.log(9)], dtype=torch.float64)[:, None] * torch.ones(3)
    total, agreed = pulls.doses(w.double() @ population.f.T, population, ERM)
    np.testing.assert_allclose(agreed / total[:, None], [[0.9] * 3, [0.5] * 3])


def test_the_majority_is_right_on_97_2_per_cent_and_one_feature_on_90():
    population = Population.of_features((0.9,) * 3)
    logits = torch.stack([population.f.sum(1), population.f[:, 0], 0 * population.f[:, 0]])
    np.testing.assert_allclose(population.accuracy(logits), [0.972, 0.9, 0.5])


@settings(deadline=None, max_examples=10)
@given(p=PROBABILITY, other=PROBABILITY, lam=st.floats(0, 3))
def test_what_is_left_for_another_feature_is_4p_1_minus_p_for_three_losses(p, other, lam):
    population = Population.of_features((p, other))

    def doses(w, method):
        return pulls.doses(w * population.f[:, 0], population, method)

    def net(w, method):
        total, agreed = doses(w, method)
        return float(2 * agreed[0] - total)

    for method in (ERM, methods.SD(lam=lam), SQUARED):
        total, agreed = doses(brentq(net, 0, 10, args=(method,)), method)
        before, _ = doses(0.0, method)
        assert total / before == pytest.approx(4 * p * (1 - p), rel=1e-6)
        assert agreed[1] / total == pytest.approx(other, rel=1e-9)


@settings(deadline=None, max_examples=30)
@given(u=st.floats(-20, 20), lam=st.floats(0, 3), label=st.sampled_from([-1.0, 1.0]))
def test_pulls_are_the_closed_forms(u, lam, label):
    y = torch.tensor([[label, -label]], dtype=torch.float64)
    logits = u * y
    alpha = float(torch.sigmoid(-torch.tensor(u, dtype=torch.float64)))
    for method, expected in (
        (ERM, alpha),
        (methods.SD(lam=lam), alpha - lam * u),
        (SQUARED, 1 - u),
    ):
        assert pulls.pull(logits, y, method).tolist() == [[pytest.approx(expected)] * 2]


def test_the_net_pull_is_minus_the_gradient_of_the_expected_loss():
    population = Population.of_features((0.9, 0.7, 0.8))
    for method in (ERM, methods.SD(lam=0.2), methods.SD(lam=0.2, gamma=(0.4, 2.5)), SQUARED):
        w = torch.tensor([1.0, -0.5, 0.3], dtype=torch.float64, requires_grad=True)
        loss = pulls.expected_loss(population.f @ w, population, method)
        (slope,) = torch.autograd.grad(loss, w)
        total, agreed = pulls.doses((population.f @ w).detach(), population, method)
        np.testing.assert_allclose(2 * agreed - total, -slope, atol=1e-12)


def test_the_expected_loss_is_that_of_many_examples_drawn():
    population = Population.of_features((0.9, 0.7))
    rng, w = np.random.default_rng(0), torch.tensor([1.0, -2.0], dtype=torch.float64)
    y = rng.choice([-1.0, 1.0], 100_000)
    f = np.where(rng.random((len(y), 2)) < (0.9, 0.7), y[:, None], -y[:, None])
    for method in (ERM, methods.SD(lam=0.2), SQUARED):
        drawn = method.loss(torch.from_numpy(f) @ w, methods.Batch(torch.from_numpy(y)), 0, {})
        exact = pulls.expected_loss(population.f @ w, population, method)
        assert float(exact) == pytest.approx(float(drawn), rel=0.01)


def test_the_exact_flow_ends_at_the_log_odds_of_each_feature():
    w = pulls.flow([2, 1], [0.9, 0.7], [0.0, 60.0, 120.0])
    np.testing.assert_allclose(w[-1], np.log([9, 7 / 3]), atol=1e-3)
    again = pulls.flow([2, 1], [0.9, 0.7], [0.0, 60.0], start=w[1])
    np.testing.assert_allclose(again[-1], w[-1], atol=1e-8)


def test_the_exact_flow_under_squared_loss_is_its_closed_form():
    times = np.linspace(0, 3, 7)
    w = pulls.flow([2.0], [0.9], times, SQUARED)
    np.testing.assert_allclose(w[:, 0], 0.8 * (1 - np.exp(-4 * times)), rtol=1e-8, atol=1e-12)


def test_pulls_need_no_state_of_autograd():
    usual = pulls.pull(torch.arange(3.0), torch.ones(3), ERM)
    for off in (torch.no_grad, torch.inference_mode):
        with off():
            found = pulls.pull(torch.arange(3.0), torch.ones(3), ERM)
        assert torch.equal(found.clone(), usual)


# --- data -----------------------------------------------------------------------------------


def test_only_the_product_of_a_block_says_something_about_the_feature():
    f = np.where(np.arange(20_000)[:, None] % 2 == 0, 1.0, -1.0)
    X = features.blocks(f, [3.0], np.random.default_rng(0))
    assert np.abs((X * f).mean(0)).max() < 0.1
    assert (np.sign(X.prod(1)) == f[:, 0]).mean() > 0.99
    assert np.abs(X).mean() == pytest.approx(3, abs=0.1)


def test_features_agree_with_the_label_as_often_as_asked():
    X, y = features.draw(0, 20_000, [1, 1], [0.9, 0.6])
    agrees = np.sign(X.reshape(-1, 2, 2).prod(2)) == y[:, None]
    np.testing.assert_allclose(agrees.mean(0), [0.9, 0.6], atol=0.01)


def test_a_fifth_of_the_labels_is_wrong_and_private_inputs_are_nearly_orthogonal():
    X, y, f = features.draw_noisy(0, 2000, 300, 0.2)
    assert (y != f).mean() == pytest.approx(0.2, abs=0.03)
    gram = X[:50, 2:] @ X[:50, 2:].T
    assert np.diag(gram).mean() == pytest.approx(1, abs=0.05)
    assert np.abs(gram - np.diag(np.diag(gram))).max() < 0.35


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Population.of_features((0.9, 1.0)), r"reliability must be .*got \(0.9, 1.0\)"),
        (lambda: features.draw(0, 5, [1], [0.0]), "reliability must be probabilities"),
        (lambda: features.draw_noisy(0, 5, 3, 0.5), "label_noise must lie in .*got 0.5"),
        (
            lambda: pulls.pull(torch.zeros(2), torch.ones(2), methods.VREx()),
            "method must be ERM, SD without a switch or squared loss, .*got VREx",
        ),
        (
            lambda: pulls.pull(torch.zeros(2), torch.ones(2), methods.SD(lam=1.0, switch=3)),
            "method must be .*got SD",
        ),
        (lambda: pulls.flow([0.0], [0.9], [0.0, 2.0]), "strengths must be a finite number > 0"),
        (lambda: pulls.flow([-1], [0.9], [0.0, 2.0]), "strengths must be .*got -1"),
        (lambda: pulls.flow([1], [0.9], [1.0, 2.0]), "times must start at 0, got 1.0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- networks -------------------------------------------------------------------------------


def test_what_a_detector_receives_is_how_fast_its_response_grows():
    found = train(replace(SMALL, steps=2, records=2, batch=4096, pool=4096), [0])
    grown = np.diff(found["responses"], axis=0) / SMALL.lr
    np.testing.assert_allclose(grown[0], found["received"][0], atol=0.02)


def test_a_seed_gives_the_same_numbers_alone_and_among_others():
    case = replace(SMALL, head_start=10)
    together, alone = train(case, [3, 1]), train(case, [1])
    for name in ("responses", "share", "received", "size"):
        np.testing.assert_allclose(together[name][:, 1:], alone[name], rtol=1e-3, atol=1e-5)


def test_in_a_head_start_only_the_first_feature_is_learned():
    case = replace(SMALL, hidden=32, pool=4096, batch=256, steps=1, head_start=400)
    found = train(case, [0])
    first, *others = found["responses"][found.at(0), 0]
    assert first > 1.8
    assert max(map(abs, others)) < 0.1
    share = found["share"][found.at(0), 0]
    np.testing.assert_allclose(share, [0.5, 0.9, 0.9], atol=0.07)


def test_silence_and_decay_shrink_a_detector_exponentially_and_silence_alone_does_not():
    case = replace(SMALL, silent_from=0)
    sizes = {
        decay: train(replace(case, weight_decay=decay), [0])["size"][:, 0, 1]
        for decay in (0.1, 0.0)
    }
    steps = np.array([0, 10, 20, 30])
    np.testing.assert_allclose(sizes[0.1] / sizes[0.1][0], 0.99**steps, rtol=1e-5)
    np.testing.assert_allclose(sizes[0.0], sizes[0.0][0], rtol=1e-6)


def test_a_condition_holds_since_the_first_step_after_which_it_never_fails():
    found = dosage.Trained(SMALL, History(np.array([0, 5, 9]), {}))
    holds = np.array([[1, 1, 0, 1], [0, 1, 1, 1], [1, 1, 1, 0]], bool)
    assert found.since(holds).tolist() == [9, 0, 5, 9]


# --- what the training gets -----------------------------------------------------------------

UNEQUAL = replace(
    SMALL, strengths=(3.0, 1.0, 0.5), reliability=(0.95, 0.8, 0.7), head_start=4, silent_from=3
)


def test_the_phases_follow_each_other_and_only_the_first_feature_agrees_in_the_head_start():
    case = replace(UNEQUAL, pool=20_480)
    early, usual, silent = dosage.prepare(case, 5)
    assert [phase.since for phase in (early, usual, silent)] == [-4, 0, 3]
    for phase, expected in ((early, [0.95, 0.5, 0.5]), (usual, [0.95, 0.8, 0.7])):
        agrees = np.sign(phase.X.reshape(-1, 3, 2).prod(2)) == phase.y[:, None]
        np.testing.assert_allclose(agrees.mean(0), expected, atol=0.01)
        sizes = np.abs(phase.X).reshape(-1, 3, 2).mean((0, 2))
        np.testing.assert_allclose(sizes, [3, 1, 0.5], rtol=0.02)
    X, y = features.draw(5, 20_480, case.strengths, case.reliability)
    np.testing.assert_array_equal(usual.X, X)
    np.testing.assert_array_equal(usual.y, y)
    np.testing.assert_array_equal(silent.X, X * [1, 1, 0, 0, 1, 1])
    np.testing.assert_array_equal(silent.y, y)
    (only,) = dosage.prepare(replace(case, head_start=0, silent_from=None), 5)
    assert only.since == 0


def seen_by(monkeypatch, module, case, seeds):
    """Return what each step gives to the network and the method, and the optimiser's settings."""
    batches, labels, told = [], [], {}
    forward, loss, step = MLP.forward, type(case.method).loss, SGD.step

    def inputs(self, X, *rest):
        if self.training:
            batches.append(X.detach().numpy())
        return forward(self, X, *rest)

    def batch(self, logits, batch, number, state):
        if batch.y.ndim == 2:  # not of the measures
            labels.append((number, batch.y.numpy()))
        return loss(self, logits, batch, number, state)

    def update(self, *arguments):
        (told["optimizer"],) = self.param_groups
        return step(self, *arguments)

    monkeypatch.setattr(MLP, "forward", inputs)
    monkeypatch.setattr(type(case.method), "loss", batch)
    monkeypatch.setattr(SGD, "step", update)
    trained = module.train(case, seeds)
    monkeypatch.undo()
    return trained, batches, labels, told["optimizer"]


def test_each_step_takes_the_next_examples_of_its_phase(monkeypatch):
    case = replace(UNEQUAL, steps=6, pool=200, batch=50, weight_decay=0.03, lr=0.07)
    trained, batches, labels, optimizer = seen_by(monkeypatch, dosage, case, [5, 2])
    assert (optimizer["lr"], optimizer["weight_decay"]) == (0.07, 0.03)
    assert [number for number, _ in labels] == list(range(11))
    for run, seed in enumerate((5, 2)):
        early, usual, silent = dosage.prepare(case, seed)
        expected = [early] * 4 + [usual] * 3 + [silent] * 4
        for step, phase in enumerate(expected):
            rows = slice(50 * (step % 4), 50 * (step % 4) + 50)
            np.testing.assert_array_equal(batches[step][run], phase.X[rows].astype("float32"))
            np.testing.assert_array_equal(labels[step][1][run], phase.y[rows])
    assert trained.steps.tolist() == [-4, 0, 2, 4, 6]
    assert trained["size"].shape == (5, 2, 3)


@pytest.mark.parametrize("method", [methods.SD(lam=0.5, l2=0.01), SQUARED])
def test_what_is_trained_is_the_methods_objective(method):
    case = replace(SMALL, steps=1, records=1, method=method, strengths=(3.0, 1.0, 0.5))
    trained, net = train(case, [4]), MLP((6, 8, 1), [4])
    (phase,) = dosage.prepare(case, 4)
    X, y = torch.from_numpy(phase.X[:64]).float(), torch.from_numpy(phase.y[:64]).float()
    loss = method.loss(net(X), methods.Batch(y), 0, {})
    squares = sum(p.square().sum() for p in net.parameters())
    expected = float((loss + method.l2 * squares).detach())
    assert trained["loss"][0, 0] == pytest.approx(expected, rel=1e-6)
    population = Population.of_blocks(case.reliability, case.strengths)
    total, agreed = pulls.doses(net(population.X), population, method)
    np.testing.assert_allclose(trained["share"][0], (agreed / total).detach(), rtol=1e-5)
    np.testing.assert_allclose(trained["pull"][0], (2 * agreed - total).detach(), rtol=1e-4)
    first = net.weights[0].detach()[0].numpy()  # (hidden, 6)
    sizes = [np.linalg.norm(first[:, 2 * j : 2 * j + 2]) for j in range(3)]
    np.testing.assert_allclose(trained["size"][0, 0], sizes, rtol=1e-5)


OTHER = {
    "steps": 29, "hidden": 9, "pool": 256, "records": 2, "strengths": (2.0, 1.0, 1.0),
    "reliability": (0.9, 0.9, 0.8), "head_start": 2, "method": SQUARED, "weight_decay": 0.1,
    "silent_from": 5, "lr": 0.2, "batch": 128,
}  # fmt: skip
OTHER_NOISE = {
    "n": 41, "steps": 19, "records": 3, "method": methods.SD(lam=0.3), "weight_decay": 0.1,
    "private": 31, "label_noise": 0.4, "test": 49, "twins": 3, "hidden": 31, "lr": 0.1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("module", "usual", "name", "value"),
    [(dosage, SMALL, *change) for change in OTHER.items()]
    + [(dosage_noise, NOISY, *change) for change in OTHER_NOISE.items()],
)
def test_every_field_of_a_case_changes_what_comes_out(module, usual, name, value):
    assert {field.name for field in fields(usual)} == set(
        OTHER if module is dosage else OTHER_NOISE
    )
    before, after = (
        module.train(case, [0]).curves() for case in (usual, replace(usual, **{name: value}))
    )
    assert before != after


# --- wrong labels ---------------------------------------------------------------------------


def test_the_general_dose_of_a_noisy_sample_starts_at_right_less_wrong_labels():
    found = dosage_noise.train(NOISY, [0, 1])
    wrong = found.wrong.sum(1)
    general = found["clean"][0] * (40 - wrong) - found["wrong"][0] * wrong
    np.testing.assert_allclose(general / found["wrong"][0], 40 - 2 * wrong, rtol=0.05)
    np.testing.assert_allclose(found["share"][0], 1 - wrong / 40, rtol=0.05)
    assert np.abs(found["memory wrong"][0]).max() < 0.1


def test_twins_share_the_first_inputs_and_new_examples_have_right_labels():
    got = dosage_noise.prepare(replace(NOISY, n=2000, twins=3, test=500), 7)
    assert got.X.shape == (2000, 32)
    assert got.twins.shape == (6000, 32)
    assert got.test_X.shape == (500, 32)
    np.testing.assert_array_equal(got.twins[:, :2], got.X[:, :2].repeat(3, 0))
    assert not np.isin(got.twins[:, 2:], got.X[:, 2:]).any()
    assert len(np.unique(got.twins[:, 2])) == 6000
    np.testing.assert_allclose(got.twins[:, 2:].std(0), 30**-0.5, rtol=0.1)
    np.testing.assert_array_equal(np.sign(got.test_X[:, :2].prod(1)), got.test_f)
    assert not np.isin(got.test_X, got.X).any()
    np.testing.assert_array_equal(np.sign(got.X[:, :2].prod(1)), got.f)
    assert (got.y != got.f).mean() == pytest.approx(0.2, abs=0.03)


def test_the_whole_noisy_sample_is_trained_on(monkeypatch):
    case = replace(NOISY, steps=2, weight_decay=0.03)
    _, batches, labels, optimizer = seen_by(monkeypatch, dosage_noise, case, [5, 2])
    assert (optimizer["lr"], optimizer["weight_decay"]) == (0.2, 0.03)
    for run, seed in enumerate((5, 2)):
        expected = dosage_noise.prepare(case, seed)
        for X, (_, y) in zip(batches, labels, strict=True):
            np.testing.assert_array_equal(X[run], expected.X.astype("float32"))
            np.testing.assert_array_equal(y[run], expected.y)


def test_each_noisy_metric_is_of_its_examples():
    method = methods.SD(lam=0.5)
    found = dosage_noise.train(replace(NOISY, steps=1, records=1, method=method), [6])
    ours, net = dosage_noise.prepare(NOISY, 6), MLP((32, 30, 1), [6])

    def logits(X):
        return net(torch.from_numpy(X).float())[0].detach().double().numpy()

    z, mean = logits(ours.X), logits(ours.twins).reshape(40, 2).mean(1)
    wrong = ours.y != ours.f
    np.testing.assert_array_equal(found.wrong[0], wrong)
    u, memory = ours.y * z, ours.y * (z - mean)
    alpha = 1 / (1 + np.exp(u)) - 0.5 * u
    for name, expected in {
        "train": (u > 0).mean(),
        "fitted": (u > 0)[wrong].mean(),
        "test": (ours.test_f * logits(ours.test_X) > 0).mean(),
        "shared": (ours.f * mean).mean(),
        "clean": alpha[~wrong].mean(),
        "wrong": alpha[wrong].mean(),
        "share": alpha[~wrong].sum() / alpha.sum(),
        "memory clean": memory[~wrong].mean(),
        "memory wrong": memory[wrong].mean(),
    }.items():
        assert found[name][0, 0] == pytest.approx(expected, rel=1e-4), name


# --- entries --------------------------------------------------------------------------------


def test_the_entries_list_every_start_with_every_loss():
    for size in ("quick", "paper"):
        cases = ENTRIES["dosage"].cases[size]
        usual = cases["equal, cross-entropy"]
        assert usual == Case(usual.steps, usual.hidden, usual.pool, usual.records)
        starts = {
            "equal": {},
            "stronger": {"strengths": (2.0, 1.0, 1.0)},
            "head start": {"head_start": 400},
        }
        losses = {"cross-entropy": ERM, "SD": methods.SD(lam=0.1), "squared": SQUARED}
        for start, how in starts.items():
            for loss, method in losses.items():
                assert cases[f"{start}, {loss}"] == replace(usual, method=method, **how)
        stronger = replace(usual, strengths=(2.0, 1.0, 1.0))
        assert cases["stronger, strong SD"] == replace(stronger, method=methods.SD(lam=2.0))
        assert cases["stronger, weight decay"] == replace(stronger, weight_decay=0.08)
        alone = replace(usual, reliability=(0.5, 0.9, 0.9), weight_decay=0.08)
        assert cases["alone, weight decay"] == alone
        noisy = ENTRIES["dosage-noise"].cases[size]
        assert noisy["SD"] == replace(noisy["cross-entropy"], method=methods.SD(lam=0.1))
        assert noisy["weight decay"] == replace(noisy["cross-entropy"], weight_decay=0.02)


def test_the_records_hold_the_last_values_and_their_curves():
    tiny = {"steps": 4, "records": 2, "hidden": 4, "pool": 256, "batch": 64}
    run = ENTRIES["dosage"].record("quick", [0, 4], "cpu", tiny, ["equal, SD"])
    curves, metrics = run.curves["equal, SD"], run.metrics["equal, SD"]
    assert curves["step"] == [0, 2, 4]
    assert metrics["step of 95 %"] == [4, 4]  # never: the last step
    case = replace(SMALL, steps=4, records=2, hidden=4, pool=256, method=methods.SD(lam=0.1))
    found = train(case, [0, 4])
    for j in (1, 2, 3):
        for name in ("responses", "share", "pull"):
            assert metrics[f"{name} {j}"] == found[name][-1, :, j - 1].tolist()
            np.testing.assert_allclose(curves[f"{name} {j}"], found[name][..., j - 1], rtol=1e-5)
    tiny = {"steps": 4, "records": 2, "hidden": 4, "n": 20, "test": 10}
    run = ENTRIES["dosage-noise"].record("quick", [0], "cpu", tiny, ["SD"])
    assert 0 <= run.metrics["SD"]["test"][0] <= 1


def test_a_curve_of_a_record_has_some_30_points_its_ends_among_them():
    steps = np.arange(0, 200, 2)
    kept = dosage.some_points(steps, {"x": steps / 2})
    assert len(kept["step"]) == dosage.CURVE_POINTS == 30
    assert (kept["step"][0], kept["step"][-1]) == (0, 198)
    assert kept["x"] == [step / 2 for step in kept["step"]]
