"""gsutils.beyond: every theorem of chapter 12 against solvers, limits and simulations."""

import numpy as np
import pytest
from scipy.integrate import quad_vec, solve_ivp
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logsumexp, softmax, wrightomega
from scipy.stats import norm

from gsutils import beyond, dual, losses, perturbation
from gsutils.seeding import stream


def orthogonal(rng, n):
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


def problems(count=12):
    rng = stream(0, "beyond")
    for _ in range(count):
        n = int(rng.integers(2, 6))
        yield orthogonal(rng, n), rng.uniform(0.5, 9, n)


# --- λ → 0 ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 7, 40])
def test_the_multipliers_satisfy_the_conditions_of_the_hard_margin(n):
    rng = stream(n, "multipliers")
    Phi, y = rng.normal(size=(n, n + 3)), np.where(rng.random(n) < 0.5, -1, 1)
    K = beyond.labelled_gram(Phi, y)
    mu = beyond.multipliers(K)
    u = K @ mu
    assert (mu >= 0).all()
    assert u.min() > 1 - 1e-9
    np.testing.assert_allclose(u[mu > 0], 1, rtol=1e-9)


def test_weight_decay_and_sd_become_one_function_exactly_when_all_are_support_vectors():
    seen = set()
    for U, s2 in problems(30):
        K = (U * s2) @ U.T
        interpolant = np.linalg.solve(K, np.ones(len(K)))
        one = np.allclose(beyond.multipliers(K), interpolant, rtol=1e-8)
        assert one == (interpolant >= 0).all()
        # and the optimum for a tiny λ is on its way there
        pulls = beyond.scaled_pulls(K, 1e10)
        cosine = pulls @ interpolant / np.linalg.norm(pulls) / np.linalg.norm(interpolant)
        assert (cosine > 1 - 1e-12) == one
        seen.add(one)
    assert seen == {True, False}


def test_the_optimum_tends_to_the_hard_margin_solution():
    for U, s2 in problems():
        K = (U * s2) @ U.T
        a = beyond.scaled_pulls(K, 1e11)
        np.testing.assert_allclose(a / 1e11, beyond.multipliers(K), atol=1e-8)


def test_pulls_of_a_lambda_that_a_float_can_hold_are_those_of_the_dual():
    for U, s2 in problems():
        for lam in (1.0, 1e-3, 1e-9):
            a = beyond.scaled_pulls((U * s2) @ U.T, -np.log(lam))
            u = dual.margins(U, s2, lam)
            np.testing.assert_allclose(a, dual.multiplier(u) / lam, rtol=1e-9)
            G = perturbation.starvation_matrix(U, s2, lam)
            expected = G * s2 / (U.T @ u)[:, None]
            found = beyond.elasticities_at(U, s2, -np.log(lam))
            np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-10)


def test_elasticities_tend_to_their_limit():
    for U, s2 in problems(30):
        limit = beyond.limit_elasticities(U, s2)
        z = s2 * (beyond.multipliers((U * s2) @ U.T) @ U)
        # the distance is of order 1 / log(1/λ), and larger where a response is small
        room = 1e-8 * np.abs(z).max() / np.abs(z).min()
        np.testing.assert_allclose(beyond.elasticities_at(U, s2, 1e11), limit, atol=room)


@pytest.mark.parametrize("delta", [0.05, 0.3, 0.6])
def test_eq_15_has_the_printed_threshold_and_the_printed_limits(delta):
    U, r, c = perturbation.coupling(delta), float(beyond.threshold(delta)), np.sqrt(1 - delta**2)
    for s2, starves in (([r * (1 - 1e-6), 1], False), ([r * (1 + 1e-6), 1], True)):
        K = (U * np.array(s2)) @ U.T
        assert (beyond.multipliers(K)[0] == 0) == starves
        found = beyond.limit_elasticities(U, np.array(s2))[1, 0]
        limit = -s2[0] * delta**2 / (s2[0] * delta**2 + s2[1] * c**2) if starves else 0
        assert found == pytest.approx(limit, abs=1e-9)


def test_in_the_limit_no_feature_of_two_feeds_the_other():
    for delta in np.linspace(-0.99, 0.99, 23):
        for ratio in (0.01, 0.3, 3.0, 100.0):
            if abs(abs(delta) - 0.5**0.5) > 1e-3:
                found = beyond.limit_elasticities(
                    perturbation.coupling(delta), np.array([ratio, 1.0])
                )
                assert found[1, 0] < 1e-12
                assert found[0, 1] < 1e-12


def test_own_elasticities_add_up_to_the_examples_that_are_not_support_vectors():
    pairs = []
    for U, s2 in problems(40):
        E = beyond.limit_elasticities(U, s2)
        free = (beyond.multipliers((U * s2) @ U.T) == 0).sum()
        assert np.trace(E) == pytest.approx(free, abs=1e-8)
        np.testing.assert_allclose(E.sum(1), 0, atol=1e-8 * (1 + np.abs(E).max()))
        if len(s2) == 3 and free == 1:  # one pair of three features feeds
            pairs.append((E[np.triu_indices(3, 1)] > 0).sum())
    assert pairs
    assert set(pairs) == {1}


def tied(rng):
    """A kernel in which examples 0 and 1 are support vectors, 2 is a tie and 3 lies inside."""
    rows = rng.normal(size=(2, 4))
    A = np.eye(2) + rows @ rows.T / 8
    k = np.array([0.4, 0.6])  # adds up to one: example 2 has margin one
    K = np.zeros((4, 4))
    K[:2, :2], K[2, :2], K[2, 2] = A, A @ k, k @ A @ k + rng.uniform(0.5, 2)
    K[3, :2], K[3, 3] = A @ [0.9, 0.8], 4 * np.trace(A)
    return np.tril(K) + np.tril(K, -1).T


def limit_of(K, counted):
    """The elasticities in the limit if these examples count as support vectors."""
    s2, U = np.linalg.eigh(K)
    rows = U[counted] * np.sqrt(s2)
    projection = np.eye(len(K)) - rows.T @ np.linalg.solve(K[np.ix_(counted, counted)], rows)
    w = np.sqrt(s2) * (beyond.multipliers(K) @ U)
    return projection * w / w[:, None]


def test_a_single_tie_counts_as_a_support_vector_but_its_pull_grows_like_log_log():
    for seed in range(6):
        K = tied(stream(seed, "tie"))
        s2, U = np.linalg.eigh(K)
        mu = beyond.multipliers(K)
        assert (mu[:2] > 0.1).all()
        np.testing.assert_allclose(mu[2:], 0, atol=1e-12)
        np.testing.assert_allclose((K @ mu)[:3], 1, rtol=1e-12)
        assert (K @ mu)[3] > 1.1
        k = np.linalg.solve(K[:2, :2], K[:2, 2])
        C = K[2, 2] - K[2, :2] @ k
        inside, outside = limit_of(K, [0, 1, 2]), limit_of(K, [0, 1])
        assert np.abs(inside - outside).max() > 0.01
        for L in (1e6, 1e9):
            a = beyond.scaled_pulls(K, L)
            grown = wrightomega(k @ np.log(a[:2]) + np.log(C)) / C
            assert a[2] == pytest.approx(grown, rel=1e-5)
            assert grown * C == pytest.approx(np.log(L), rel=0.3)
            # what is left of the way to the limit is 1 / (1 + C a)
            expected = inside + (outside - inside) / (1 + C * grown)
            found = beyond.elasticities_at(U, s2, L)
            np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(outside).max())


@pytest.mark.parametrize("delta", [0.05, 0.3, 0.6])
def test_on_the_threshold_itself_the_limit_is_zero_and_far_away(delta):
    r, logs = float(beyond.threshold(delta)), (1e3, 1e6, 1e9)
    U, s2 = perturbation.coupling(delta), np.array([r, 1.0])
    K = (U * s2) @ U.T
    assert np.linalg.solve(K, np.ones(2))[0] == pytest.approx(0, abs=1e-14)  # a tie
    above = -r * delta**2 / (r * delta**2 + 1 - delta**2)
    C = K[0, 0] - K[0, 1] ** 2 / K[1, 1]
    for L in logs:
        a = wrightomega(np.log(beyond.scaled_pulls(K, L)[1]) + np.log(C)) / C
        found = beyond.elasticities_at(U, s2, L)[1, 0]
        assert found == pytest.approx(above / (1 + C * a), rel=20 / L**0.5)


def test_with_several_ties_one_function_does_not_mean_that_nobody_starves():
    K = np.array([[1.0, 1, 1], [1, 2, 3], [1, 3, 6]])
    s2, U = np.linalg.eigh(K)
    np.testing.assert_allclose(np.linalg.solve(K, np.ones(3)), [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(beyond.multipliers(K), [1, 0, 0], atol=1e-12)
    # the ties decide by K's Schur complement: of its two examples only the first counts
    schur = K[1:, 1:] - np.ones((2, 2))
    np.testing.assert_allclose(beyond.multipliers(schur), [1, 0], atol=1e-12)
    one, both = limit_of(K, [0]), limit_of(K, [0, 1])
    assert both[0, 1] < -1
    for L in (1e6, 1e9):
        a = beyond.scaled_pulls(K, L)
        assert a[1] == pytest.approx(np.log(L), rel=0.3)
        assert a[2] < L**-0.5
        left = 1 / (1 + schur[0, 0] * a[1])
        found = beyond.elasticities_at(U, s2, L)
        np.testing.assert_allclose(found, both + left * (one - both), atol=2e-3)


# --- mutuality ------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", beyond.LOSSES)
def test_starvation_is_mutual_for_every_loss_and_for_features_that_are_not_orthogonal(loss):
    rng = stream(1, "mutual")
    for n, r in ((3, 2), (5, 5), (4, 7)):
        U, s2, lam = rng.normal(size=(n, r)), rng.uniform(0.2, 5, r), rng.uniform(0.05, 2)
        z, E = beyond.optimum(U, s2, lam, loss), beyond.elasticities(U, s2, lam, loss)
        paid = z**2 / s2
        np.testing.assert_allclose(E * paid[:, None], (E * paid[:, None]).T, atol=1e-9)
        for j in range(r):
            up, down = s2.copy(), s2.copy()
            up[j] *= np.exp(1e-4)
            down[j] *= np.exp(-1e-4)
            z_up, z_down = (beyond.optimum(U, s, lam, loss) for s in (up, down))
            np.testing.assert_allclose(E[:, j], (z_up - z_down) / z / 2e-4, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("lam", [1e-12, 1e-8, 1e-4, 1.0])
def test_under_squared_loss_the_optimum_is_ridge_regression_for_every_lambda(lam):
    found = beyond.optimum([[1.0]], [1e4], lam, "squared")
    assert found == pytest.approx(1e4 / (1e4 + lam), rel=1e-15)
    rng = stream(3, "ridge")
    for n, r in ((1, 4), (3, 3), (6, 2)):
        U, s2 = rng.normal(size=(n, r)), 10 ** rng.uniform(-1, 4, r)
        system = (U * s2) @ U.T + lam * np.eye(n)
        expected = (
            s2 * (U.T @ np.linalg.solve(system, np.ones(n)))
            if r >= n
            else (np.linalg.solve(U.T @ U + lam * np.diag(1 / s2), U.T.sum(1)))
        )
        np.testing.assert_allclose(beyond.optimum(U, s2, lam, "squared"), expected, rtol=1e-5)


def test_with_orthonormal_features_it_is_the_matrix_of_chapter_4():
    for U, s2 in problems():
        G = perturbation.starvation_matrix(U, s2, 0.3)
        z = beyond.optimum(U, s2, 0.3)
        np.testing.assert_allclose(z, U.T @ dual.margins(U, s2, 0.3), rtol=1e-9, atol=1e-12)
        expected = G * s2 / z[:, None]
        np.testing.assert_allclose(beyond.elasticities(U, s2, 0.3), expected, rtol=1e-8, atol=1e-12)


# --- K classes ------------------------------------------------------------------------------


def class_loss(f, y):
    return -log_softmax(f, 1)[np.arange(len(y)), y].sum()


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
@pytest.mark.parametrize("lam", [1e-6, 0.05, 2.0])
def test_sd_gives_every_example_the_same_lead(classes, lam):
    m = beyond.lead(lam, classes)
    assert classes / (np.exp(m) + classes - 1) == pytest.approx(lam * m, rel=1e-12)
    assert losses.lam_for_lead(m, classes) == pytest.approx(lam, rel=1e-12)
    y = np.arange(classes)
    f = beyond.simplex_logits(y, classes, lam)
    gradient = softmax(f, 1) - np.eye(classes) + lam * f
    np.testing.assert_allclose(gradient, 0, atol=1e-13)


@pytest.mark.parametrize("lam", [1e-310, 1e-60, 1e-30, 1e15, 4.9e17, 1e308])
@pytest.mark.parametrize("classes", [2, 10])
def test_the_lead_is_found_for_every_lambda_of_a_float(lam, classes):
    m = beyond.lead(lam, classes)
    if lam < 1:
        assert m == pytest.approx(np.log(classes) - np.log(lam) - np.log(m), rel=1e-14)
    else:
        assert lam * m == pytest.approx(1, rel=1e-14)


def test_two_classes_are_the_two_class_theory_with_half_the_lambda():
    for lam in (1e-4, 0.1, 3.0):
        (u,) = dual.margins(np.eye(1), np.ones(1), lam / 2, "sd")
        assert beyond.lead(lam, 2) == pytest.approx(u, rel=1e-12)
    for U, s2 in problems(4):
        y = np.arange(len(s2)) % 2
        sign = 2 * y - 1
        gram = sign[:, None] * ((U * s2) @ U.T) * sign
        f = beyond.class_optimum(gram, y, 2, 0.2)
        u = dual.margins(U, s2, 0.1)
        np.testing.assert_allclose(sign * (f[:, 1] - f[:, 0]), u, rtol=1e-8)


def test_the_dual_on_the_simplex_has_no_gap():
    rng, classes, lam = stream(2, "classes"), 4, 0.3
    Phi, y = rng.normal(size=(9, 12)), np.arange(9) % classes
    gram = Phi @ Phi.T
    f = beyond.class_optimum(gram, y, classes, lam)
    primal = class_loss(f, y) + lam / 2 * (f * np.linalg.solve(gram, f)).sum()
    assert beyond.class_dual(softmax(f, 1), y, gram, lam) == pytest.approx(primal, rel=1e-10)
    for _ in range(20):
        P = rng.dirichlet(np.ones(classes), 9)
        assert beyond.class_dual(P, y, gram, lam) < primal
    alone = beyond.simplex_logits(y, classes, lam)
    primal = class_loss(alone, y) + lam / 2 * (alone**2).sum()
    found = beyond.class_dual(softmax(alone, 1), y, np.eye(9), lam)
    assert found == pytest.approx(primal, rel=1e-12)


def test_sd_from_zero_is_ridgeless_regression_on_centred_labels():
    rng, classes, lam = stream(3, "classes"), 3, 0.5
    Phi, new, y = rng.normal(size=(6, 20)), rng.normal(size=(5, 20)), np.arange(6) % classes
    target, theta = np.eye(classes)[y], np.zeros((20, classes))
    for _ in range(4000):
        f = Phi @ theta
        theta -= 0.03 * Phi.T @ (softmax(f, 1) - target + lam * f)
    kernel = new @ Phi.T @ np.linalg.inv(Phi @ Phi.T)
    expected = beyond.lead(lam, classes) * kernel @ (target - 1 / classes)
    np.testing.assert_allclose(new @ theta, expected, atol=1e-10)


def test_a_penalty_on_the_true_class_alone_has_no_minimum():
    y = np.array([0, 1, 2])
    losses = [class_loss(-t * (1 - np.eye(3)), y) for t in (1.0, 10.0, 30.0)]  # penalty zero
    assert losses[0] > losses[1] > losses[2] > 0
    assert losses[2] < 1e-12


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("c", [1e-4, 0.1, 10.0])
def test_z_loss_fixes_a_shift_and_bounds_no_lead(classes, c):
    def loss(f):
        z = logsumexp(f)
        return z - f[0] + c * z**2

    # the best shift of given logits is that of the log-probabilities, and free
    f = stream(classes, "z-loss").normal(size=classes)
    best = minimize(lambda shift: loss(f + shift), [0.0], tol=1e-12)
    assert logsumexp(f + best.x) == pytest.approx(0, abs=1e-5)
    assert loss(log_softmax(f)) == pytest.approx(-log_softmax(f)[0], rel=1e-12)
    assert best.fun == pytest.approx(-log_softmax(f)[0], rel=1e-9)
    # so that the loss falls to zero as the lead grows
    values = [loss(log_softmax(m * np.eye(classes)[0])) for m in (1.0, 3.0, 10.0, 30.0)]
    assert (np.diff(values) < 0).all()
    assert values[-1] < 1e-11
    # and no logits are a minimum: a wrong slope vanishes where the right one is -1
    z, p = logsumexp(f), softmax(f)
    slope = p * (1 + 2 * c * z) - np.eye(classes)[0]
    steps = np.eye(classes) * 1e-5
    found = [(loss(f + step) - loss(f - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(slope, found, rtol=1e-6, atol=1e-8)
    assert slope[0] - slope[1] * p[0] / p[1] == pytest.approx(-1)


def test_capped_logits_have_leads_below_the_caps_and_no_minimum():
    b, right = 3.0, np.eye(4)[1]
    raw = np.array([1.0, 10.0, 30.0])
    capped = [b * np.tanh(t * (2 * right - 1) / b) for t in raw]
    values = [class_loss(f[None], np.array([1])) for f in capped]
    assert values[0] > values[1] > values[2] > np.log1p(3 * np.exp(-2 * b))
    assert values[2] == pytest.approx(np.log1p(3 * np.exp(-2 * b)), rel=1e-6)


# --- test error -----------------------------------------------------------------------------

MIXTURE = beyond.Mixture(agreement=0.95, strength=3.0, core_noise=0.4, cue_noise=0.5, ridge=0.2)


def expected_loss(mixture, w, loss):
    """The expected loss of the margin, by quadrature, and the ridge."""
    a, c = w
    spread = np.hypot(a * mixture.core_noise, c * mixture.cue_noise)

    def integrand(e):
        t = a + c * np.array([1, -1]) + spread * e
        return loss(t) * norm.pdf(e) @ [mixture.agreement, 1 - mixture.agreement]

    knots = ((1 - a - c) / spread, (1 - a + c) / spread)
    value = quad_vec(integrand, -12, 12, points=[k for k in knots if abs(k) < 12])[0]
    return value + mixture.ridge * (a**2 + (c / mixture.strength) ** 2)


def test_both_optima_minimise_their_expected_loss():
    losses = (lambda t: (1 - t) ** 2, lambda t: np.maximum(1 - t, 0) ** 2)
    for weights, loss in zip((MIXTURE.sd(), MIXTURE.decay()), losses):
        for j in range(2):
            step = np.eye(2)[j] * 1e-4
            up, down = (expected_loss(MIXTURE, weights + s, loss) for s in (step, -step))
            assert (up - down) / 2e-4 == pytest.approx(0, abs=1e-8)


def test_with_a_feature_of_its_own_an_example_is_ridge_regressed_or_squared_hinged():
    X, K = MIXTURE.sample(60, seed=1)
    tau = MIXTURE.ridge * 60
    ridge = np.linalg.solve(X.T @ X + tau * np.eye(2), X.sum(0))
    np.testing.assert_allclose(np.linalg.solve(K, np.ones(60)) @ X, ridge, rtol=1e-8)

    def hinge(w):
        short = np.maximum(1 - X @ w, 0)
        return (short**2).sum() + tau * w @ w, 2 * (tau * w - short @ X)

    found = minimize(hinge, ridge, jac=True, method="BFGS", options={"gtol": 1e-10})
    np.testing.assert_allclose(beyond.multipliers(K) @ X, found.x, rtol=1e-8)


@pytest.mark.parametrize("directions", [None, 8000])
def test_the_closed_forms_are_met_within_the_spread_of_simulations(directions):
    drawn = []
    for seed in range(12):
        X, K = MIXTURE.sample(300, seed, directions)
        pair = np.linalg.solve(K, np.ones(300)), beyond.multipliers(K)
        drawn.append([MIXTURE.weights(X, mu) for mu in pair])
    mean, error = np.mean(drawn, 0), np.std(drawn, 0, ddof=1) / np.sqrt(12)
    expected = np.stack([MIXTURE.sd(), MIXTURE.decay()])
    assert (np.abs(mean - expected) < 4 * error + 0.01).all()
    assert np.abs(expected[0] - expected[1]).max() > 0.02  # the test could tell them apart


def test_accuracy_is_that_of_many_draws():
    rng, w = stream(4, "accuracy"), MIXTURE.sd()
    e = rng.normal(size=(2, 200_000))
    for side, expected in zip((1, -1), MIXTURE.accuracy(w)):
        core = 1 + MIXTURE.core_noise * e[0]
        t = w[0] * core + w[1] * (side + MIXTURE.cue_noise * e[1])
        assert (t > 0).mean() == pytest.approx(expected, abs=0.004)


# --- features that grow ---------------------------------------------------------------------


def flow(X, eps, lam, time):
    """β of the diagonal network after gradient flow on SD's loss of rows X (n, m)."""
    m = X.shape[1]

    def move(t, pq):
        p, q = np.split(pq, 2)
        u = X @ (p**2 - q**2)
        pull = X.T @ (expit(-u) - lam * u)
        return np.r_[2 * p * pull, -2 * q * pull]

    end = solve_ivp(move, (0, time), np.full(2 * m, eps), "LSODA", rtol=1e-12, atol=1e-14)
    p, q = np.split(end.y[:, -1], 2)
    return p**2 - q**2


@pytest.mark.parametrize("eps", [0.01, 0.3, 5.0])
def test_the_diagonal_network_ends_where_the_closed_form_says(eps):
    s, lam = np.array([2.0, 1.0, 0.5]), 0.1
    (u,) = dual.margins(np.eye(1), np.ones(1), lam, "sd")
    beta = flow(s[None], eps, lam, 400)
    np.testing.assert_allclose(s * beta, beyond.shared_margin(s, eps, u), rtol=1e-8)


@pytest.mark.parametrize("eps", [1e-3, 0.1, 0.3, 1.0, 7.0])
def test_a_single_feature_responds_with_the_whole_margin(eps):
    for u in (0.1, 1.0, 4.0, 6.0):
        for s in (0.1, 0.7, 1.0, 3.0):
            assert beyond.shared_margin([s], eps, u) == pytest.approx(u, rel=1e-13)


def test_the_network_is_lazy_for_a_large_start_and_takes_one_feature_for_a_small_one():
    s, u = np.array([2.0, 1.0]), 3.0
    lazy = beyond.shared_margin(s, 1e4, u)
    np.testing.assert_allclose(lazy, u * s**2 / (s**2).sum(), rtol=1e-7)
    small = [beyond.shared_margin(s, eps, u)[1] for eps in (1e-8, 1e-9)]
    assert small[0] / small[1] == pytest.approx(10 ** (2 * (1 - s[1] / s[0])), rel=1e-3)


def test_with_many_examples_sd_keeps_equal_margins_and_another_norm_is_least():
    rng, eps, lam = stream(5, "rich"), 0.2, 0.2
    X = rng.normal(size=(3, 6))
    beta = flow(X, eps, lam, 600)
    (u,) = dual.margins(np.eye(1), np.ones(1), lam, "sd")
    np.testing.assert_allclose(X @ beta, u, rtol=1e-8)
    g = np.arcsinh(beta / (2 * eps**2)) / 4  # the gradient of the norm, in the rows' span
    outside = g - X.T @ np.linalg.lstsq(X.T, g, rcond=None)[0]
    np.testing.assert_allclose(outside, 0, atol=1e-8)


def test_weight_decay_leaves_one_feature_and_below_a_threshold_none():
    s, n = np.array([2.0, 1.5]), 3

    def loss(pq, lam):
        p, q = np.split(pq, 2)
        return n * np.logaddexp(0, -s @ (p**2 - q**2)) + lam / 2 * pq @ pq

    for lam in (0.1, 20.0):
        starts = stream(6, "rich").normal(size=(6, 4))
        ends = [minimize(loss, x, lam, tol=1e-12) for x in starts]
        best = min(end.fun for end in ends)
        z = beyond.sparse_optimum(s, n, lam)
        beta = z / s
        by_formula = n * np.logaddexp(0, -z.sum()) + lam / 2 * np.abs(beta).sum()
        assert by_formula == pytest.approx(best, abs=1e-8)
        assert z[1] == 0
        assert (z[0] > 0) == (lam < 20)


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: beyond.multipliers(np.ones((2, 2))), "full rank"),
        (lambda: beyond.multipliers(np.ones(3)), "symmetric matrix"),
        (lambda: beyond.labelled_gram(np.eye(2), np.array([0, 1])), "-1 or \\+1"),
        (lambda: beyond.labelled_gram(np.eye(2), np.ones(3)), "must be"),
        (lambda: beyond.threshold(0.8), "0.8"),
        (lambda: beyond.scaled_pulls(np.eye(2), -1), "-1"),
        (lambda: beyond.limit_elasticities(np.eye(2), np.array([1.0, 0.0])), "full rank"),
        (lambda: beyond.optimum(np.eye(2), np.ones(2), 1, "hinge"), "hinge"),
        (lambda: beyond.optimum(np.eye(2), np.ones(3), 1), "must be"),
        (lambda: beyond.lead(-1, 3), "-1"),
        (lambda: beyond.lead(1, 1), "classes"),
        (lambda: losses.lam_for_lead(0, 3), "lead"),
        (lambda: beyond.simplex_logits(np.array([0, 3]), 3, 1), "labels"),
        (lambda: beyond.class_dual(np.ones((2, 2)), np.array([0, 1]), np.eye(2), 1), "add up"),
        (lambda: beyond.class_dual(np.ones((2, 2)) / 2, [0], np.eye(2), 1), "each of 1 labels"),
        (lambda: beyond.class_dual(np.ones((1, 2)) / 2, [0], np.eye(2), 1), "for 1 labels"),
        (lambda: beyond.class_optimum(np.eye(3), [0], 2, 0.1), r"for 1 labels.*got \(3, 3\)"),
        (lambda: beyond.Mixture(1.5, 1, 1, 1, 1), "agreement"),
        (lambda: beyond.Mixture(0.5, 0, 1, 1, 1), "strength"),
        (lambda: beyond.grown(np.ones(2), 0), "eps"),
        (lambda: beyond.shared_margin(np.ones(2), 1, -1), "u > 0"),
        (lambda: beyond.sparse_optimum(np.ones(2), 1, 1), "strongest"),
    ],
)
def test_a_wrong_argument_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
