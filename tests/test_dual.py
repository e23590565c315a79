"""The Legendre dual: fixed points, flows and objectives against what is known about them."""

import warnings

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad, solve_ivp
from scipy.linalg import hadamard
from scipy.optimize import check_grad, minimize
from scipy.special import expit, lambertw, log_expit, xlogy

from gsutils import dual

KINDS = ("exact", "taylor", "sd")
WITH_PRIMAL = ("exact", "sd")
INSIDE = 1e-6  # starts near the walls of (0, 1)


def orthogonal(n, seed, r=None):
    """Random orthonormal columns (n, r)."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0][:, :r]


def coupling(delta):
    """Eq. 15."""
    c = np.sqrt(1 - delta**2)
    return np.array([[c, -delta], [delta, c]])


def mislabelled(n=100):
    """n examples share one feature, and n + 1 has it the wrong way round; orthogonal (n+1, n+1)."""
    first = np.r_[np.ones(n), -1] / np.sqrt(n + 1)
    Q, _ = np.linalg.qr(np.column_stack([first, np.eye(n + 1)[:, 1:]]))
    return Q * np.sign(Q[0, 0])


def solve(U, s2, lam, kind):
    """The margins, and the squared strengths that count for this kind."""
    u = dual.margins(U, s2, lam, kind, rank_deficient="project")
    return u, (s2 > 0).astype(float) if kind == "sd" else s2


def multiplier(u, kind):
    """alpha of u by formulas of our own: sigma(-u), or W(e^-u)."""
    if kind != "taylor":
        return np.exp(log_expit(-u))
    with np.errstate(over="ignore"):
        direct = lambertw(np.exp(-np.maximum(u, -700))).real
    alpha = np.where(u > -700, direct, -u)
    for _ in range(0 if u.min() > -700 else 8):  # log a + a = -u for a huge -u
        alpha = np.where(u > -700, alpha, -u - np.log(alpha))
    return alpha


def assert_solved(U, s2, lam, kind):
    """u = K alpha(u), to what issue and docstring promise, in float arithmetic of our own."""
    u, strengths = solve(U, s2, lam, kind)
    alpha = multiplier(u, kind)
    np.testing.assert_allclose(dual.multiplier(u, kind), alpha, rtol=1e-11, atol=1e-300)
    scale = strengths / lam
    pulled = U @ (scale * (U.T @ alpha))
    summand = (np.abs(U) * scale * (np.abs(U) * alpha[:, None]).max(0)).max(1)
    assert (np.abs(u - pulled) <= 1e-10 * summand).all()
    if scale.max() <= 1e5:
        largest = np.maximum(np.abs(u), np.abs(pulled))
        # Sums of 1e5 and -1e5 may cancel: below their rounding no two floats agree.
        rounding = 4 * len(u) * np.finfo(float).eps * summand
        assert (np.abs(u - pulled) <= 1e-10 * largest + rounding).all()


# --- fixed points: the residual -------------------------------------------------------------

problems = st.tuples(
    st.integers(0, 10**6),  # seed of U
    st.lists(st.floats(-4, 4), min_size=1, max_size=8),  # log10 of the strengths
    st.integers(0, 3),  # examples more than features
    st.floats(-6, 3),  # log10 of lam
)


@settings(max_examples=100, deadline=None)
@given(problems, st.sampled_from(KINDS))
def test_a_fixed_point_solves_its_equation_over_the_whole_range(problem, kind):
    seed, s, more, lam = problem
    n = len(s) + (0 if kind == "taylor" else more)
    assert_solved(orthogonal(n, seed, len(s)), 100.0 ** np.array(s), 10**lam, kind)


CORNERS = {
    "one example": (np.eye(1), np.ones(1)),
    "one example, sign turned": (-np.eye(1), np.ones(1)),
    "identity": (np.eye(6), np.geomspace(1e-4, 1, 6)),
    "permutation": (np.eye(6)[[3, 1, 0, 5, 4, 2]], np.geomspace(1e-4, 1, 6)),
    "all entries of one size": (hadamard(16) / 4, np.geomspace(1e-8, 1, 16)),
    "one huge strength, the rest tiny": (orthogonal(12, 1), np.r_[1.0, np.full(11, 1e-16)]),
    "one tiny strength, the rest huge": (orthogonal(12, 2), np.r_[1e-16, np.ones(11)]),
    "repeated strengths": (orthogonal(9, 3), np.repeat([1.0, 1e-3, 1e-9], 3)),
    "zero strengths": (orthogonal(8, 4), np.r_[np.ones(5), np.zeros(3)]),
    "no strength at all": (orthogonal(3, 5), np.zeros(3)),
    "fewer features than examples": (orthogonal(40, 6, 3), np.array([1.0, 1e-4, 1e-8])),
    "one feature for all": (np.full((50, 1), 1 / np.sqrt(50)), np.ones(1)),
    "one mislabelled among 101": (mislabelled(), np.r_[1.0, np.full(100, 1e-6)]),
    "one mislabelled and no way out": (mislabelled(), np.r_[1.0, np.zeros(100)]),
    "half mislabelled": (
        (np.r_[np.ones(25), -np.ones(25)] / np.sqrt(50))[:, None],
        np.ones(1),
    ),
} | {
    f"coupling {delta:.4g}": (coupling(delta), np.array([1.0, 0.01]))
    for delta in (0.0, 1e-12, 0.3, 1 / np.sqrt(2), 1 - 1e-12, 1.0, -1e-12, -0.3, -1 / np.sqrt(2))
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name, (U, s2) in CORNERS.items()
        for kind in KINDS
        if kind != "taylor" or len(s2) == len(U)  # Eq. 10 needs a square U
    ],
)
def test_a_fixed_point_solves_its_equation_in_corner_cases(name, kind):
    U, s2 = CORNERS[name]
    for s, lam in ((1e-4, 1e3), (1e-4, 1e-6), (1.0, 1e-2), (1e4, 1e3), (1e4, 1e-6)):
        assert_solved(U, s**2 * s2, lam, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_examples_with_strengths_over_eight_decades(kind):
    for seed, lam in ((0, 1e-6), (1, 1e-2), (2, 1e3)):
        assert_solved(orthogonal(100, seed), np.geomspace(1e-8, 1e8, 100), lam, kind)


@pytest.mark.parametrize("kind", WITH_PRIMAL)
@pytest.mark.parametrize("k", ["1e-14", "1e-5", "1", "1e5", "1e14"])
def test_one_example_agrees_with_fifty_digits(k, kind):
    with mpmath.workdps(50):
        k = mpmath.mpf(k)
        guess = k / 2 if k < 1 else mpmath.lambertw(k)
        u = mpmath.findroot(lambda u: u - k / (1 + mpmath.exp(u)), guess)
    s2, lam = (float(k), 1.0) if kind == "exact" else (1.0, float(1 / k))
    assert dual.margins(np.eye(1), np.array([s2]), lam, kind)[0] == pytest.approx(
        float(u), rel=1e-12
    )


@pytest.mark.parametrize("kind", KINDS)
def test_fixed_point_is_the_multiplier_of_the_margins(kind):
    U, s2 = orthogonal(7, 0), np.geomspace(0.01, 100, 7)
    alpha = dual.fixed_point(U, s2, 0.3, kind)
    np.testing.assert_allclose(alpha, dual.multiplier(dual.margins(U, s2, 0.3, kind), kind))
    assert dual.velocity(alpha, U, s2, 0.3, kind) == pytest.approx(np.zeros(7), abs=1e-9)


def test_a_fixed_point_that_rounds_to_a_wall_stays_inside():
    U, s2 = CORNERS["one mislabelled and no way out"]
    for scale in (1e8, 1e14):
        alpha = dual.fixed_point(U, scale * s2, 1e-6)
        assert ((alpha > 0) & (alpha < 1)).all()


# --- fixed points: the closed forms ---------------------------------------------------------


@pytest.mark.parametrize("lam", [1e-6, 0.1, 1e3])
@pytest.mark.parametrize("s", [1e-4, 1.0, 1e4])
def test_equal_strengths_give_eq_12(s, lam):
    U = orthogonal(6, 9)
    alpha = lam * lambertw(s**2 / lam + 1).real / (s**2 + lam)
    found = dual.fixed_point(U, np.full(6, s**2), lam, "taylor")
    np.testing.assert_allclose(found, alpha, rtol=1e-10)
    z = dual.response_at(found, U, np.full(6, s**2), lam, "taylor")
    np.testing.assert_allclose(z, s**2 * alpha / lam * U.sum(0), rtol=1e-9)


@pytest.mark.parametrize("lam", [1e-6, 0.1, 1e3])
def test_a_permutation_gives_eq_13(lam):
    order, s2 = np.array([2, 0, 3, 1, 4]), np.geomspace(1e-8, 1e8, 5)
    U = np.eye(5)[order]  # feature order[i] sits on example i
    alpha = lam * lambertw(s2 / lam + 1).real / (s2 + lam)
    found = dual.fixed_point(U, s2, lam, "taylor")
    np.testing.assert_allclose(found, alpha[order], rtol=1e-10)
    z = dual.response_at(found, U, s2, lam, "taylor")
    np.testing.assert_allclose(z, s2 * alpha / lam, rtol=1e-9)


def test_eq_10_leaves_the_unit_interval_where_one_of_101_is_mislabelled_and_says_so():
    U, s2 = CORNERS["one mislabelled and no way out"]
    with pytest.warns(RuntimeWarning, match=r"outside \(0, 1\).*kind='exact'"):
        alpha = dual.fixed_point(U, 101 * s2, 1.0, "taylor")
    assert alpha[-1] > 1
    assert (alpha[:-1] < 1).all()
    assert dual.fixed_point(U, 101 * s2, 1.0, "exact")[-1] < 1


def test_eq_10_inside_the_unit_interval_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dual.fixed_point(coupling(0.3), np.array([4.0, 1.0]), 0.1, "taylor")


@settings(max_examples=30, deadline=None)
@given(st.floats(-6, 3), st.floats(-4, 4), st.integers(0, 10**6))
def test_under_spectral_decoupling_all_margins_are_the_root_of_sigma_minus_u_is_lam_u(lam, s, seed):
    lam, U = 10**lam, orthogonal(5, seed)
    u = dual.margins(U, 10**s * np.geomspace(0.01, 1, 5), lam, "sd")
    assert np.ptp(u) == 0
    np.testing.assert_allclose(expit(-u), lam * u, rtol=1e-12)
    alpha = dual.fixed_point(U, 10**s * np.geomspace(0.01, 1, 5), lam, "sd")
    np.testing.assert_allclose(alpha, lam * u, rtol=1e-10)


# --- against the primal ---------------------------------------------------------------------


def model(n=8, m=12, seed=0, rank=None):
    """A linear model Phi (n, m) with labels, and U, s2 of Y Phi."""
    rng = np.random.default_rng(seed)
    Phi = rng.normal(size=(n, rank or m)) @ rng.normal(size=(rank or m, m)) / np.sqrt(m)
    y = rng.choice([-1.0, 1.0], n)
    U, s, _ = np.linalg.svd(y[:, None] * Phi, full_matrices=False)
    return Phi, y, U, s**2


def primal_margins(Phi, y, lam, kind):
    """Margins at the minimum of Eq. 5 or 17, found by Newton's method on the parameters."""
    theta = np.zeros(Phi.shape[1])
    penalty = lam * (Phi.T @ Phi if kind == "sd" else np.eye(len(theta)))

    def loss(theta):
        return -log_expit(y * (Phi @ theta)).sum() + theta @ penalty @ theta / 2

    for _ in range(200):
        u = y * (Phi @ theta)
        gradient = penalty @ theta - (y * expit(-u)) @ Phi
        hessian = penalty + (Phi.T * (expit(u) * expit(-u))) @ Phi
        step, length = np.linalg.lstsq(hessian, gradient, rcond=1e-12)[0], 1.0
        while length > 1e-8 and loss(theta - length * step) > loss(theta):
            length /= 2
        theta = theta - length * step
    assert np.abs(gradient).max() < 1e-9 * max(1, np.abs(Phi).max())
    return y * (Phi @ theta)


@pytest.mark.parametrize("kind", WITH_PRIMAL)
@pytest.mark.parametrize("lam", [1e-3, 0.1, 10.0])
@pytest.mark.parametrize("shape", [(8, 12), (8, 8), (30, 4)])
def test_margins_are_those_of_an_independent_primal_solver(shape, lam, kind):
    Phi, y, U, s2 = model(*shape, seed=1)
    u = dual.margins(U, s2, lam, kind, "project")
    np.testing.assert_allclose(u, primal_margins(Phi, y, lam, kind), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", WITH_PRIMAL)
def test_project_solves_the_primal_where_inputs_repeat(kind):
    Phi, y, *_ = model(9, 12, seed=2)
    Phi[1], Phi[2] = Phi[0], Phi[0]
    y[:3] = 1, 1, -1  # two agree and one contradicts them
    U, s, _ = np.linalg.svd(y[:, None] * Phi, full_matrices=False)
    u = dual.margins(U, s**2, 0.05, kind, "project")
    np.testing.assert_allclose(u, primal_margins(Phi, y, 0.05, kind), rtol=1e-6, atol=1e-6)
    assert u[0] == pytest.approx(u[1], abs=1e-9)
    assert u[2] == pytest.approx(-u[0], abs=1e-9)
    theta = dual.primal_minimiser(Phi, y, 0.05, kind)
    np.testing.assert_allclose(y * (Phi @ theta), u, atol=1e-8)


@pytest.mark.parametrize("kind", WITH_PRIMAL)
@pytest.mark.parametrize("shape", [(8, 12), (8, 8), (30, 4)])
def test_no_step_lowers_the_loss_at_the_primal_minimiser(shape, kind):
    Phi, y, *_ = model(*shape, seed=3)
    theta = dual.primal_minimiser(Phi, y, 0.1, kind)
    at = dual.primal_loss(theta, Phi, y, 0.1, kind)
    steps = np.random.default_rng(0).normal(size=(200, len(theta)))
    for size in (1e-4, 1e-1, 10):
        assert (dual.primal_loss(theta + size * steps, Phi, y, 0.1, kind) > at - 1e-12 * at).all()
    result = minimize(dual.primal_loss, theta, (Phi, y, 0.1, kind), tol=1e-10)
    assert result.fun == pytest.approx(at, rel=1e-9)


def test_the_primal_minimiser_of_sd_interpolates_equal_margins_with_the_least_norm():
    Phi, y, *_ = model(6, 15, seed=4)
    theta = dual.primal_minimiser(Phi, y, 0.2, "sd")
    u = dual.margins(np.eye(6), np.ones(6), 0.2, "sd")
    np.testing.assert_allclose(theta, np.linalg.pinv(Phi) @ (u * y), atol=1e-12)


@pytest.mark.parametrize("kind", WITH_PRIMAL)
@pytest.mark.parametrize("shape", [(8, 12), (30, 4)])
def test_the_duality_gap_closes(shape, kind):
    Phi, y, U, s2 = model(*shape, seed=5)
    primal = dual.primal_loss(dual.primal_minimiser(Phi, y, 0.1, kind), Phi, y, 0.1, kind)
    alpha = dual.fixed_point(U, s2, 0.1, kind, "project")
    assert dual.dual_objective(alpha, U, s2, 0.1, kind) == pytest.approx(primal, rel=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 10), st.sampled_from(WITH_PRIMAL))
def test_no_dual_value_exceeds_a_primal_one(seed, lam, kind):
    Phi, y, U, s2 = model(5, 7, seed=6)
    rng = np.random.default_rng(seed)
    theta, alpha = 3 * rng.normal(size=(20, 7)), rng.uniform(1e-6, 1 - 1e-6, (20, 5))
    below = dual.dual_objective(alpha, U, s2, lam, kind)
    above = dual.primal_loss(theta, Phi, y, lam, kind)
    assert below.max() <= above.min()


def test_the_dual_objective_is_eq_8_written_out():
    Phi, y, U, s2 = model(5, 7, seed=7)
    alpha = np.array([0.1, 0.9, 0.5, 0.3, 0.7])
    entropy = -(xlogy(alpha, alpha) + xlogy(1 - alpha, 1 - alpha)).sum()
    gram = (y[:, None] * Phi) @ (y[:, None] * Phi).T
    assert dual.dual_objective(alpha, U, s2, 0.3) == pytest.approx(
        entropy - alpha @ gram @ alpha / 0.6
    )


@pytest.mark.parametrize("kind", WITH_PRIMAL)
def test_descent_arrives_at_the_minimiser(kind):
    Phi, y, *_ = model(5, 8, seed=8)
    thetas = dual.descent(Phi, y, 0.5, lr=0.05, steps=20_000, kind=kind)
    assert thetas.shape == (20_001, 8)
    assert not thetas[0].any()
    np.testing.assert_allclose(thetas[-1], dual.primal_minimiser(Phi, y, 0.5, kind), atol=1e-9)
    losses = dual.primal_loss(thetas, Phi, y, 0.5, kind)
    assert (np.diff(losses) <= 1e-12).all()


def test_descent_with_too_long_a_step_is_refused():
    Phi, y, *_ = model()
    with pytest.raises(dual.NotConverged, match=r"diverges with lr = 1000\.0; lower it"):
        dual.descent(Phi, y, 10.0, lr=1000.0, steps=500)


# --- gradients ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_velocity_is_the_gradient_of_the_objective_times_eta(kind):
    U, s2 = orthogonal(5, 0), np.geomspace(0.1, 10, 5)
    alpha = np.array([0.02, 0.3, 0.5, 0.8, 0.97])
    error = check_grad(
        lambda a: dual.dual_objective(a, U, s2, 0.7, kind),
        lambda a: dual.velocity(a, U, s2, 0.7, kind, eta=3.0) / 3.0,
        alpha,
    )
    assert error < 1e-5


def test_velocities_are_eq_9_10_and_18_written_out():
    U, s2, lam = orthogonal(3, 1), np.array([4.0, 1.0, 0.25]), 0.5
    alpha = np.array([0.1, 0.4, 0.9])
    pull = alpha @ U @ np.diag(s2) @ U.T / lam
    exact = -np.log(alpha) + np.log(1 - alpha) - pull
    taylor = -np.log(alpha) - alpha @ U @ (np.diag(s2) + lam * np.eye(3)) @ U.T / lam
    sd = np.log((1 - alpha) / alpha) - alpha / lam
    for kind, expected in zip(KINDS, (exact, taylor, sd)):
        np.testing.assert_allclose(dual.velocity(alpha, U, s2, lam, kind), expected, atol=1e-12)


def test_responses_are_eq_11_and_for_sd_those_of_the_logits():
    U, s2, lam = orthogonal(3, 1), np.array([4.0, 1.0, 0.25]), 0.5
    alpha = np.array([[0.1, 0.4, 0.9], [0.5, 0.5, 0.5]])
    z = dual.response_at(alpha, U, s2, lam)
    np.testing.assert_allclose(z, [s2 * (U.T @ a) / lam for a in alpha])
    np.testing.assert_allclose(dual.response_at(alpha, U, s2, lam, "sd"), alpha @ U / lam)


@pytest.mark.parametrize("kind", KINDS)
def test_the_curvature_is_the_slope_of_the_multiplier(kind):
    u = np.array([-5.0, -0.3, 0.0, 2.0, 30.0])
    slope = (dual.multiplier(u + 1e-5, kind) - dual.multiplier(u - 1e-5, kind)) / 2e-5
    np.testing.assert_allclose(dual.curvature(u, kind), -slope, rtol=1e-6, atol=1e-20)


# --- flows ----------------------------------------------------------------------------------

FLOWS = {
    "coupled": (coupling(0.5), np.array([9.0, 4.0]), 1.0),
    "strong": (coupling(0.5), np.array([36.0, 4.0]), 0.02),
    "weak": (coupling(-0.4), np.array([0.01, 0.001]), 10.0),
    "many": (orthogonal(5, 0), np.geomspace(0.1, 10, 5), 0.1),
    "extreme": (orthogonal(4, 1), np.geomspace(1e-4, 1e4, 4), 0.1),
}


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_start_flows_to_the_fixed_point(name, kind):
    U, s2, lam = FLOWS[name]
    low, high = INSIDE, 1 - INSIDE
    mixed = np.where(np.arange(len(U)) % 2, low, high)
    starts = np.array([np.full(len(U), low), np.full(len(U), high), mixed])
    three = np.kron(np.eye(3), U), np.tile(s2, 3), lam  # one flow of three that do not meet
    alpha = dual.flow(starts.ravel(), *three, [0.0, 60.0], kind)
    np.testing.assert_allclose(alpha[0], starts.ravel(), rtol=1e-9)
    end = np.tile(dual.fixed_point(U, s2, lam, kind), 3)
    np.testing.assert_allclose(alpha[1], end, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("alpha0", [1e-6, 0.3, 1 - 1e-6])
@pytest.mark.parametrize("kind", KINDS)
def test_one_example_takes_the_time_of_the_quadrature(alpha0, kind):
    s2, lam = 2.0, 0.5
    rate = 1 / lam if kind == "sd" else s2 / lam
    end = dual.fixed_point(np.eye(1), np.array([s2]), lam, kind)[0]
    times = np.array([1e-4, 1e-2, 0.1, 0.3])
    alpha = dual.flow(np.array([alpha0]), np.eye(1), np.array([s2]), lam, times, kind)[:, 0]

    def slowness(a):
        wall = -a if kind == "taylor" else np.log1p(-a)
        return 1 / (wall - np.log(a) - rate * a)

    for at, reached in zip(times, alpha):
        assert min(alpha0, end) < reached < max(alpha0, end)
        assert quad(slowness, alpha0, reached, epsabs=1e-14, epsrel=1e-12)[0] == pytest.approx(
            at, rel=1e-5
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_flow_agrees_with_a_general_solver(kind):
    U, s2, lam = orthogonal(4, 3), np.array([5.0, 2.0, 1.0, 0.2]), 0.4
    alpha0, times = np.array([0.05, 0.4, 0.6, 0.9]), np.linspace(0, 0.5, 7)
    plain = solve_ivp(
        lambda t, a: dual.velocity(a, U, s2, lam, kind),
        (0, 0.5),
        alpha0,
        "Radau",
        times,
        rtol=1e-9,
        atol=1e-12,
    )
    np.testing.assert_allclose(dual.flow(alpha0, U, s2, lam, times, kind), plain.y.T, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_objective_never_falls_along_a_flow(kind):
    U, s2, lam = FLOWS["strong"]
    times = np.r_[0, np.geomspace(1e-6, 10, 30)]
    alpha = dual.flow(np.array([0.97, 0.03]), U, s2, lam, times, kind)
    value = dual.dual_objective(alpha, U, s2, lam, kind)
    assert (np.diff(value) >= -1e-9 * np.abs(value[:-1])).all()


def test_near_the_fixed_point_a_flow_decays_at_its_linear_rate():
    U, s2, lam = FLOWS["coupled"]
    u = dual.margins(U, s2, lam)
    rates, modes = np.linalg.eigh(np.diag(1 / dual.curvature(u)) + (U * s2) @ U.T / lam)
    end, size = dual.fixed_point(U, s2, lam), 1e-4
    for rate, mode in zip(rates, modes.T):
        times = np.array([0, 1, 2]) / rate
        away = (dual.flow(end + size * mode, U, s2, lam, times) - end) @ mode
        np.testing.assert_allclose(away, size * np.exp(-rate * times), rtol=5e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_eta_is_the_unit_of_time(kind):
    U, s2, lam = FLOWS["coupled"]
    times = np.array([0.01, 0.1, 1.0])
    slow = dual.flow(np.full(2, 0.5), U, s2, lam, times, kind)
    fast = dual.flow(np.full(2, 0.5), U, s2, lam, times / 5, kind, eta=5.0)
    np.testing.assert_allclose(fast, slow, rtol=1e-6)


def test_more_output_times_do_not_change_the_flow():
    U, s2, lam = FLOWS["strong"]
    few = dual.flow(np.array([0.9, 0.1]), U, s2, lam, [0.001, 0.1])
    many = dual.flow(np.array([0.9, 0.1]), U, s2, lam, np.r_[np.linspace(0, 0.001, 20), 0.1])
    np.testing.assert_allclose(many[-2:], few, rtol=1e-5, atol=1e-9)


def test_each_time_asked_for_allows_a_step_of_its_own(monkeypatch):
    monkeypatch.setattr("gsutils.dual._flow.MAX_STEPS", 100)
    times = np.linspace(0, 1, 300)
    path = dual.flow([0.5], np.eye(1), [1.0], 1.0, times)
    np.testing.assert_allclose(path[-1], dual.flow([0.5], np.eye(1), [1.0], 1.0, [1.0])[-1], 1e-6)


# --- broadcasting ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_many_problems_at_once_are_the_same_problems_one_by_one(kind):
    deltas, s1, lams = (
        np.linspace(-0.9, 0.9, 5),
        np.geomspace(1e-3, 1e4, 4),
        np.geomspace(1e-5, 1e2, 3),
    )
    U = np.array([coupling(delta) for delta in deltas])[:, None, None]
    s2 = np.stack([s1**2, np.ones_like(s1)], -1)[None, :, None]
    together = dual.margins(U, s2, lams, kind)
    assert together.shape == (5, 4, 3, 2)
    for i, j, k in np.ndindex(5, 4, 3):
        alone = dual.margins(U[i, 0, 0], s2[0, j, 0], lams[k], kind)
        np.testing.assert_allclose(together[i, j, k], alone, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_functions_of_alpha_broadcast(kind):
    U, s2, lam = FLOWS["coupled"]
    alpha = np.random.default_rng(0).uniform(0.01, 0.99, (3, 4, 2))
    for function in (dual.velocity, dual.response_at, dual.dual_objective):
        together = function(alpha, U, s2, lam, kind)
        for i, j in np.ndindex(3, 4):
            np.testing.assert_allclose(together[i, j], function(alpha[i, j], U, s2, lam, kind))


# --- bad input ------------------------------------------------------------------------------

U2, S2 = coupling(0.3), np.array([4.0, 1.0])


@pytest.mark.parametrize(
    ("U", "s2", "lam", "message"),
    [
        (np.array([[1.0, 0.1], [0.0, 1.0]]), S2, 1.0, r"orthonormal.*off by 0\.1.*ntk\.features"),
        (2 * U2, S2, 1.0, "orthonormal.*off by 3"),
        (np.full((2, 2), np.nan), S2, 1.0, "orthonormal.*nan"),
        (U2, np.array([4.0, -1.0]), 1.0, r">= 0, got \[ 4\. -1\.\]"),
        (U2, np.array([4.0, np.nan]), 1.0, ">= 0, got.*nan"),
        (U2, np.array([4.0, np.inf]), 1.0, "finite.*inf"),
        (U2, np.diag(S2), 1.0, r"number.*\(2, 2\)|vector"),
        (U2, 4.0, 1.0, r"\(2, 2\)"),
        (U2, np.ones(3), 1.0, r"\(2, 2\) and \(3,\)"),
        (U2[:1], S2, 1.0, r"columns.*\(1, 2\)"),
        (U2[0], S2, 1.0, r"\(2,\)"),
        (U2, S2, 0.0, "> 0, got 0.0"),
        (U2, S2, -0.1, "> 0, got -0.1"),
        (U2, S2, np.nan, "> 0, got nan"),
        (U2, S2, np.inf, "> 0, got inf"),
    ],
)
def test_a_wrong_problem_is_refused_with_the_value(U, s2, lam, message):
    alpha = np.array([0.5, 0.5])
    for call in (
        lambda: dual.fixed_point(U, s2, lam),
        lambda: dual.velocity(alpha, U, s2, lam),
        lambda: dual.response_at(alpha, U, s2, lam),
        lambda: dual.dual_objective(alpha, U, s2, lam),
        lambda: dual.flow(alpha, U, s2, lam, [0, 1]),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 1.5, np.nan])
def test_an_alpha_outside_the_open_interval_is_refused(value):
    alpha = np.array([0.5, value])
    for function in (dual.velocity, dual.response_at, dual.dual_objective):
        with pytest.raises(ValueError, match=rf"alpha must lie in \(0, 1\), got {value}"):
            function(alpha, U2, S2, 1.0)
    with pytest.raises(ValueError, match=rf"alpha must lie in \(0, 1\), got {value}"):
        dual.flow(alpha, U2, S2, 1.0, [1.0])


def test_eq_10_takes_any_positive_alpha_and_no_other():
    assert np.isfinite(dual.velocity(np.array([0.5, 3.0]), U2, S2, 1.0, "taylor")).all()
    with pytest.raises(ValueError, match=r"alpha must lie in \(0, ∞\), got -3\.0"):
        dual.velocity(np.array([0.5, -3.0]), U2, S2, 1.0, "taylor")


@pytest.mark.parametrize("alpha", [0.5, np.full(3, 0.5)])
def test_an_alpha_of_another_length_is_refused(alpha):
    for function in (dual.velocity, dual.response_at, dual.dual_objective):
        with pytest.raises(ValueError, match=r"alpha must be \(\.\.\., 2\)"):
            function(alpha, U2, S2, 1.0)


@pytest.mark.parametrize("kind", ["Exact", "eq9", None, ""])
def test_an_unknown_kind_is_refused_with_those_there_are(kind):
    for call in (
        lambda: dual.fixed_point(U2, S2, 1.0, kind),
        lambda: dual.velocity(np.full(2, 0.5), U2, S2, 1.0, kind),
        lambda: dual.flow(np.full(2, 0.5), U2, S2, 1.0, [1.0], kind),
        lambda: dual.dual_objective(np.full(2, 0.5), U2, S2, 1.0, kind),
        lambda: dual.multiplier(0.0, kind),
        lambda: dual.curvature(0.0, kind),
    ):
        with pytest.raises(ValueError, match=f"{kind!r}"):
            call()


def test_eq_10_with_fewer_features_than_examples_is_refused():
    with pytest.raises(ValueError, match=r"square U, got \(5, 2\).*zero strengths"):
        dual.fixed_point(orthogonal(5, 0, 2), S2, 1.0, "taylor")


@pytest.mark.parametrize(
    ("U", "s2", "what"),
    [
        (U2, np.array([4.0, 0.0]), r"zero strength among \[4\. 0\.\]"),
        (orthogonal(5, 0, 2), S2, "2 features for 5 examples"),
        (orthogonal(5, 0), np.r_[np.ones(4), 1e-40], "zero strength"),
    ],
)
def test_spectral_decoupling_without_full_row_rank_asks_what_to_do(U, s2, what):
    alpha = np.full(len(U), 0.5)
    for call in (
        lambda: dual.fixed_point(U, s2, 1.0, "sd"),
        lambda: dual.velocity(alpha, U, s2, 1.0, "sd"),
        lambda: dual.flow(alpha, U, s2, 1.0, [1.0], "sd"),
    ):
        with pytest.raises(ValueError, match=f"{what}.*rank_deficient='project'"):
            call()
    dual.fixed_point(U, s2, 1.0, "sd", rank_deficient="project")


def test_an_unknown_treatment_of_missing_rank_is_refused():
    with pytest.raises(ValueError, match=r"rank_deficient must be in .*, got 'ignore'"):
        dual.fixed_point(U2, S2, 1.0, "sd", rank_deficient="ignore")


@pytest.mark.parametrize(
    ("t", "eta", "message"),
    [
        ([-1.0], 1.0, "ascending"),
        ([1.0, 0.5], 1.0, "ascending"),
        ([np.inf], 1.0, "finite"),
        ([[1.0]], 1.0, "times"),
        ([1.0], 0.0, "eta.*> 0, got 0.0"),
        ([1.0], np.nan, "eta.*got nan"),
    ],
)
def test_wrong_times_are_refused(t, eta, message):
    with pytest.raises(ValueError, match=message):
        dual.flow(np.full(2, 0.5), U2, S2, 1.0, t, eta=eta)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.array([0.0, 1.0, 1.0])}, r"-1 or \+1, got 0\.0.*2 \* y - 1"),
        ({"y": np.ones(2)}, r"\(3, 4\) and \(2,\)"),
        ({"Phi": np.full((3, 4), np.nan)}, "finite"),
        ({"lam": 0.0}, "> 0, got 0.0"),
        ({"kind": "taylor"}, "no primal"),
    ],
)
def test_a_wrong_model_is_refused(change, message):
    arguments = {"Phi": np.eye(3, 4), "y": np.ones(3), "lam": 1.0, "kind": "exact"} | change
    with pytest.raises(ValueError, match=message):
        dual.primal_minimiser(**arguments)
    with pytest.raises(ValueError, match=message):
        dual.primal_loss(np.zeros(4), **arguments)
    with pytest.raises(ValueError, match=message):
        dual.descent(**arguments, lr=0.1, steps=1)


# --- never a wrong point --------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["exact", "taylor"])
def test_too_few_steps_raise_and_never_return(monkeypatch, kind):
    U, s2 = orthogonal(6, 1), np.geomspace(1e-8, 1e8, 6)
    u = dual.margins(U, s2, 1e-3, kind)
    refused = 0
    for steps in range(1, 60, 3):
        monkeypatch.setattr(f"{dual.NotConverged.__module__}.MAX_STEPS", steps)
        try:
            found = dual.margins(U, s2, 1e-3, kind)
        except dual.NotConverged as error:
            refused += "1e-10 is asked for" in str(error)
        else:
            np.testing.assert_allclose(found, u, rtol=1e-4)
    assert refused


def test_a_flow_that_cannot_be_followed_says_how_far_it_came(monkeypatch):
    monkeypatch.setattr("gsutils.dual._flow.MAX_STEPS", 5)
    with pytest.raises(dual.NotConverged, match=r"followed to t = .* of 10"):
        dual.flow(np.array([0.9, 0.1]), *FLOWS["strong"], [10.0])


# Eigenvectors, squared strengths over lambda: once returned as margins of thousands.
FAR = {
    "two-1e23": (coupling(0.3), np.array([4e23, 1e23])),
    "two-1e15": (coupling(-0.6416299068057341), np.array([828.1133568113057e12, 71.5907033e12])),
    "two-1e13": (coupling(0.5243223222521587), np.array([1.66165952e13, 7.79662018e13])),
    "wide": (orthogonal(4, 3), np.array([1e-18, 1e22, 1e4, 1e13])),
    "thin": (orthogonal(5, 4, 3), np.array([1e22, 1e21, 1e-3])),
    "permutation": (np.eye(3)[:, [2, 0, 1]], np.array([1e22, 1e-18, 1.0])),
}


def precise_margins(U, ratio, kind):
    """Newton's method in 60 digits, from zero; independent of the package."""
    with mpmath.workdps(60):
        B = mpmath.matrix(U.tolist()) * mpmath.diag([mpmath.sqrt(float(k)) for k in ratio])
        w = mpmath.zeros(len(ratio), 1)

        def alpha(u):
            if kind != "taylor":
                return 1 / (1 + mpmath.exp(u))
            return mpmath.lambertw(mpmath.exp(-u)).real

        for _ in range(200):
            a = [alpha(u) for u in B * w]
            v = [x / (1 + x) if kind == "taylor" else x * (1 - x) for x in a]
            gradient = w - B.T * mpmath.matrix(a)
            step = mpmath.lu_solve(mpmath.eye(len(ratio)) + B.T * mpmath.diag(v) * B, gradient)
            w = w - step
            if mpmath.norm(B * step) < mpmath.mpf(10) ** -20 * mpmath.norm(B * w):
                return np.array([float(u) for u in B * w])
    raise AssertionError("the reference did not converge")


@pytest.mark.parametrize("kind", ["exact", "taylor"])
@pytest.mark.parametrize("case", FAR)
def test_margins_are_right_where_alpha_underflows_at_an_overshot_step(case, kind):
    U, ratio = FAR[case]
    if kind == "taylor":  # Eq. 10 needs a square U
        full = np.linalg.qr(np.column_stack([U, np.eye(len(U))]))[0]
        U, ratio = np.column_stack([U, full[:, len(ratio) :]]), np.append(ratio, [0.0] * len(full))
        ratio = ratio[: len(U)]
    right = precise_margins(U, ratio, kind)
    np.testing.assert_allclose(dual.margins(U, ratio, 1.0, kind), right, rtol=1e-12, atol=1e-20)


@pytest.mark.parametrize("exponent", [-18, 0, 12, 22, 30, 100])
def test_a_decoupled_margin_is_lamberts_over_all_ratios(exponent):
    lam = 10.0**-exponent  # sigma(-u) = lam u
    u = dual.margins(np.eye(2), np.ones(2), lam, "sd")
    with mpmath.workdps(40):

        def log_ratio(x):  # of both sides at u = e^x
            return x + mpmath.log(lam) + mpmath.log(1 + mpmath.exp(mpmath.exp(x)))

        right = mpmath.exp(mpmath.findroot(log_ratio, mpmath.log(u[0]) + 0.1))
    np.testing.assert_allclose(u, float(right), rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_no_random_problem_of_any_ratio_has_a_false_margin(seed):
    rng = np.random.default_rng(seed)
    for _ in range(40):
        n = int(rng.integers(1, 7))
        U = orthogonal(n, int(rng.integers(1000)))[:, : rng.integers(1, n + 1)]
        ratio = 10 ** rng.uniform(*((-18, 22) if rng.random() < 0.5 else (10, 22)), U.shape[1])
        assert_solved(U, ratio, 1.0, "exact")


def test_a_ratio_beyond_floats_is_refused():
    for s2, lam in ((1e200, 1e-200), (1.0, 1e-320)):
        with pytest.raises(ValueError, match=r"s2 / lam must be at most 1e\+150, got inf"):
            dual.margins(np.eye(2), np.full(2, s2), lam)


def test_a_response_that_lost_its_digits_says_so_and_names_what_has_them():
    U, s2 = orthogonal(5, 0, 1), np.array([1e4])
    for lam, lost in ((1e-4, False), (1e-14, True)):
        alpha, right = dual.fixed_point(U, s2, lam), dual.margins(U, s2, lam) @ U
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            z = dual.response_at(alpha, U, s2, lam)
        assert (np.abs(z - right) > 1e-4 * np.abs(right)).any() == lost
        assert [("margins(U, s2, lam, kind) @ U" in str(w.message)) for w in caught] == [
            True
        ] * lost
