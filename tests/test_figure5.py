"""Figure 5: weight decay lets the strong feature push the weak one down, SD does not."""

from dataclasses import fields, replace

import numpy as np
import pytest

from gsutils import dual
from gsutils.experiments import ENTRIES
from gsutils.experiments.figure5 import CASES, Case, prepare, train
from gsutils.ledger import claims
from gsutils.perturbation import coupling
from gsutils.runs import records

SMALL = replace(CASES["weight decay, s1 = 5"], steps=50, records=5)


@pytest.fixture(scope="module")
def found():
    return [train(case, [0]) for case in CASES.values()]


def of(found, kind):
    return [path for path in found if path.case.kind == kind]


def test_the_cases_are_the_published_ones():
    assert [case.s1 for case in CASES.values()] == [2, 3, 4, 5, 6] * 2
    published = {"s2": 2, "delta": 0.5, "lr": 0.05, "steps": 5000, "alpha0": 1e-8}
    for name, case in CASES.items():
        assert {key: getattr(case, key) for key in published} == published
        assert (case.kind, case.lam) == (("sd", 0.002) if "SD" in name else ("exact", 0.01))
        assert name.endswith(f"s1 = {case.s1:g}")
    assert ENTRIES["figure5"].cases == {"quick": CASES, "paper": CASES}


def test_primal_and_dual_start_near_zero_and_end_at_the_same_optimum(found):
    assert len(found) == 10
    for path in found:
        assert not path.primal[0].any()
        assert np.abs(path.dual[0]).max() < 0.01
        assert np.abs(path.primal[-1] - path.fixed).max() < 0.01
        assert np.abs(path.dual[-1] - path.fixed).max() < 1e-9


def test_weight_decay_starves_the_second_feature_and_sd_does_not(found):
    starved, decoupled = (np.array([p.fixed for p in of(found, kind)]) for kind in ("exact", "sd"))
    assert (np.diff(starved[:, 0]) > 0).all()
    assert (np.diff(starved[:, 1]) < 0).all()
    np.testing.assert_allclose(decoupled, np.broadcast_to(decoupled[0], (5, 2)), rtol=1e-12)


def test_sd_frees_the_end_of_the_way_but_not_the_way(found):
    first, last = of(found, "sd")[0], of(found, "sd")[-1]
    np.testing.assert_array_equal(first.dual, last.dual)  # Eq. 18 knows no strengths
    z1 = first.fixed[0] / 2
    z2 = [np.interp(z1, *path.primal[:60, 0].T) for path in (first, last)]
    assert z2[1] < z2[0] / 2


def test_the_primal_is_gradient_descent_on_the_sum_loss(found):
    path = of(found, "sd")[2]
    Phi, theta = coupling(0.5) * np.array([4, 2]), np.zeros(2)
    for _ in range(10):
        logits = Phi @ theta
        theta = theta - 0.05 * Phi.T @ (-1 / (1 + np.exp(logits)) + 2 * 0.001 * logits)
    at = list(path.steps).index(10)
    np.testing.assert_allclose(path.primal[at, 0], coupling(0.5).T @ Phi @ theta, rtol=1e-10)


def test_the_dual_is_the_flow_from_a_small_alpha(found):
    for path, kind in ((of(found, "exact")[2], "exact"), (of(found, "sd")[2], "sd")):
        assert path.times[0] == 1e-8
        assert path.times[-1] == 1
        U, s2, lam = coupling(0.5), np.array([16.0, 4.0]), path.case.lam
        alphas = dual.flow(np.full(2, 1e-8), U, s2, lam, path.times, kind)
        np.testing.assert_array_equal(path.dual, dual.response_at(alphas, U, s2, lam, kind))


def test_the_rotation_does_not_matter_and_is_drawn_from_the_seed():
    (one, Vt), (other, _) = prepare(SMALL, 0), prepare(SMALL, 1)
    np.testing.assert_allclose(Vt @ Vt.T, np.eye(2), atol=1e-15)
    np.testing.assert_allclose(one @ Vt.T, coupling(0.5) * [5, 2], rtol=1e-12)
    assert np.abs(one - other).max() > 0.1
    both = train(SMALL, [0, 1]).primal
    assert both.shape[1] == 2
    np.testing.assert_allclose(both[:, 0], both[:, 1], rtol=1e-9, atol=1e-12)
    assert (both[1:, 0] != both[1:, 1]).any()


OTHER = {
    "kind": "sd", "lam": 0.02, "s1": 4.0, "s2": 1.0, "delta": 0.4, "lr": 0.04, "steps": 51,
    "alpha0": 1e-5, "times": (1e-7, 1.0), "records": 6,
}  # fmt: skip


@pytest.mark.parametrize("name", [field.name for field in fields(Case)])
def test_every_field_of_a_case_changes_what_comes_out(name):
    assert train(SMALL, [0]).curves() != train(replace(SMALL, **{name: OTHER[name]}), [0]).curves()


def test_the_record_holds_the_optimum_and_both_ways():
    names = ["weight decay, s1 = 6", "SD, s1 = 2"]
    small = {"steps": 50, "records": 5}
    run = ENTRIES["figure5"].record(seeds=[0, 4], settings=small, device="cpu", cases=names)
    assert set(run.metrics) == set(names)
    U, s2 = coupling(0.5), np.array([36.0, 4.0])
    z = dual.response_at(dual.fixed_point(U, s2, 0.01), U, s2, 0.01)
    metrics = run.metrics["weight decay, s1 = 6"]
    for j in (0, 1):
        assert metrics[f"z{j + 1}"] == [pytest.approx(z[j])] * 2
    path = train(replace(CASES["weight decay, s1 = 6"], steps=50, records=5), [0, 4])
    for way in ("primal", "dual"):
        ends = np.atleast_2d(getattr(path, way)[-1])
        expected = np.abs(ends - z).max(1)
        np.testing.assert_allclose(metrics[f"{way} gap"], np.broadcast_to(expected, 2), rtol=1e-6)
    curves = run.curves["weight decay, s1 = 6, primal"]
    assert curves["step"] == path.steps.tolist()
    for j in (0, 1):
        np.testing.assert_allclose(curves[f"z{j + 1}"], path.primal[..., j], atol=1e-4)
    curve = run.curves["SD, s1 = 2, dual"]
    assert len(curve["time"]) == len(curve["z1"]) == 5
    assert curve["z2"][3][0] == curve["z2"][3][1]
    np.testing.assert_allclose(curve["time"], path.times, rtol=1e-5)
    other = run.curves["weight decay, s1 = 6, dual"]
    np.testing.assert_allclose(np.array(other["z2"])[:, 0], path.dual[:, 1], atol=1e-4)


def test_the_papers_claims_are_decided_by_a_run_of_all_strengths_of_a_penalty():
    (stored,) = records.load("figure5", "paper")
    starves, frees = (claim for claim in claims.CLAIMS if claim.entry == "figure5")
    for claim, ends in (
        (starves, ["weight decay, s1 = 2", "weight decay, s1 = 6"]),
        (frees, ["SD, s1 = 2", "SD, s1 = 6"]),
    ):
        values, holds = claim.evidence(stored)
        assert list(values) == ends
        assert holds.tolist() == [True]
        for end in ends:
            assert values[end].tolist() == stored.metrics[end]["z2"]
        missing = {name: m for name, m in stored.metrics.items() if name != ends[0][:-1] + "3"}
        assert claim.deciding([stored]) == [stored]
        assert claim.deciding([replace(stored, metrics=missing)]) == []
    assert not frees.evidence(swapped(stored))[1].any()
    assert not starves.evidence(swapped(stored))[1].any()


def swapped(run):
    """A record in which weight decay and SD have each other's numbers."""
    pairs = [(f"SD, s1 = {s}", f"weight decay, s1 = {s}") for s in (2, 3, 4, 5, 6)]
    metrics = {one: run.metrics[other] for a, b in pairs for one, other in ((a, b), (b, a))}
    return replace(run, metrics=metrics)
