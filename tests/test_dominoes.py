"""Dominoes: what is dealt, what is trained, and what a last layer fitted anew has seen."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from gsutils import losses, methods
from gsutils import train as training
from gsutils.data import dominoes as data
from gsutils.data import fetch, images, mnist
from gsutils.evaluate import Split
from gsutils.experiments import _last_layer, dominoes
from gsutils.experiments.dominoes import DFR, PIXELS, UNTRAINED, Case
from gsutils.nets import ConvNet
from gsutils.seeding import stream
from gsutils.train.image_batches import Order

torch.set_num_threads(1)  # networks this small lose more by waiting for a second thread

DIGITS = mnist.embedded_digits()[::4]  # 2,500 to train on and 500 to test on
SIDE = DIGITS.images.shape[-1]
CUT = len(DIGITS) * 5 // 6
MOST = 2 * min(np.bincount(DIGITS.digits[:CUT])[[4, 9]])  # dominoes with a hard half each
TINY = Case(
    hard="4 and 9", sizes=(80, 24, 20, 40), widths=(4,), epochs=2, batch=20, lr=3e-3,
    strengths=(0.01, 1.0), precision="float32",
)  # fmt: skip
CPU = torch.device("cpu")


def train(case=TINY, seeds=(0,), **options):
    return dominoes.train(case, seeds, "cpu", source=DIGITS, **options)


def prepare(case=TINY, seed=0):
    return dominoes.prepare(case, seed, DIGITS)


@pytest.fixture(scope="module")
def erm():
    return train(seeds=[0, 3])


# --- what is dealt ---------------------------------------------------------------------------


def places(found, pool):
    """Where images lie in a pool; every image is there."""
    index = {image.tobytes(): place for place, image in enumerate(pool)}
    return [index[np.ascontiguousarray(image).tobytes()] for image in found]


def test_the_upper_half_is_the_digit_and_the_lower_half_the_label():
    given = prepare(seed=5)
    for name, part in given.parts.items():
        last = name == "test"
        for sign, k in ((-1, 0), (1, 1)):
            places(part.images[part.easy == sign, :, :SIDE], given.halves.easy[last][k])
            places(part.images[part.y == sign, :, SIDE:], given.halves.hard[last][k])


def test_no_hard_image_is_on_two_dominoes():
    given = prepare(replace(TINY, sizes=(100, 60, 40, 60)))
    for sign, k in ((-1, 0), (1, 1)):
        parts = [given.parts[name] for name in ("train", "retraining", "validation")]
        lower = np.concatenate([p.images[p.y == sign, :, SIDE:] for p in parts])
        used = places(lower, given.halves.hard[0][k])
        assert len(set(used)) == len(used) == 100


def test_pools_are_two_digits_each_cut_in_two():
    halves = data.pools("4 and 9", DIGITS)
    for pools, pair in ((halves.easy, (0, 1)), (halves.hard, (4, 9))):
        for k, digit in enumerate(pair):
            for pool, part in zip(pools, (DIGITS[:CUT], DIGITS[CUT:]), strict=True):
                expected = part.images[part.digits == digit][:, None]
                assert np.array_equal(pool[k], expected)


def test_groups_are_exactly_as_large_as_the_agreement_says():
    given = prepare(replace(TINY, agreement=0.9))
    counts = {name: np.bincount(part.group).tolist() for name, part in given.parts.items()}
    assert counts["train"] == [36, 4, 4, 36]
    assert counts["retraining"] == [6, 6, 6, 6]
    assert counts["validation"] == [5, 5, 5, 5]
    assert counts["test"] == [10, 10, 10, 10]
    assert given.halves.groups == ("4 below 0", "4 below 1", "9 below 0", "9 below 1")


def test_a_group_number_tells_label_and_digit():
    part = prepare().parts["train"]
    assert np.array_equal(part.y, np.where(part.group >= 2, 1, -1))
    assert np.array_equal(part.easy, np.where(part.group % 2, 1, -1))


def test_each_seed_deals_its_own_dominoes():
    first, again, other = (prepare(seed=seed).parts["train"].images for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": (80, 24, 20, 41)}, "sizes must be positive and even"),
        ({"sizes": (80, 24, 0, 40)}, "sizes must be positive and even"),
        (
            {"sizes": (800, 24, 20, 40)},
            f"there are hard images for {MOST} dominoes, 844 were asked",
        ),
        ({"sizes": (80, 24, 20, 400)}, "there are hard images for .* 400 were asked"),
        ({"agreement": 1.2}, "an agreement must be in"),
        ({"hard": "cars"}, "hard must be in .*got 'cars'"),
    ],
)
def test_impossible_dominoes_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        prepare(replace(TINY, **changes))


@pytest.mark.parametrize("agreements", [(0.9, 0.5), (0.9, 0.5, 0.5, 0.5)])
def test_every_split_has_an_agreement(agreements):
    with pytest.raises(ValueError, match="agreements must be 3, one for each split, got"):
        data.deal(prepare().halves, (20, 20, 20), agreements, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"first_epochs": -1}, "first_epochs must be >= 0"),
        ({"upweight": 0.0}, "upweight > 0"),
        ({"upweight": 5.0}, "set first_epochs"),
        ({"first_epochs": 1, "method": methods.GroupDRO()}, "JTT weighs examples, which group DRO"),
    ],
)
def test_a_jtt_that_is_none_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(TINY, **changes)


@pytest.fixture
def cats_and_dogs(monkeypatch):
    """Forty images in the place of CIFAR-2, and digits in the place of MNIST."""
    rng = stream(0, "test")
    X = rng.integers(0, 256, (40, 3, 32, 32), np.uint8)
    y = np.where(np.arange(40) % 2, 1, -1).astype(np.float32)
    task = images.ImageTask(X[:24], y[:24], X[24:], y[24:], ("cat", "dog"), "CIFAR-2 of x", True)
    monkeypatch.setattr(images, "cats_and_dogs", lambda: task)
    ink = rng.integers(0, 256, (60, 28, 28), np.uint8)
    return task, mnist.Digits(ink, np.arange(60) % 3, "MNIST")


def test_cats_and_dogs_lie_below_framed_digits(cats_and_dogs):
    task, source = cats_and_dogs
    given = dominoes.prepare(Case(sizes=(8, 8, 8, 16)), 0, source)
    assert given.halves.groups == ("cat below 0", "cat below 1", "dog below 0", "dog below 1")
    assert given.halves.name == "0 or 1 of MNIST above CIFAR-2 of x"
    part = given.parts["test"]
    assert part.images.shape == (16, 3, 64, 32)
    assert sorted(places(part.images[part.y > 0, :, 32:], task.X_test)) == [
        1,
        3,
        5,
        7,
        9,
        11,
        13,
        15,
    ]
    upper = part.images[:, :, :32]
    assert not upper[:, :, :2].any()
    assert not upper[..., -2:].any()
    assert (upper == upper[:, :1]).all()
    ones = source.images[source.digits == 1]
    places(upper[part.easy > 0][:, 0, 2:-2, 2:-2], ones)


def test_mnist_above_digits_is_thinned(cats_and_dogs):
    _, source = cats_and_dogs
    source = replace(source, digits=np.array([0, 1, 4, 9] * 15))
    halves = data.pools("4 and 9", source)
    assert halves.hard[0][0].shape[1:] == (1, 14, 14)


def test_cats_and_dogs_ask_for_mnist():
    with pytest.raises(ValueError, match=f"28×28 pixels above them, got {DIGITS.name}"):
        prepare(Case())


def test_without_mnist_only_digits_are_dealt(cats_and_dogs, monkeypatch, tmp_path):
    monkeypatch.setenv("GSUTILS_DATA", str(tmp_path))
    monkeypatch.setenv("GSUTILS_OFFLINE", "1")
    given = dominoes.prepare(TINY, 0)
    assert given.case is TINY
    assert given.halves.name == f"0 or 1 above 4 or 9, {mnist.embedded_digits().name}"
    with pytest.raises(fetch.DataUnavailable, match=r"MNIST is not at hand.*fetch_mnist\.py"):
        dominoes.prepare(Case(sizes=(8, 8, 8, 16)), 0)


# --- what is trained -------------------------------------------------------------------------


def first_batch(case, seed=0):
    """The first batch of a training, and its logits, by hand."""
    part = prepare(case, seed).parts["train"]
    X, y, group = (torch.from_numpy(a) for a in (part.images, part.y, part.group))
    chosen = Order(group, case.batch, seed, case.by_group)(0)
    net = ConvNet(case.widths, training.pixels(X), seed=seed)
    return net(training.pixels(X[chosen])).detach(), y[chosen], group[chosen], chosen


@pytest.mark.parametrize(
    ("method", "by_group"),
    [(methods.ERM(), False), (methods.SD(lam=0.5), False), (methods.GroupDRO(eta=0.3), True)],
)
def test_the_first_loss_is_the_methods_formula_on_what_was_prepared(method, by_group):
    case = replace(TINY, method=method, by_group=by_group)
    logits, y, group, _ = first_batch(case)
    expected = method.loss(logits, methods.Batch(y, group), 0, method.start(y, 4))
    assert train(case).runs[0].history["loss"][0] == pytest.approx(float(expected), rel=1e-5)


def test_group_dro_counts_four_groups(monkeypatch):
    counted = []
    start = methods.GroupDRO.start

    def watched(self, y, groups=1):
        counted.append(groups)
        return start(self, y, groups)

    monkeypatch.setattr(methods.GroupDRO, "start", watched)
    train(replace(TINY, method=methods.GroupDRO(), epochs=1))
    assert counted == [4]


def test_jtt_weighs_what_its_first_training_gets_wrong():
    case = replace(TINY, first_epochs=1, upweight=5.0)
    run = train(case).runs[0]
    first, _ = dominoes.fit(prepare(replace(TINY, epochs=1)), CPU)
    part = run.given.parts["train"]
    with torch.no_grad():
        wrong = first(training.pixels(torch.from_numpy(part.images))).numpy() * part.y <= 0
    assert 0 < wrong.sum() < len(wrong)
    assert np.allclose(run.weight[wrong], 5 * run.weight[~wrong][0])
    assert run.weight.mean() == pytest.approx(1)
    found = train(case).metrics()[""]
    assert found["upweighted"] == [wrong.mean()]
    assert found["conflicting among the upweighted"] == [(part.y != part.easy)[wrong].mean()]


def test_jtts_second_training_starts_anew_and_is_weighted():
    case = replace(TINY, first_epochs=1, upweight=5.0)
    run = train(case).runs[0]
    logits, y, _, chosen = first_batch(case)
    weight = torch.from_numpy(run.weight)[chosen]
    expected = (weight * losses.example_losses(logits, y)).mean()
    assert run.history["loss"][0] == pytest.approx(float(expected), rel=1e-5)
    assert len(run.history.steps) == case.epochs + 1


def test_jtt_that_weighs_nothing_more_is_erm(erm):
    case = replace(TINY, first_epochs=1)
    np.testing.assert_allclose(train(case).groups(), erm.groups()[:1])


def test_without_an_easy_half_of_use_it_is_dealt_at_random():
    part = dominoes.prepare(ENTRY.cases["quick"]["no_shortcut"], 0).parts["train"]
    assert len(set(np.bincount(part.group).tolist())) == 1


def test_a_run_goes_on_from_its_checkpoints(tmp_path):
    case = replace(TINY, first_epochs=1, upweight=5.0)
    first, again = (train(case, seeds=[2], checkpoint=tmp_path / "training.pt") for _ in range(2))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["training-2-first.pt", "training-2.pt"]
    assert np.array_equal(first.runs[0].history["test"], again.runs[0].history["test"])
    assert np.array_equal(first.runs[0].weight, again.runs[0].weight)


# --- the last layer --------------------------------------------------------------------------


def planes(n, seed, flip=1.0):
    """Features whose first column is the label, up to noise, and groups of equal size."""
    rng = stream(seed, "test")
    group = np.arange(n) % 4
    y = np.where(group >= 2, 1.0, -1.0)
    features = rng.standard_normal((n, 3))
    features[:, 0] += 4 * flip * y
    return features, Split(y, group)


def test_the_last_layer_is_fitted_on_retraining_and_measured_on_test():
    named = dict(zip(("retraining", "validation", "test"), (planes(200, s) for s in range(3))))
    features, splits = ({k: v[i] for k, v in named.items()} for i in (0, 1))
    assert _last_layer.refitted(features, splits, (0.1, 1.0)).min() > 0.95
    turned = features | {"retraining": planes(200, 0, flip=-1.0)[0]}
    assert _last_layer.refitted(turned, splits, (0.1, 1.0)).max() < 0.05
    turned = features | {"test": planes(200, 2, flip=-1.0)[0]}
    assert _last_layer.refitted(turned, splits, (0.1, 1.0)).max() < 0.05


def test_validation_chooses_the_strength_by_its_worst_group(monkeypatch):
    class Chosen:
        def __init__(self, strength):
            self.strength = strength

        def decision_function(self, right):
            return right[:, self.strength]

    monkeypatch.setattr(_last_layer, "fitted", lambda features, y, strength: Chosen(strength))
    group = np.repeat(range(4), 2)
    y = np.where(group >= 2, 1.0, -1.0)
    splits = dict.fromkeys(("retraining", "validation", "test"), Split(y, group))
    level = y * np.where(np.arange(8) % 2, 1, -1)  # half of each group
    high = np.where(group == 1, -y, y)  # three groups and nothing of the fourth
    validation, test = np.stack([high, level], 1), np.stack([y, -y], 1)
    found = {"retraining": test, "validation": validation, "test": test}
    assert _last_layer.refitted(found, splits, (0, 1)).tolist() == [0, 0, 0, 0]
    assert _last_layer.refitted(found, splits, (0,)).tolist() == [1, 1, 1, 1]


def test_dfr_reads_what_the_last_layer_sees(erm, monkeypatch):
    seen = {}

    def kept(features, splits, strengths):
        seen.update(features=features, splits=splits, strengths=strengths)
        return np.zeros(4)

    monkeypatch.setattr("gsutils.experiments._domino_runs.refitted", kept)
    run = erm.runs[1]
    run.refitted(DFR)
    assert set(seen["features"]) == {"retraining", "validation", "test"}
    assert seen["strengths"] == TINY.strengths
    head = run.net.head
    logits = seen["features"]["test"] @ head.weight[0].detach().numpy() + float(head.bias.detach())
    np.testing.assert_allclose(logits, run.history["test"][-1], atol=1e-5)
    assert np.array_equal(seen["splits"]["retraining"].y, run.given.parts["retraining"].y)
    run.refitted(PIXELS)
    pixels = run.given.parts["retraining"].images.reshape(24, -1) / 255
    np.testing.assert_allclose(seen["features"]["retraining"], pixels)


def test_the_untrained_network_has_its_first_weights(erm):
    given = erm.runs[1].given
    part = given.parts["train"]
    fresh = ConvNet(TINY.widths, training.pixels(torch.from_numpy(part.images)), seed=3)
    control, trained = dominoes.untrained(given, CPU), erm.runs[1].net
    for name, weight in fresh.named_parameters():
        assert torch.equal(weight, control.get_parameter(name)), name
    assert not torch.equal(fresh.head.weight, trained.head.weight)
    means = [m.running_mean for m in control.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert all(mean.any() for mean in means)  # it has seen images


def test_the_pixels_are_read_whatever_was_trained(erm):
    sd = train(replace(TINY, method=methods.SD(lam=1.0)))
    assert np.array_equal(erm.refitted(PIXELS)[:1], sd.refitted(PIXELS))
    with pytest.raises(ValueError, match="kind must be in"):
        erm.refitted("pixel")


def test_a_fit_is_scikit_learns_on_standardised_features():
    features, split = planes(60, 1)
    scaled = StandardScaler().fit_transform(features)
    expected = LogisticRegression(C=0.3, max_iter=10_000).fit(scaled, split.y)
    found = _last_layer.fitted(features, split.y, 0.3)
    np.testing.assert_allclose(
        found.decision_function(features), expected.decision_function(scaled)
    )


# --- what is recorded ------------------------------------------------------------------------

ENTRY = dominoes.ENTRIES["dominoes"]


def test_the_average_is_that_of_the_training_groups():
    found = train(replace(TINY, agreement=0.9)).summary(np.array([[1.0, 0.0, 0.5, 1.0]]))
    assert found["average accuracy"] == pytest.approx([0.45 + 0.05 / 2 + 0.45])
    assert found["mean group accuracy"] == [0.625]
    assert found["worst-group accuracy"] == [0.0]


def test_metrics_are_of_the_last_epoch_the_best_one_and_the_last_layer(erm):
    rows = erm.metrics()
    assert set(rows) == {"", DFR}
    assert set(train(replace(TINY, controls=True)).metrics()) == {"", DFR, UNTRAINED, PIXELS}
    assert rows[""]["worst-group accuracy"] == erm.groups().min(1).tolist()
    assert rows[""]["4 below 1 accuracy"] == erm.groups()[:, 1].tolist()
    for k, run in enumerate(erm.runs):
        validation = [run.groups("validation", e).min() for e in range(TINY.epochs + 1)]
        best = run.groups(epoch=int(np.argmax(validation)))
        assert rows[""]["worst-group accuracy, best epoch"][k] == best.min()
    assert erm.data["name"] == f"0 or 1 above 4 or 9, {DIGITS.name}"


def test_the_groups_of_the_test_are_those_of_its_logits(erm):
    run = erm.runs[0]
    part = run.given.parts["test"]
    right = np.sign(run.history["test"][-1]) == part.y
    for g in range(4):
        assert run.groups()[g] == pytest.approx(right[part.group == g].mean())


def test_curves_have_an_epoch_a_row(erm):
    curves = erm.curves()[""]
    assert len(curves["step"]) == TINY.epochs + 1
    assert curves["test: worst-group accuracy"][-1] == erm.groups().min(1).tolist()
    assert np.shape(curves["validation: average accuracy"]) == (TINY.epochs + 1, 2)


CHANGED = {
    "method": methods.SD(lam=1.0), "agreement": 0.7, "sizes": (100, 24, 20, 40), "by_group": True,
    "first_epochs": 2, "upweight": 9.0, "widths": (5,), "epochs": 3, "batch": 16, "lr": 1e-2,
    "weight_decay": 0.5, "strengths": (100.0,), "controls": True,
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGED)
def test_every_field_of_a_case_changes_what_it_should(name):
    base = replace(TINY, first_epochs=1, upweight=5.0)
    before, after = (train(c) for c in (base, replace(base, **{name: CHANGED[name]})))
    if name == "controls":
        assert set(after.metrics()) > set(before.metrics())
    elif name == "strengths":
        assert not np.array_equal(before.refitted(), after.refitted())
    else:
        assert before.runs[0].history["loss"][-1] != after.runs[0].history["loss"][-1]


def test_every_field_is_tried_but_two_that_have_tests_of_their_own():
    fields = {field.name for field in dataclasses.fields(Case)}
    assert fields - set(CHANGED) == {"precision", "hard"}


def test_the_precision_reaches_the_training(monkeypatch):
    asked = []
    monkeypatch.setattr(training, "precision", lambda where, name: asked.append(name) or "float32")
    train(replace(TINY, precision="bfloat16", epochs=1))
    assert asked == ["bfloat16"]


@pytest.mark.parametrize("size", ["quick", "paper"])
def test_the_methods_differ_in_the_method_alone(size):
    cases = ENTRY.cases[size]
    plain = cases["erm"]
    own = {
        "sd": {"method"}, "jtt": {"first_epochs", "upweight"},
        "group_dro": {"method"}, "group_dro_alike": {"method", "by_group"},
        "no_shortcut": {"agreement"},
    }  # fmt: skip
    assert set(cases) == {"erm", *own}
    for name, fields in own.items():
        differ = {
            f.name for f in dataclasses.fields(Case)
            if getattr(cases[name], f.name) != getattr(plain, f.name)
        }  # fmt: skip
        assert differ == fields | {"controls"}
