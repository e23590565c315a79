"""Figure 5: weight decay lets the strong feature push the weak one down, SD does not."""

import numpy as np
import pytest

from gsutils import dual
from gsutils.experiments import ENTRIES
from gsutils.experiments.spectral_decoupling import PENALTIES, paths
from gsutils.perturbation import coupling

SETTINGS = ENTRIES["figure5"].settings["paper"]


@pytest.fixture(scope="module")
def found():
    return paths(SETTINGS)


def of(found, penalty):
    return [path for path in found if path.penalty == penalty]


def test_the_settings_are_the_published_ones():
    assert SETTINGS["strengths"] == [2, 3, 4, 5, 6]
    assert (SETTINGS["s2"], SETTINGS["delta"]) == (2, 0.5)
    assert (SETTINGS["lr"], SETTINGS["steps"]) == (0.05, 5000)
    assert SETTINGS["lam"] == {"weight decay": 0.01, "SD": 0.002}
    assert ENTRIES["figure5"].settings["quick"] == SETTINGS


def test_primal_and_dual_start_near_zero_and_end_at_the_same_optimum(found):
    assert len(found) == 10
    for path in found:
        assert not path.primal[0].any()
        assert np.abs(path.dual[0]).max() < 0.01
        assert np.abs(path.primal[-1] - path.fixed).max() < 0.01
        assert np.abs(path.dual[-1] - path.fixed).max() < 1e-9


def test_weight_decay_starves_the_second_feature_and_sd_does_not(found):
    starved, decoupled = (np.array([p.fixed for p in of(found, name)]) for name in PENALTIES)
    assert (np.diff(starved[:, 0]) > 0).all()
    assert (np.diff(starved[:, 1]) < 0).all()
    np.testing.assert_allclose(decoupled, np.broadcast_to(decoupled[0], (5, 2)), rtol=1e-12)


def test_sd_frees_the_end_of_the_way_but_not_the_way(found):
    first, last = of(found, "SD")[0], of(found, "SD")[-1]
    np.testing.assert_array_equal(first.dual, last.dual)  # Eq. 18 knows no strengths
    z1 = first.fixed[0] / 2
    z2 = [np.interp(z1, path.primal[:60, 0], path.primal[:60, 1]) for path in (first, last)]
    assert z2[1] < z2[0] / 2


def test_the_primal_is_gradient_descent_on_the_sum_loss(found):
    path = of(found, "SD")[2]
    Phi, theta = coupling(0.5) * np.array([4, 2]), np.zeros(2)
    for _ in range(10):
        logits = Phi @ theta
        theta = theta - 0.05 * Phi.T @ (-1 / (1 + np.exp(logits)) + 2 * 0.001 * logits)
    at = list(path.steps).index(10)
    np.testing.assert_allclose(path.primal[at], coupling(0.5).T @ Phi @ theta, rtol=1e-10)


def test_the_rotation_does_not_matter_and_is_drawn_from_the_seed():
    small = dict(SETTINGS) | {"strengths": [5.0], "steps": 50, "records": 5}
    for one, other in zip(paths(small, seed=0), paths(small, seed=1)):
        np.testing.assert_allclose(one.primal, other.primal, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(one.fixed, other.fixed, rtol=1e-12)


def test_the_record_holds_the_optimum_and_both_ways():
    small = {"strengths": [2.0, 6.0], "steps": 50, "records": 5}
    run = ENTRIES["figure5"].record(seeds=[0, 4], settings=small, device="cpu")
    assert set(run.metrics) == {f"{p}, s1 = {s}" for p in PENALTIES for s in (2, 6)}
    fixed = dual.fixed_point(coupling(0.5), np.array([36.0, 4.0]), 0.01)
    z = dual.response_at(fixed, coupling(0.5), np.array([36.0, 4.0]), 0.01)
    assert run.summary("weight decay, s1 = 6", "z2")[0] == pytest.approx(z[1])
    curve = run.curves["SD, s1 = 2, dual"]
    assert len(curve["time"]) == len(curve["z1"]) == 5
    assert len(curve["z1"][0]) == 2
