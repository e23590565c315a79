"""Ten digits in ten colours: the colours, the three penalties, and what is measured."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch

from gsutils import losses
from gsutils import train as training
from gsutils.data import mnist
from gsutils.data import ten_colours as data
from gsutils.experiments import ten_colours
from gsutils.experiments.ten_colours import PENALTIES, Case
from gsutils.nets import MLP
from gsutils.seeding import stream
from gsutils.train.image_batches import Order

torch.set_num_threads(1)  # networks this small lose more by waiting for a second thread

DIGITS = mnist.embedded_digits()[::8]  # 1,250 to train on and 250 to test on
CUT = len(DIGITS) * 5 // 6
TINY = Case(hidden=(12,), epochs=1, batch=100, precision="float32")
ENTRY = ten_colours.ENTRIES["ten-colours"]


def train(case=TINY, seeds=(0,), **options):
    return ten_colours.train(case, seeds, "cpu", source=DIGITS, **options)


# --- colours ---------------------------------------------------------------------------------


def many(n=40_000):
    """Digits of one brightness each, of MNIST's size."""
    digit = stream(0, "test").integers(0, 10, n)
    ink = (np.arange(n) % 251).astype(np.uint8)
    images = np.broadcast_to(ink[:, None, None], (n, 28, 28))
    return mnist.Digits(images, digit, "many")


def test_a_colour_is_the_digits_own_as_often_as_the_agreement_says():
    made = data.ten_colours(many(), seed=1, agreement=0.9)
    for part, expected in ((made.train, 0.9), (made.alike, 0.9), (made.random, 0.1)):
        assert np.mean(part.colour == part.digit) == pytest.approx(expected, abs=0.015)


def test_another_colour_is_each_of_the_nine_alike():
    for part in (data.ten_colours(many(), agreement=0.0).train, data.ten_colours(many()).random):
        shift = (part.colour - part.digit) % 10
        counts = np.bincount(shift[shift > 0], minlength=10)
        assert counts[0] == 0
        assert counts[1:].min() > 0.85 * counts[1:].max()


def test_test_images_are_others_than_those_to_train_and_the_same_in_both_tests():
    source = many(600)
    made = data.ten_colours(source, seed=2)
    assert sorted(made.train.ink[:, 0].tolist()) == sorted(source.images[:500, 0, 0].tolist())
    assert np.array_equal(made.alike.ink[:, 0], source.images[500:, 0, 0])
    assert np.array_equal(made.random.ink, made.alike.ink)
    assert np.array_equal(made.random.digit, source.digits[500:])


def test_an_image_is_its_ink_in_its_colour():
    part = data.ten_colours(DIGITS, seed=3).random
    shown = part.painted.reshape(-1, 3, part.ink.shape[1])
    for i in (0, 7, 100):
        for channel in range(3):
            expected = part.ink[i] / 255 * data.PALETTE[part.colour[i], channel]
            np.testing.assert_allclose(shown[i, channel], expected, rtol=1e-6)


def test_the_ten_colours_are_far_apart():
    apart = np.abs(data.PALETTE[:, None] - data.PALETTE).max(-1)
    assert apart[~np.eye(10, dtype=bool)].min() > 0.3


def test_mnist_is_thinned_and_cut_to_size():
    ink = stream(0, "test").integers(0, 256, (60, 28, 28), np.uint8)
    source = mnist.Digits(ink, np.arange(60) % 10, "MNIST")
    made = ten_colours.prepare(replace(TINY, train_size=30), 0, source)
    assert made.train.ink.shape == (30, 196)
    assert np.array_equal(made.random.ink[0], ink[50, ::2, ::2].ravel())


def test_digits_that_are_thin_already_are_cut_to_size_alone():
    for size, expected in ((30, 30), (None, CUT)):
        made = ten_colours.prepare(replace(TINY, train_size=size), 0, DIGITS)
        assert made.train.ink.shape == (expected, DIGITS.images[0].size)
        assert np.array_equal(made.random.ink[0], DIGITS.images[CUT].ravel())


@pytest.mark.parametrize("train_size", [100, None])
def test_all_of_mnist_is_asked_for_where_all_is_wanted(monkeypatch, train_size):
    asked = []

    def digits(wanted):
        asked.append(wanted)
        return DIGITS

    monkeypatch.setattr(mnist, "digits", digits)
    case = replace(TINY, train_size=train_size)
    ten_colours.prepare(case, 0)
    ten_colours.train(case, [0], "cpu")
    assert asked == [train_size] * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"agreement": 1.1}, "agreement must be a finite number >= 0 and <= 1, got 1.1"),
        ({"train_size": 0}, rf"train_size must be an integer in 1\.\.{CUT}, got 0"),
        ({"train_size": CUT + 1}, f"got {CUT + 1}"),
    ],
)
def test_impossible_colours_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        data.ten_colours(DIGITS, **options)


# --- penalties -------------------------------------------------------------------------------


def drawn():
    rng = stream(4, "test")
    logits = torch.from_numpy(rng.standard_normal((2, 30, 10)) * 3)
    return logits, torch.from_numpy(rng.integers(0, 10, (2, 30)))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_loss_is_written_as_its_source_writes_it(penalty):
    logits, y = drawn()
    c = 0.3
    own = logits.gather(-1, y[..., None])[..., 0]
    written = {
        "sum": c * logits.square().sum(-1).mean(-1),
        "mean": c * logits.square().mean((-2, -1)),
        "true class": (c / 2 * own.square()).mean(-1),
    }[penalty]
    found = Case(penalty=penalty, coefficient=c).loss(logits, y)
    plain = torch.stack([torch.nn.functional.cross_entropy(*pair) for pair in zip(logits, y)])
    torch.testing.assert_close(found, plain + written)


def test_mean_with_ten_times_the_coefficient_is_sum():
    runs = [
        train(Case(p, c, hidden=(12,), epochs=1, precision="float32"))
        for p, c in (("sum", 0.02), ("mean", 0.2))
    ]
    np.testing.assert_allclose(runs[0].history["loss"], runs[1].history["loss"], rtol=1e-6)


def test_a_penalty_on_the_true_class_alone_lets_a_softmax_be_certain():
    y = torch.tensor([3])
    certain = torch.full((1, 10), -60.0)
    certain[0, 3] = 0.0
    assert float(Case("true class", 100.0).loss(certain, y)) < 1e-6
    logits = torch.zeros(1, 10, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=200, line_search_fn="strong_wolfe")

    def value():
        optimizer.zero_grad()
        loss = Case("sum", 0.5).loss(logits, y)
        loss.backward()
        return loss

    optimizer.step(value)
    lead = float(logits.detach()[0, 3] - logits.detach()[0, 0])
    assert 0.5 < lead < 1.5  # bounded: λ = 1 keeps it near one


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"penalty": "max"}, "penalty must be in .*got 'max'"),
        ({"coefficient": -1.0}, "coefficient must be a finite number >= 0, got -1.0"),
    ],
)
def test_a_penalty_that_there_is_not_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Case(**options)


# --- training --------------------------------------------------------------------------------


def test_the_first_loss_is_the_formula_on_what_was_prepared():
    case = replace(TINY, penalty="true class", coefficient=0.7)
    run = train(case, seeds=[2, 5])
    for k, seed in enumerate((2, 5)):
        part = ten_colours.prepare(case, seed, DIGITS).train
        chosen = Order(torch.zeros(len(part.digit), dtype=torch.int64), case.batch, seed)(0)
        X, y = torch.from_numpy(part.painted)[chosen], torch.from_numpy(part.digit)[chosen]
        expected = case.loss(MLP((X.shape[-1], 12, 10), [seed])(X), y[None]).detach()
        assert run.history["loss"][0, k] == pytest.approx(float(expected), rel=1e-5)


def test_seeds_trained_together_are_seeds_trained_alone():
    together, alone = train(seeds=[0, 1]), train(seeds=[1])
    torch.testing.assert_close(together.logits("random")[1:], alone.logits("random"))


def test_a_network_that_reads_the_colour_is_found_out(monkeypatch):
    class Reader(MLP):
        def forward(self, X, columns=None):
            colour = X.unflatten(-1, (3, -1)).amax(-1)
            colour = colour / colour.amax(-1, keepdim=True)
            away = (colour[..., None, :] - torch.from_numpy(data.PALETTE)).square().sum(-1)
            return -away + 0 * super().forward(X)

    monkeypatch.setattr(ten_colours, "MLP", Reader)
    run = train(replace(TINY, epochs=1))
    assert run.history["colour"][-1] == 1
    part = run.runs[0]
    assert run.history["alike"][-1] == pytest.approx(np.mean(part.alike.colour == part.alike.digit))
    same = np.mean(part.random.colour == part.random.digit)
    assert run.history["random colours"][-1] == pytest.approx(same)


def test_metrics_are_those_of_the_logits():
    run = train(replace(TINY, epochs=3))
    found = run.metrics()[""]
    part, logits = run.runs[0], run.logits("train")[0]
    y = torch.from_numpy(part.train.digit)
    assert found["train accuracy"] == [
        pytest.approx(float((logits.argmax(-1) == y).double().mean()))
    ]
    random = run.logits("random")[0].argmax(-1).numpy()
    assert found["random-colours accuracy"] == [pytest.approx(np.mean(random == part.random.digit))]
    other = part.random.colour != part.random.digit
    answers = np.mean((random == part.random.colour)[other])
    assert found["colour answers"] == [pytest.approx(answers)]
    assert found["logit size"] == [pytest.approx(float(logits.square().mean().sqrt()))]
    own = logits[torch.arange(len(y)), y]
    assert found["true-class logit size"] == [pytest.approx(float(own.square().mean().sqrt()))]
    others = logits.clone()
    others[torch.arange(len(y)), y] = -torch.inf
    assert found["median lead"] == [pytest.approx(float((own - others.amax(-1)).median()))]
    assert run.data["name"] == DIGITS.name


CHANGED = {
    "penalty": "mean", "coefficient": 0.5, "agreement": 0.5, "hidden": (5,), "epochs": 2,
    "batch": 50, "lr": 1e-2,
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGED)
def test_every_field_of_a_case_changes_what_it_should(name):
    base = replace(TINY, coefficient=0.1)
    before, after = (train(c) for c in (base, replace(base, **{name: CHANGED[name]})))
    assert before.history["loss"][-1] != after.history["loss"][-1]


def test_every_field_is_tried_but_two_that_have_tests_of_their_own():
    fields = {field.name for field in dataclasses.fields(Case)}
    assert fields - set(CHANGED) == {"precision", "train_size"}


def test_the_precision_reaches_the_training(monkeypatch):
    asked = []
    monkeypatch.setattr(training, "precision", lambda where, name: asked.append(name) or "float32")
    train(replace(TINY, precision="bfloat16"))
    assert asked == ["bfloat16"]


def test_sum_and_mean_meet_in_the_entry():
    for size in ("quick", "paper"):
        lams = {name: case.lam for name, case in ENTRY.cases[size].items()}
        assert lams["erm"] == 0
        assert lams["sum, c = 0.01"] == pytest.approx(lams["mean, c = 0.1"]) == pytest.approx(0.02)
        assert lams["sum, c = 0.1"] == pytest.approx(lams["mean, c = 1"])
        assert losses.check_lam(lams["true class, c = 1"]) is None
