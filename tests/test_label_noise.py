"""Label noise and two cues: what spectral decoupling leaves as it is."""

import numpy as np
import pytest
import torch
from scipy.special import logit

from gsutils import losses, nets, train
from gsutils.data import mnist
from gsutils.experiments import label_noise, two_cues

torch.set_num_threads(1)  # networks this small lose more by waiting for a second thread

SOURCE = mnist.embedded_digits()


@pytest.fixture(scope="module")
def drawn():
    return label_noise.draw(SOURCE, 0.2, [0, 3], train_size=120)


def test_just_so_many_labels_are_wrong_and_the_test_has_none(drawn):
    assert (drawn.wrong.sum(1) == 24).all()
    for seed, row in zip((0, 3), range(2)):
        clean = label_noise.draw(SOURCE, 0.0, [seed], train_size=120)
        np.testing.assert_array_equal(clean.X[0], drawn.X[row])
        np.testing.assert_array_equal(clean.y[0] != drawn.y[row], drawn.wrong[row])
        np.testing.assert_array_equal(clean.test_y[0], drawn.test_y[row])
    assert set(np.unique(drawn.test_y)) == {-1, 1}


def test_no_test_image_is_a_training_image(drawn):
    for X, test in zip(drawn.X, drawn.test_X):
        together = np.concatenate([X, test]).round(4)
        assert len(np.unique(together, axis=0)) == len(together)


def test_mnist_is_averaged_over_blocks():
    images = np.zeros((40, 28, 28), np.uint8)
    images[:, :4, :4] = 255
    digits = mnist.Digits(images, np.tile([3, 8], 20), "MNIST")
    found = label_noise.draw(digits, 0.0, [0], train_size=10, test_size=5)
    assert found.X.shape == (1, 10, 49)
    np.testing.assert_array_equal(found.X[0, 0], np.eye(49)[0])
    assert found.name == "MNIST, 3 against 8, 7×7 pixels"


def test_copies_of_a_network_are_the_network(drawn):
    net = nets.MLP((64, 5, 1), [0, 3])
    X = torch.from_numpy(drawn.X)
    many = label_noise.copies(net, 3)
    torch.testing.assert_close(many(X.repeat(3, 1, 1)), net(X).repeat(3, 1))


def test_each_pair_is_trained_as_it_would_be_alone(drawn):
    pairs = [(0.0, 0.0), (0.5, 0.0), (0.1, 4.0)]
    trained = label_noise.train_pairs(drawn, [0, 3], pairs, width=6, steps=25, lr=0.01)
    net = nets.MLP((64, 6, 1), [3])
    X, y = (torch.from_numpy(values[1]) for values in (drawn.X, drawn.y))

    def loss(logits, step):
        return losses.logistic(logits, y) + 0.05 * logits.square().mean(-1)

    train.fit(net, loss, X, steps=25, optimizer=train.Adam(0.01, weight_decay=4 / 120))
    with torch.no_grad():
        alone, together = net(X)[0], trained.model(torch.from_numpy(drawn.X).repeat(3, 1, 1))[5]
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4)
    right = float((alone * y > 0).float().mean())
    assert trained.last("training accuracy")[0.1, 4.0][1] == pytest.approx(right)


def test_sd_learns_wrong_labels_by_heart_and_weight_decay_does_not(drawn):
    pairs = [(0.0, 0.0), (1.0, 0.0), (0.0, 5.0)]
    trained = label_noise.train_pairs(drawn, [0, 3], pairs, width=64, steps=250, lr=0.01)
    fitted, test = (trained.last(m) for m in ("wrong labels fitted", "test accuracy"))
    assert fitted[0.0, 0.0].min() > 0.9
    assert fitted[1.0, 0.0].min() > 0.9
    assert fitted[0.0, 5.0].max() < 0.5
    assert (test[0.0, 5.0] > test[1.0, 0.0] + 0.05).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"noise": 1.0}, r"noise must lie in \[0, 1\), got 1.0"),
        ({"train_size": 1}, "sizes must be >= 2 and >= 1, got 1"),
        ({"test_size": 0}, "got 50 and 0"),
    ],
)
def test_a_draw_out_of_range_is_refused(arguments, message):
    usual = {"noise": 0.1, "seeds": [0], "train_size": 50, "test_size": 10}
    with pytest.raises(ValueError, match=message):
        label_noise.draw(SOURCE, **(usual | arguments))


def test_an_unknown_entry_is_refused():
    with pytest.raises(ValueError, match="got 'noise'"):
        label_noise.train_entry("noise")


# --- two cues -------------------------------------------------------------------------------


def test_plain_training_ends_at_the_log_odds_of_each_cue():
    z = two_cues.flow(0.75, 0.85, (1.0, 1.5), 0.0, np.array([0.0, 300.0]), step=0.2)
    assert not z[0].any()
    np.testing.assert_allclose(z[1], [logit(0.75), logit(0.85)], rtol=1e-4)


@pytest.mark.parametrize("lam", [0.1, 2.0])
def test_sd_ends_at_its_optimum_from_everywhere_and_follows_the_better_cue(lam):
    for p_colour in (0.6, 0.85):
        optimum = two_cues.optimum(0.75, p_colour, lam)
        assert (optimum[0] > optimum[1]) == (p_colour < 0.75)
        for start in ((0.0, 0.0), (3.0, -1.0)):
            z = two_cues.flow(0.75, p_colour, (1.0, 2.0), lam, np.array([80.0]), start, 0.2)
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


TINY = {
    "p_shape": 0.75, "p_colour": [0.65, 0.9], "ratios": [0.4, 3.0], "n": 4000, "lam": 2.0,
    "lr": 0.1, "width": 32, "erm_steps": 500, "steps": 500,
}  # fmt: skip


def test_networks_follow_the_better_cue_in_the_end_and_the_other_in_passing():
    sd, after = (two_cues.train_map(TINY, name, [0, 1]) for name in ("SD", "ERM then SD"))
    assert sd.test.shape[1:] == (2, 2, 2)
    for found in (sd, after):
        np.testing.assert_allclose(found.end[:, 0], 0.75, atol=1e-5)
        np.testing.assert_allclose(found.end[:, 1], 0.10, atol=1e-5)
    assert sd.best[0, 1] > 0.7 > sd.best[1, 1]
    assert after.best[1, 1] > 0.7 > after.best[0, 1]


def test_an_unknown_schedule_and_falling_times_are_refused():
    with pytest.raises(ValueError, match="got 'IRM'"):
        two_cues.train_map(TINY, "IRM", [0])
    with pytest.raises(ValueError, match="times must rise"):
        two_cues.flow(0.75, 0.85, (1.0, 1.0), 0.0, np.array([1.0, 0.5]))


# --- entries --------------------------------------------------------------------------------


def test_the_records_hold_every_pair_and_every_cell():
    small = {"noise": [0.0, 0.4], "pairs": [[0, 0], [1, 3]], "train_size": 40, "steps": 5}
    run = label_noise.ENTRIES["label-noise"].record(
        seeds=[1, 2], settings=small | {"width": 4}, device="cpu"
    )
    names = [label_noise.name(f"noise {n}", p) for n in ("0", "0.4") for p in ((0, 0), (1, 3))]
    assert list(run.metrics) == names
    assert names[3] == "noise 0.4, SD 1, weight decay 3"
    run = two_cues.ENTRIES["transient-map"].record(
        seeds=[1],
        settings={k: TINY[k] for k in ("p_colour", "ratios")} | {"steps": 5, "erm_steps": 5},
        device="cpu",
    )
    assert len(run.metrics) == 3 * 4
    assert set(run.metrics["SD, colour 0.9, ratio 3"]) == {
        "best test accuracy", "last test accuracy",
    }  # fmt: skip
