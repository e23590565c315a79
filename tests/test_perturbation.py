"""Perturbation analysis: closed forms against the solver, derivatives against differences."""

import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gsutils import dual
from gsutils.perturbation import (
    KINDS,
    coupled_response,
    coupling,
    elasticity,
    equal_strengths,
    lemma1,
    permutation,
    starvation,
    starvation_matrix,
)
from gsutils.seeding import stream

HALF = 0.5**0.5
lams = st.floats(-6, 3).map(lambda x: 10.0**x)
squared = st.floats(-8, 8).map(lambda x: 10.0**x)
deltas = st.floats(-1, 1)
theory = pytest.mark.parametrize("kind", ["exact", "taylor"])


def orthogonal(n, seed=0, r=None):
    return np.linalg.qr(stream(seed, "test").normal(size=(n, r or n)))[0]


def taylor_point(U, s2, lam):
    return dual.multiplier(dual.margins(U, s2, lam, "taylor"), "taylor")


def responses(U, s2, lam, kind):
    """z* for any U; for "lemma1" too."""
    if kind == "lemma1":
        return s2 / lam * (lemma1(U, s2, lam) @ U)
    u = dual.margins(U, s2, lam, kind)
    return u @ U if kind == "sd" else s2 / lam * (dual.multiplier(u, kind) @ U)


# --- closed forms -----------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(squared, lams, st.integers(1, 6))
def test_equal_strengths_are_the_fixed_point_of_the_taylor_flow(s2, lam, n):
    U = orthogonal(n)
    alpha, z = equal_strengths(U, s2, lam)
    np.testing.assert_allclose(alpha, taylor_point(U, np.full(n, s2), lam), rtol=1e-10)
    np.testing.assert_allclose(z, s2 / lam * (U.T @ alpha), rtol=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.lists(squared, min_size=1, max_size=6), lams)
def test_permutation_is_the_fixed_point_of_the_taylor_flow(s2, lam):
    alpha, z = permutation(s2, lam)
    np.testing.assert_allclose(alpha, taylor_point(np.eye(len(s2)), s2, lam), rtol=1e-10)
    np.testing.assert_allclose(z, np.array(s2) / lam * alpha, rtol=1e-12)


@settings(deadline=None)
@given(squared, lams)
def test_the_uncoupled_point_solves_its_equation(s2, lam):
    alpha = permutation([s2], lam)[0][0]
    assert 0 < alpha < 0.568
    np.testing.assert_allclose(-np.log(alpha), (s2 + lam) / lam * alpha, rtol=1e-12)


def test_the_closed_forms_do_not_solve_the_exact_flow():
    alpha, _ = equal_strengths(np.eye(2), 1.0, 1.0)
    assert np.abs(alpha / dual.fixed_point(np.eye(2), np.ones(2), 1.0) - 1).min() > 0.01


# --- Lemma 1 ----------------------------------------------------------------------------------


def test_lemma1_is_exact_without_coupling():
    s2 = np.logspace(-8, 8, 9)
    np.testing.assert_allclose(lemma1(np.eye(9), s2, 0.1), permutation(s2, 0.1)[0], rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_error_of_lemma1_falls_with_the_square_of_the_coupling(scale):
    s2, lam = np.array([4.0, 1.0]) * scale, 0.5
    delta = np.array([1e-4, 1e-3])
    error = np.abs(lemma1(coupling(delta), s2, lam) - taylor_point(coupling(delta), s2, lam))
    order = np.log10(error.max(1)[1] / error.max(1)[0])
    assert order == pytest.approx(2, abs=0.1)


def test_lemma1_equals_the_formula_of_the_paper():
    U, s2, lam = orthogonal(7), np.logspace(-1, 2, 7), 0.3
    alpha0, _ = permutation(s2, lam)
    A = (U * (s2 + lam)) @ U.T / lam
    np.testing.assert_allclose(
        lemma1(U, s2, lam), np.linalg.solve(A + np.diag(1 / alpha0), 1 - np.log(alpha0)), rtol=1e-9
    )


def test_lemma1_solves_a_thousand_examples_over_the_whole_range_of_strengths():
    U, s2, lam = coupling(0.01), np.array([1e8, 1e-8]), 1e-6
    blocks = np.kron(np.eye(500), U)
    alpha = lemma1(blocks, np.tile(s2, 500), lam)
    np.testing.assert_allclose(alpha, np.tile(lemma1(U, s2, lam), 500), rtol=1e-9)


# --- the derivative for two features ----------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=40)
@given(deltas, squared, squared, lams)
def test_starvation_is_the_finite_difference(kind, delta, s1, s2, lam):
    ends = [coupled_response(delta, (s1 * f, s2), lam, kind)[1] for f in (0.9999, 1.0001)]
    central = (ends[1] - ends[0]) / (0.0002 * s1)
    slope = starvation(delta, (s1, s2), lam, kind)
    rounding = 1e-7 * np.abs(coupled_response(delta, (s1, s2), lam, kind)).max() / s1
    assert abs(central - slope) <= 1e-4 * abs(slope) + rounding


@pytest.mark.parametrize("kind", ["exact", "taylor", "sd"])
def test_coupled_responses_are_those_of_the_dual(kind):
    for delta in (-0.9, -0.3, 0.0, 0.5, 0.8):
        s2, U = np.array([9.0, 0.5]), coupling(delta)
        z = dual.response_at(dual.fixed_point(U, s2, 0.7, kind), U, s2, 0.7, kind)
        np.testing.assert_allclose(coupled_response(delta, s2, 0.7, kind), z, rtol=1e-9)


def test_coupled_responses_of_lemma1_are_those_of_lemma1():
    delta, s2 = np.linspace(-1, 1, 41), np.array([30.0, 2.0])
    expected = responses(coupling(delta)[7], s2, 0.2, "lemma1")
    got = np.stack(coupled_response(delta, s2, 0.2, "lemma1"), -1)
    np.testing.assert_allclose(got[7], expected, rtol=1e-11)


@theory
@settings(deadline=None, max_examples=80)
@given(deltas, squared, squared, lams)
def test_the_size_falls_exactly_when_the_right_feature_is_the_stronger(kind, delta, s1, s2, lam):
    assume(min(abs(abs(delta) - x) for x in (0, HALF, 1)) > 1e-3)
    assume(abs(np.log(s1 / s2)) > 1e-3)
    _, z2 = coupled_response(delta, (s1, s2), lam, kind)
    slope = starvation(delta, (s1, s2), lam, kind)
    assert z2 * (HALF - delta) > 0
    assume(abs(slope) * s1 > 1e-12 * abs(z2))
    assert np.sign(z2) * np.sign(slope) == np.sign(delta * (s2 - s1))


@theory
@pytest.mark.parametrize("delta", [0.0, HALF, -HALF, 1.0, -1.0])
def test_the_derivative_vanishes_where_the_theorem_says(kind, delta):
    scale = abs(starvation(0.3, (9.0, 1.0), 0.1, kind))
    assert abs(starvation(delta, (9.0, 1.0), 0.1, kind)) < 1e-12 * scale


@theory
def test_the_derivative_vanishes_at_equal_strengths(kind):
    assert abs(starvation(0.3, (4.0, 4.0), 0.1, kind)) < 1e-12


@theory
def test_the_response_to_feature_2_vanishes_at_one_over_root_two(kind):
    assert abs(coupled_response(HALF, (9.0, 1.0), 0.1, kind)[1]) < 1e-12


@pytest.mark.parametrize(
    ("delta", "signs"),
    # exact, taylor, lemma1; the last has the wrong sign from 0.6 on and for negative delta.
    [(0.2, "---"), (0.5, "---"), (0.65, "--+"), (0.8, "+++"), (-0.5, "++-"), (-0.8, "++-")],
)
def test_the_sign_table_at_a_ratio_of_100(delta, signs):
    got = [starvation(delta, (100.0, 1.0), 0.01, k) for k in ("exact", "taylor", "lemma1")]
    assert "".join("-" if slope < 0 else "+" for slope in got) == signs


def test_lemma1_turns_near_a_coupling_of_0_6_at_a_ratio_of_100():
    delta = np.linspace(0.01, 0.99, 197)
    slope = starvation(delta, (100.0, 1.0), 0.01, "lemma1")
    first = delta[slope > 0][0]
    assert first == pytest.approx(0.6, abs=0.02)


def test_spectral_decoupling_starves_nobody():
    assert starvation(0.3, (9.0, 1.0), 0.1, "sd") == 0
    assert np.array_equal(starvation_matrix(orthogonal(4), np.ones(4), 0.1, "sd"), np.zeros((4, 4)))


@theory
def test_exchanging_the_examples_negates_the_response(kind):
    delta, s2 = 0.3, (9.0, 1.0)
    swapped = (1 - delta**2) ** 0.5
    np.testing.assert_allclose(
        starvation(swapped, s2, 0.1, kind), -starvation(delta, s2, 0.1, kind), rtol=1e-10
    )
    np.testing.assert_allclose(
        elasticity(swapped, s2, 0.1, kind), elasticity(delta, s2, 0.1, kind), rtol=1e-10
    )


@pytest.mark.parametrize("kind", KINDS)
def test_elasticity_is_the_logarithmic_derivative_of_the_size(kind):
    delta = np.array([-0.7, 0.2, 0.5, 0.9])
    low, high = (coupled_response(delta, (9.0 * f, 1.0), 0.1, kind)[1] for f in (0.9999, 1.0001))
    central = np.log(np.abs(high / low)) / np.log(1.0001 / 0.9999)
    np.testing.assert_allclose(
        elasticity(delta, (9.0, 1.0), 0.1, kind), central, rtol=1e-5, atol=1e-9
    )


def test_elasticity_is_nan_without_a_response():
    assert np.isnan(elasticity(0.3, (9.0, 0.0), 0.1))


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_broadcast(kind):
    delta, s1, lam = np.array([[-0.4], [0.5]]), np.array([0.5, 2.0, 9.0]), 0.3
    together = starvation(delta, (s1, 1.0), lam, kind)
    assert together.shape == (2, 3)
    alone = [[starvation(d, (s, 1.0), lam, kind) for s in s1] for d in delta[:, 0]]
    np.testing.assert_allclose(together, alone, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_a_map_of_200_by_200_points_takes_a_fifth_of_the_time_of_its_points(kind):
    delta, s1 = np.linspace(-1, 1, 200), np.logspace(-2, 4, 200)
    start = time.process_time()
    slope = starvation(delta, (s1[:, None], 1.0), 0.1, kind)
    middle = time.process_time()
    some = [starvation(delta[7 * k], (s1[197 - 7 * k], 1.0), 0.1, kind) for k in range(28)]
    end = time.process_time()
    assert slope.shape == (200, 200)
    assert np.isfinite(slope).all()
    np.testing.assert_allclose([slope[197 - 7 * k, 7 * k] for k in range(28)], some, rtol=1e-9)
    assert middle - start < (end - middle) / 28 * slope.size / 5


# --- any number of features -------------------------------------------------------------------


@theory
def test_the_matrix_holds_the_derivative_for_two_features(kind):
    for delta, s2, lam in [(0.3, (9.0, 1.0), 0.1), (-0.6, (1e-3, 50.0), 2.0)]:
        G = starvation_matrix(coupling(delta), np.array(s2), lam, kind)
        np.testing.assert_allclose(G[1, 0], starvation(delta, s2, lam, kind), rtol=1e-10)


@theory
@pytest.mark.parametrize("seed", range(3))
def test_the_matrix_is_the_finite_difference(kind, seed):
    n = 12
    U = orthogonal(n, seed, r=n if kind == "taylor" else 8)
    s2, lam = np.logspace(2, -2, U.shape[1]), 0.2
    G = starvation_matrix(U, s2, lam, kind)
    for j, step in enumerate(1e-4 * s2):
        change = np.eye(len(s2))[j] * step
        ends = [responses(U, s2 + sign * change, lam, kind) for sign in (-1, 1)]
        central = (ends[1] - ends[0]) / (2 * step)
        np.testing.assert_allclose(G[:, j], central, rtol=1e-5, atol=1e-6 * np.abs(central).max())


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 8), st.integers(0, 50), lams)
def test_starvation_is_mutual(n, seed, lam):
    U, s2 = orthogonal(n, seed), np.logspace(2, -2, n)
    z = responses(U, s2, lam, "exact")
    N = starvation_matrix(U, s2, lam) * s2 / z * np.sqrt(s2) / np.sqrt(s2)[:, None]
    np.testing.assert_allclose(N, N.T, atol=1e-7 * np.abs(N).max())


def test_a_feature_without_strength_does_not_respond_and_still_gains_from_its_first_strength():
    U, lam = orthogonal(4), 0.3
    G = starvation_matrix(U, np.array([4.0, 1.0, 0.0, 2.0]), lam)
    tiny = starvation_matrix(U, np.array([4.0, 1.0, 1e-12, 2.0]), lam)
    np.testing.assert_allclose(G, tiny, rtol=1e-9, atol=1e-11)
    assert np.array_equal(G[2, [0, 1, 3]], np.zeros(3))


def test_the_matrix_takes_leading_axes():
    U = np.stack([orthogonal(5, seed) for seed in range(3)])
    s2 = np.logspace(1, -1, 5)
    together = starvation_matrix(U, s2, np.array([0.1, 1.0, 10.0]))
    for one, matrix, lam in zip(together, U, (0.1, 1.0, 10.0)):
        np.testing.assert_allclose(one, starvation_matrix(matrix, s2, lam), rtol=1e-10)


@pytest.mark.parametrize("lam", [1e-6, 1e3])
def test_the_matrix_is_finite_over_the_whole_range_of_strengths(lam):
    s2 = np.logspace(8, -8, 20)
    assert np.isfinite(starvation_matrix(orthogonal(20), s2, lam)).all()


# --- what is refused --------------------------------------------------------------------------


def test_coupling_is_printed_as_in_the_paper_and_orthogonal():
    np.testing.assert_allclose(coupling(0.6), [[0.8, -0.6], [0.6, 0.8]])
    U = coupling(np.linspace(-1, 1, 7))
    np.testing.assert_allclose(
        U @ U.swapaxes(1, 2), np.broadcast_to(np.eye(2), U.shape), atol=1e-15
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: coupling(1.1), r"delta must lie in \[-1, 1\].*got 1.1"),
        (lambda: coupling(np.nan), "got nan"),
        (lambda: starvation(-2, (1.0, 1.0), 1.0), "got -2"),
        (lambda: starvation(0.1, (-1.0, 1.0), 1.0), r"squared strengths, .*got -1.0; pass s\*\*2"),
        (lambda: starvation(0.1, (1.0, 1.0), 0.0), "lam must be finite and > 0, got 0.0"),
        (lambda: starvation(0.1, (1.0, 1.0), -0.1), "got -0.1; without it no optimum exists"),
        (lambda: starvation(0.1, (1.0, 1.0), 1.0, "Exact"), "kind must be in .*got 'Exact'"),
        (lambda: starvation(0.1, (1.0, 1.0, 1.0), 1.0), "s2 must be a pair"),
        (lambda: starvation(0.1, np.ones((2, 2)), 1.0), r"a tuple of two arrays, such as \(s2"),
        (lambda: starvation(0.1, 3.0, 1.0), "s2 must be a pair"),
        (lambda: starvation(0.1, (1.0, 0.0), 1.0, "sd"), "both squared strengths > 0"),
        (lambda: elasticity(0.1, (1.0, -2.0), 1.0), "got -2.0"),
        (lambda: coupled_response(0.1, (1.0, np.inf), 1.0), "finite and >= 0, got inf"),
        (lambda: permutation([1.0, -1.0], 1.0), "squared strengths"),
        (lambda: permutation([1.0], np.nan), "lam must be finite and > 0, got nan"),
        (lambda: equal_strengths(np.eye(2), np.ones(2), 1.0), "one number, got shape"),
        (lambda: equal_strengths(np.ones((2, 2)), 1.0, 1.0), "U must have orthonormal columns"),
        (lambda: equal_strengths(np.eye(3)[:, :2], 1.0, 1.0), r"square, got shape \(3, 2\)"),
        (lambda: lemma1(np.eye(3), [1.0, 2.0], 1.0), "s2 must hold 3 squared strengths"),
        (lambda: lemma1(np.eye(2), [1.0, 2.0], 0.0), "lam must be"),
        (lambda: starvation_matrix(2 * np.eye(2), np.ones(2), 1.0), "orthonormal columns"),
        (lambda: starvation_matrix(np.eye(2), np.ones(2), 1.0, "lemma1"), "kind must be"),
    ],
)
def test_a_wrong_argument_is_refused_with_its_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_every_function_means_the_exact_flow_unless_told_otherwise():
    s2, lam, U = (9.0, 1.0), 0.1, coupling(0.3)
    for function in (coupled_response, starvation, elasticity):
        np.testing.assert_array_equal(function(0.3, s2, lam), function(0.3, s2, lam, "exact"))
    one = starvation_matrix(U, np.array(s2), lam)[1, 0]
    assert starvation(0.3, s2, lam) == pytest.approx(float(one), rel=1e-12)
    assert starvation(0.3, np.array(s2), lam) == starvation(0.3, s2, lam)
