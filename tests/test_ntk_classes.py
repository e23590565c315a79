"""Features and starvation of K classes, against finite differences and the two-class theory."""

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import expit, log_softmax, softmax
from torch import nn

from gsutils import ntk
from gsutils.nets import MLP
from gsutils.perturbation import class_responses, class_starvation, starvation_matrix


def network(classes, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, classes))


def inputs(n=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 3))


def test_the_jacobian_of_all_logits_holds_that_of_each():
    net, X = network(4), inputs()
    J = ntk.class_jacobian(net, X)
    for k in range(4):
        np.testing.assert_allclose(J[:, k], ntk.ntrf(ntk.logit(net, k), X), atol=1e-14)
    pair = ntk.ntrf(ntk.logit(net, 2, minus=1), X)
    np.testing.assert_allclose(J[:, 2] - J[:, 1], pair, atol=1e-14)
    np.testing.assert_allclose(ntk.class_jacobian(net, X, chunk_size=2), J, atol=1e-14)


def test_a_difference_of_logits_is_one_logit():
    net, X = network(3), torch.from_numpy(inputs()).float()
    logits = net(X)
    assert torch.equal(ntk.logit(net, 2, minus=0)(X), logits[..., 2] - logits[..., 0])
    assert torch.equal(ntk.logit(net, 1)(X), logits[..., 1])


def test_the_features_of_two_classes_are_those_of_the_difference():
    net, X = network(2), inputs()
    y = np.array([0, 1, 1, 0, 1])
    one = ntk.features(ntk.ntrf(ntk.logit(net, 1, minus=0), X), 2.0 * y - 1)
    two = ntk.class_features(ntk.class_jacobian(net, X))
    n = len(X)
    np.testing.assert_allclose(two.s[:n], one.s / np.sqrt(2), rtol=1e-10)
    assert two.s[n:].max() < 1e-12 * two.s[0]
    lam = 0.3
    G1 = starvation_matrix(one.U, one.s**2, lam)
    z1 = np.linalg.solve(np.diag(lam / one.s**2), one.U.T @ _alpha(one, lam))
    s2 = two.s[:n] ** 2
    z2, G2 = class_responses(two.U[:, :n], s2, y, lam), class_starvation(two.U[:, :n], s2, y, lam)
    np.testing.assert_allclose(np.abs(z2), np.abs(z1) / np.sqrt(2), rtol=1e-9)
    elasticity1, elasticity2 = G1 * one.s**2 / z1[:, None], G2 * s2 / z2[:, None]
    np.testing.assert_allclose(elasticity2, elasticity1, rtol=1e-8, atol=1e-10)


def _alpha(found, lam):
    from gsutils import dual

    return dual.fixed_point(found.U, found.s**2, lam)


def orthonormal(rows, r, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(rows, r)))[0]


@pytest.mark.parametrize("lam", [1e-3, 0.1, 10.0])
def test_responses_are_where_the_objective_is_flat_and_starvation_is_their_difference(lam):
    n, classes, r = 4, 3, 5
    U, y = orthonormal(n * classes, r), np.array([0, 2, 1, 1])
    s2 = np.array([9.0, 4.0, 1.0, 0.5, 0.1])
    z = class_responses(U, s2, y, lam)
    at = torch.from_numpy(z).requires_grad_()
    logits = (torch.from_numpy(U) @ at).view(n, classes)
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(y), reduction="sum")
    (loss + lam / 2 * (at.square() / torch.from_numpy(s2)).sum()).backward()
    np.testing.assert_allclose(at.grad, 0, atol=1e-9)
    assert loss < -log_softmax(np.zeros((n, classes)), 1)[:, 0].sum()
    G = class_starvation(U, s2, y, lam)
    for j in range(r):
        step = np.eye(r)[j] * 1e-4 * s2[j]
        moved = [class_responses(U, s2 + sign * step, y, lam) for sign in (1, -1)]
        difference = (moved[0] - moved[1]) / (2 * step[j])
        np.testing.assert_allclose(G[:, j], difference, rtol=1e-5, atol=1e-6 * np.abs(G).max())


def test_starvation_is_mutual_under_a_softmax_too():
    U, s2 = orthonormal(12, 6), np.array([9.0, 4.0, 2.0, 1.0, 0.5, 0.1])
    y = np.array([0, 2, 1, 1])
    z, G = class_responses(U, s2, y, 0.1), class_starvation(U, s2, y, 0.1)
    mixed = (z / s2**2)[:, None] * G  # a mixed second derivative of the optimal value
    np.testing.assert_allclose(mixed, mixed.T, rtol=1e-9)


def test_a_feature_without_strength_has_no_response():
    U, y = orthonormal(6, 3), np.array([0, 1])
    z = class_responses(U, np.array([1.0, 0.0, 2.0]), y, 0.1)
    G = class_starvation(U, np.array([1.0, 0.0, 2.0]), y, 0.1)
    assert z[1] == 0
    assert G[1, 0] == 0 == G[1, 2]
    assert G[1, 1] != 0


@pytest.mark.parametrize(("ratio", "lam"), [(1e8, 1e-3), (1e3, 1.0)])
def test_a_strong_feature_of_one_example_responds_as_far_as_its_scalar_equation(ratio, lam):
    z = class_responses(np.array([[0.6], [-0.8]]), np.array([ratio * lam]), np.array([0]), lam)
    expected = brentq(lambda z: 1.4 * ratio * expit(-1.4 * z) - z, 0, 1.4 * ratio, xtol=1e-14)
    assert z == pytest.approx(expected, rel=1e-9)


def test_responses_are_found_over_twenty_decades():
    rng = np.random.default_rng(0)
    for _ in range(60):
        n, classes = int(rng.integers(1, 8)), int(rng.integers(2, 5))
        r = int(rng.integers(1, min(8, n * classes + 1)))
        U, y = orthonormal(n * classes, r, int(rng.integers(1000))), rng.integers(0, classes, n)
        s2, lam = 10 ** rng.uniform(-3, 8, r), 10 ** rng.uniform(-8, 3)
        z = class_responses(U, s2, y, lam)
        slope = (softmax((U @ z).reshape(n, classes), 1) - np.eye(classes)[y]).ravel()
        size = lam / s2 * np.abs(z) + np.abs(U.T) @ np.ones(len(U))
        assert (np.abs(U.T @ slope + lam / s2 * z) <= 1e-9 * size).all()


def test_a_network_with_an_axis_of_runs_is_taken():
    X, net = inputs(), MLP((3, 6, 3), [0]).single(0)
    J = ntk.class_jacobian(net, X)
    np.testing.assert_allclose(J[:, 1], ntk.ntrf(ntk.logit(net, 1), X), atol=1e-14)


NET = network(3)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: ntk.logit(NET, 1, minus=1), "two different classes"),
        (lambda: ntk.logit(NET, -1), "two different classes"),
        (lambda: ntk.logit(NET, 3)(torch.zeros(2, 3)), r"K > 3, got \(2, 3\)"),
        (lambda: ntk.logit(network(1), 0, minus=1)(torch.zeros(2, 3)), r"K > 1, got \(2, 1\)"),
        (lambda: ntk.class_jacobian(network(1), inputs()), "of one logit take ntk.ntrf"),
        (lambda: ntk.class_jacobian(NET, np.zeros(3)), r"X must be \(n, ...\)"),
        (lambda: ntk.class_jacobian(NET, np.full((2, 3), np.nan)), "X must be finite"),
        (lambda: ntk.class_jacobian(NET, inputs(), -1), "chunk_size must be an integer >= 1"),
        (lambda: ntk.class_jacobian(NET, inputs(), 0), "chunk_size must be an integer >= 1, got 0"),
        (lambda: ntk.class_jacobian(NET, inputs(), max_bytes=10), "takes 0.0 GiB, more than"),
        (lambda: ntk.ntrf(network(1), inputs(), max_bytes=10), "pass fewer examples"),
        (lambda: ntk.ntrf(NET, inputs()), r"one class with ntk.logit\(model, k, minus=j\)"),
        (lambda: ntk.class_features(np.zeros((3, 4))), r"J must be \(n, K, m\)"),
        (lambda: ntk.class_features(np.full((1, 2, 3), np.nan)), "must be finite"),
        (lambda: class_responses(np.eye(6), np.ones(5), np.array([0, 1]), 1.0), r"\(n·K, r\)"),
        (lambda: class_responses(np.eye(6), np.ones(6), np.array([0, 3]), 1.0), r"0\.\.2"),
        (lambda: class_responses(2 * np.eye(6), np.ones(6), np.array([0, 1]), 1.0), "orthonormal"),
        (lambda: class_responses(np.eye(6), np.ones(6), np.array([0, 1]), 0.0), "lam must be"),
        (lambda: class_responses(np.eye(6), -np.ones(6), np.array([0, 1]), 1.0), "squared"),
    ],
)
def test_what_is_wrong_is_said(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_the_memory_named_is_that_of_the_matrix():
    with pytest.raises(ValueError, match=r"100,000,000 rows and 10 parameters takes 7\.5 GiB"):
        ntk.jacobian.check_memory(10**8, 10, 2**32)
