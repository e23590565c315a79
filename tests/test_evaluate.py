"""Measures against closed forms: distances to a line and a circle, entropies, accuracies."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gsutils.evaluate import (
    accuracy,
    boundary_distance,
    entropy,
    grid_axes,
    group_accuracy,
    mean_std,
    predict,
)
from gsutils.nets import MLP


def points(n=60, spread=0.5):
    return np.random.default_rng(0).uniform(-spread, spread, (n, 2))


@settings(deadline=None, max_examples=25)
@given(st.floats(0, 2 * np.pi), st.floats(-0.3, 0.3), st.floats(0.1, 50))
def test_distance_to_a_line_is_exact(angle, offset, steepness):
    X, normal = points(), np.array([np.cos(angle), np.sin(angle)])
    score = X @ normal - offset
    y = np.where(np.arange(len(X)) % 2, 1.0, -1.0)
    got = boundary_distance(lambda p: steepness * (p @ normal - offset), X, y)
    # Beyond `pad` the nearest point of the line may lie outside the grid.
    near = np.abs(score) < 1
    np.testing.assert_allclose(got[near], (y * score)[near], atol=1e-7)


@pytest.mark.parametrize("resolution", [100, 400])
def test_distance_to_a_circle_is_exact_to_the_square_of_the_grid_step(resolution):
    X = points(spread=1.0)
    y = np.ones(len(X))
    radius = np.linalg.norm(X, axis=1)
    got = boundary_distance(lambda p: np.linalg.norm(p, axis=1) - 0.7, X, y, resolution=resolution)
    step = 4 / resolution
    np.testing.assert_allclose(got, radius - 0.7, atol=step**2)


def test_several_pieces_of_boundary_count_and_the_nearest_wins():
    X, y = np.array([[0.0, 0.0], [0.5, 0.0], [-0.9, 0.3]]), np.ones(3)
    got = boundary_distance(lambda p: 1 - np.abs(p[:, 0]), X, y, pad=2)
    np.testing.assert_allclose(got, [1, 0.5, 0.1], atol=1e-3)


def test_a_misclassified_point_has_a_negative_distance():
    X = np.array([[0.2, 0.0], [-0.3, 0.5]])
    logits = lambda p: p[:, 0]  # noqa: E731
    np.testing.assert_allclose(
        boundary_distance(logits, X, np.array([1.0, -1.0])), [0.2, 0.3], atol=1e-9
    )
    np.testing.assert_allclose(
        boundary_distance(logits, X, np.array([-1.0, 1.0])), [-0.2, -0.3], atol=1e-9
    )


def test_without_a_boundary_near_the_distance_is_infinite():
    got = boundary_distance(lambda p: p[:, 0] + 50, points(3), np.array([1.0, 1.0, -1.0]))
    assert got.tolist() == [np.inf, np.inf, -np.inf]


@pytest.mark.parametrize(("low", "high"), [(1, np.inf), (np.inf, 1), (np.inf, np.inf)])
def test_a_boundary_beside_infinite_logits_is_known_to_a_grid_step(low, high):
    X, y, resolution = points(), np.ones(60), 200
    got = boundary_distance(
        lambda p: np.where(p[:, 0] > 0.1, high, -low), X, y, resolution=resolution
    )
    np.testing.assert_allclose(got, X[:, 0] - 0.1, atol=3 / resolution)


def test_infinite_logits_far_from_the_boundary_do_not_matter():
    def logits(p):
        return np.where(p[:, 0] > 0.5, np.inf, p[:, 0] - 0.1)

    X, y = points(), np.ones(60)
    np.testing.assert_allclose(boundary_distance(logits, X, y), X[:, 0] - 0.1, atol=1e-9)


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (np.zeros((4, 3)), np.ones(4)),
        (np.zeros(4), np.ones(4)),
        (np.zeros((4, 2)), np.ones(3)),
        (np.zeros((4, 2)), np.ones((4, 1))),
    ],
)
def test_points_that_are_not_planar_are_refused(X, y):
    with pytest.raises(ValueError, match=r"X must be \(n, 2\) and y \(n,\), got"):
        boundary_distance(lambda p: p[:, 0], X, y)


def test_the_grid_reaches_the_pad_beyond_the_points_of_all_runs():
    X = np.array([[[0.0, 1.0], [2.0, -1.0]], [[-1.0, 0.0], [0.0, 3.0]]])
    x1, x2 = grid_axes(X, pad=0.5, resolution=11)
    assert (x1[0], x1[-1], x2[0], x2[-1]) == (-1.5, 2.5, -1.5, 3.5)
    assert len(x1) == len(x2) == 11


@settings(deadline=None)
@given(st.lists(st.floats(-30, 30), min_size=1, max_size=5))
def test_entropy_is_minus_p_log_p_minus_q_log_q(values):
    z = np.array(values)
    p, q = 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(z))
    expected = np.mean(-p * np.log(p) - q * np.log(q))
    assert float(entropy(torch.from_numpy(z))) == pytest.approx(expected, rel=1e-9)


def test_entropy_of_extreme_logits_is_finite():
    z = torch.tensor([[-900.0], [900.0], [0.0]])
    torch.testing.assert_close(entropy(z), torch.tensor([0, 0, np.log(2)], dtype=torch.float32))


def test_accuracy_is_the_share_on_the_right_side_and_zero_counts_half():
    logits = torch.tensor([[1.0, -2.0, 3.0, 0.0], [-1.0, 2.0, 3.0, -4.0]])
    y = torch.tensor([1.0, -1.0, -1.0, 1.0])
    assert accuracy(logits, y).tolist() == [0.625, 0.0]
    assert accuracy(logits, y.expand(2, 4)).tolist() == [0.625, 0.0]


def test_accuracy_refuses_labels_zero_and_one():
    with pytest.raises(ValueError, match=r"labels must be -1 or \+1, got \[0.0\]"):
        accuracy(torch.zeros(2), torch.tensor([0.0, 1.0]))


def test_group_accuracy_is_the_accuracy_of_each_group_alone():
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(3, 40)))
    y, group = torch.from_numpy(np.sign(rng.normal(size=40))), torch.arange(40) % 3 * 2
    got = group_accuracy(logits, y, group)
    assert sorted(got) == [0, 2, 4]
    right = ((logits > 0) == (y > 0)).numpy()
    for g, value in got.items():
        np.testing.assert_allclose(value, right[:, (group == g).numpy()].mean(1))


def test_groups_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"shape of y, \(3,\), got"):
        group_accuracy(torch.zeros(2, 3), torch.ones(3), torch.zeros(2))


@pytest.mark.parametrize("shape", [(23, 2), (3, 23, 2)])
def test_prediction_in_chunks_is_prediction(shape):
    X = np.random.default_rng(0).normal(size=shape)
    net = MLP((2, 16, 1), seeds=range(3), dropout=0.5, batch_norm=True).train()
    whole = predict(net, X)
    assert whole.shape == (3, 23)
    assert whole.dtype == np.float64
    np.testing.assert_allclose(predict(net, X, chunk_size=5), whole, atol=1e-6)
    np.testing.assert_allclose(whole, net.eval()(torch.from_numpy(X).float()).detach(), atol=1e-6)


def test_prediction_of_classes_in_chunks_is_prediction():
    X = np.random.default_rng(0).normal(size=(9, 2))
    net = MLP((2, 4, 3), seeds=range(2))
    whole = predict(net, X)
    assert whole.shape == (2, 9, 3)
    np.testing.assert_allclose(predict(net, X, chunk_size=4), whole, atol=1e-6)


def test_prediction_leaves_the_mode_of_the_model_and_of_each_of_its_parts():
    net = MLP((2, 4, 1), batch_norm=True)
    for training in (True, False):
        net.train(training).norms.train(not training)
        modes = [part.training for part in net.modules()]
        predict(net, np.zeros((3, 2)))
        assert [part.training for part in net.modules()] == modes


def test_prediction_that_fails_leaves_the_mode_as_well():
    net = MLP((2, 4, 1)).train()
    with pytest.raises(ValueError, match="X must be"):
        predict(net, np.zeros((3, 5)))
    assert net.training


def test_mean_and_sample_standard_deviation():
    assert mean_std([1.0, 3.0]) == pytest.approx((2, np.sqrt(2)))
    mean, std = mean_std(iter([4.0]))
    assert mean == 4
    assert np.isnan(std)
