"""The playground in a real browser: its numbers are those of gsutils."""

import itertools

import numpy as np
import pytest
import torch
from playground_page import STATIC

from gsutils import dual, evaluate, losses, ntk, perturbation, train
from gsutils.data import moons
from gsutils.experiments import responses
from gsutils.nets import MLP
from tools import playground

KINDS = ("exact", "taylor", "sd")
DRAIN = "const all = job => { for (;;) { const r = job.next(); if (r.done) return r.value; } };"


@pytest.fixture(scope="module")
def compute(browser, tmp_path_factory):
    """Function that evaluates JavaScript in the page, where `gs` is the playground's namespace."""
    file = tmp_path_factory.mktemp("playground") / "page.html"
    file.write_text(playground.document(static=STATIC), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())

    def compute(body, argument=None):
        return page.evaluate(f"argument => {{ const gs = playground; {DRAIN} {body} }}", argument)

    yield compute
    page.close()


def weights(model):
    """A network's parameters in the order of the page: x1, x2, biases, output weights and bias."""
    (w1, w2), (b1, b2) = model.weights, model.biases
    parts = (w1[0].T.flatten(), b1[0], w2[0].flatten(), b2[0])
    return torch.cat(parts).detach().double().numpy()


@pytest.mark.parametrize("seed", [0, 7, 12345])
def test_a_seed_gives_the_data_and_weights_of_gsutils(compute, seed):
    options = {"seed": seed, "delta": -0.3, "noise": 0.2, "rotation": 35}
    theirs = compute(
        "const data = gs.moons.twoMoons(argument);"
        "const theta = gs.network.Network.initial(50, argument.seed).theta;"
        "return [data.x1, data.x2, data.y, theta].map(a => [...a]);",
        options,
    )
    X, y = moons.two_moons(**options)
    ours = (X[:, 0], X[:, 1], y, weights(MLP((2, 50, 1), [seed])))
    for mine, found in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, mine, rtol=0, atol=1e-12)


PENALTIES = {
    "plain": {},
    "decoupled": {"lam": 0.02, "gamma": 0.5},
    "decayed": {"decay": 0.01},
    "both": {"lam": 0.006, "gamma": -0.5, "decay": 1e-3},
}
OPTIMIZERS = {
    "sgd": {"optimizer": "sgd", "lr": 0.03, "momentum": 0.9},
    "plain sgd": {"optimizer": "sgd", "lr": 0.1, "momentum": 0.0},
    "adam": {"optimizer": "adam", "lr": 0.003},
}


@pytest.fixture(scope="module")
def trained(compute):
    """Function that trains 200 steps in the page and in gsutils: (theirs, ours, model, data)."""
    X, y = moons.two_moons(seed=3)
    inputs, labels = torch.from_numpy(X), torch.from_numpy(y)

    def trained(settings, more="return { loss: run.loss, logits: [...run.logits] };"):
        model = MLP((2, 60, 1), [3]).double()
        theirs = compute(
            "const { settings, theta, x1, x2, y } = argument;"
            "const data = { x1: Float64Array.from(x1), x2: Float64Array.from(x2),"
            "  y: Float64Array.from(y), n: y.length };"
            "const network = new gs.network.Network(60, theta), start = network.copy();"
            "const run = new gs.network.Trainer(network, data, settings);"
            "const first = Float64Array.from(run.logits);"
            f"for (let i = 0; i < 200; i++) run.advance(); {more}",
            {"settings": settings, "theta": weights(model).tolist(), "x1": X[:, 0].tolist(),
             "x2": X[:, 1].tolist(), "y": y.tolist()},
        )  # fmt: skip

        def loss(logits, step):
            lam, gamma = settings["lam"], settings["gamma"]
            penalty = losses.spectral_decoupling(logits, labels, lam, gamma)
            if settings["loss"] == "squared":
                return ((logits - labels) ** 2).mean(-1) / 2 + penalty
            return losses.logistic(logits, labels) + penalty

        rates = {"lr": settings["lr"], "weight_decay": settings["decay"]}
        adam = settings["optimizer"] == "adam"
        rates |= {} if adam else {"momentum": settings["momentum"]}
        optimizer = (train.Adam if adam else train.SGD)(model.parameters(), **rates)
        history = train.fit(model, loss, inputs, steps=200, optimizer=optimizer)
        ours = {"loss": history["loss"][-1, 0], "logits": model(inputs).detach().numpy()[0]}
        return theirs, ours, model, (X, y)

    return trained


@pytest.mark.parametrize("loss", ["logistic", "squared"])
def test_the_pull_is_the_slope_of_the_loss_and_the_dual_variable(compute, loss):
    y = np.repeat([-1.0, 1.0], 9)
    logits = torch.from_numpy(np.tile(np.linspace(-8, 8, 9), 2)).requires_grad_()
    labels = torch.from_numpy(y)
    total = len(y) * losses.logistic(logits, labels)
    if loss == "squared":
        total = ((logits - labels) ** 2).sum() / 2
    total.sum().backward()
    found = compute(
        "return argument[1].map((y, i) => gs.network.pull(argument[0], y, argument[2][i]));",
        [loss, y.tolist(), logits.tolist()],
    )
    np.testing.assert_allclose(found, logits.grad.abs().numpy(), rtol=1e-12)
    if loss == "logistic":
        margins = y * logits.detach().numpy()
        np.testing.assert_allclose(found, dual.multiplier(margins, "exact"), rtol=1e-12)


@pytest.mark.parametrize(
    ("loss", "optimizer", "penalty"),
    list(itertools.product(("logistic", "squared"), OPTIMIZERS, PENALTIES)),
)
def test_200_steps_of_training_agree_with_gsutils(trained, loss, optimizer, penalty):
    settings = {"loss": loss, "lam": 0.0, "gamma": 0.0, "decay": 0.0, "momentum": 0.9}
    theirs, ours, _, _ = trained(settings | OPTIMIZERS[optimizer] | PENALTIES[penalty])
    np.testing.assert_allclose(theirs["loss"], ours["loss"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(theirs["logits"], ours["logits"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("lam", [0.0, 0.02])
def test_margin_and_responses_agree_with_gsutils(trained, lam):
    settings = {"loss": "logistic", "lam": lam, "gamma": 0.0, "decay": 0.0} | OPTIMIZERS["sgd"]
    found, ours, model, (X, y) = trained(
        settings,
        "const features = all(gs.features.features(start, data));"
        "const seen = all(gs.boundary.survey(network, data, gs.boundary.gridOf(data)));"
        "const gained = run.logits.map((v, i) => v - first[i]);"
        "const z = Object.keys(gs.features.PAIRS).map(p =>"
        "  [p, gs.features.responses(p, features, data.y, gained)]);"
        "return { distances: [...seen.distances], z: Object.fromEntries(z) };",
    )
    distances = evaluate.boundary_distance(lambda p: evaluate.predict(model, p)[0], X, y)
    np.testing.assert_allclose(found["distances"], distances, rtol=0, atol=1e-6)
    model = MLP((2, 60, 1), [3]).double()
    start = ntk.features(ntk.ntrf(model, X), y)
    before = model(torch.from_numpy(X)).detach().numpy()[0]
    z = ntk.response(start.U, y, ours["logits"] - before)
    straight = responses.affine_share(start.U, X, y) > 0.5
    fastest = np.argsort(-responses.growth(start.U, start.s))[:2]
    expected = {
        "straight": [np.linalg.norm(z[straight]), np.linalg.norm(z[~straight])],
        "fastest": np.abs(z[fastest]),
        "authors": np.abs(z[list(responses.AUTHORS)]),
    }
    for name, pair in expected.items():
        np.testing.assert_allclose(found["z"][name], pair, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [*KINDS, "lemma1"])
def test_fixed_points_and_starvation_agree_with_gsutils(compute, kind):
    root = 0.5**0.5
    grid = np.meshgrid(
        [-1, -0.9, -root, -0.3, -0.01, 0, 0.1, 0.5, root, 0.8, 0.99, 1], [0.1, 1, 3, 8, 100],
        [0.3, 2], [0.001, 0.01, 1, 10],
    )  # fmt: skip
    delta, s1, s2, lam = (axis.ravel() for axis in grid)
    found = compute(
        "return argument.places.map(([delta, s1, s2, lam]) => {"
        "  const problem = { delta, s1, s2, lam, kind: argument.kind };"
        "  const end = argument.kind === 'lemma1' ? gs.dual.lemma1(problem)"
        "    : gs.dual.fixedPoint(problem);"
        "  return [...end.z, end.starvation, ...(end.alpha ?? [])]; });",
        {"kind": kind, "places": np.stack([delta, s1, s2, lam], 1).tolist()},
    )
    found = np.array(found).T
    z = perturbation.coupled_response(delta, (s1**2, s2**2), lam, kind)
    slope = perturbation.starvation(delta, (s1**2, s2**2), lam, kind)
    np.testing.assert_allclose(found[:2], z, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found[2], slope, rtol=0, atol=1e-6)
    if kind != "lemma1":
        U, k = perturbation.coupling(delta), np.stack([s1, s2], -1) ** 2
        alpha = dual.multiplier(dual.margins(U, k, lam, kind), kind)
        np.testing.assert_allclose(found[3:].T, alpha, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_flow_and_primal_path_agree_with_gsutils(compute, kind):
    problem = {"delta": 0.5, "s1": 5, "s2": 2, "lam": 0.05, "kind": kind}
    found = compute(
        "const ends = gs.flow.usefulTimes(argument, 20);"
        "return { ends, path: all(gs.flow.flow([0.001, 0.7], argument, ends)),"
        "  velocity: gs.dual.velocity([0.2, 0.6], argument),"
        "  descent: gs.dual.descent(argument, 0.02, 300) };",
        problem,
    )
    U, s = perturbation.coupling(0.5), np.array([5.0, 2.0])
    path = dual.flow([0.001, 0.7], U, s**2, 0.05, found["ends"], kind)
    np.testing.assert_allclose(found["path"], path, rtol=0, atol=1e-6)
    speed = dual.velocity(np.array([0.2, 0.6]), U, s**2, 0.05, kind)
    np.testing.assert_allclose(found["velocity"], speed, rtol=1e-9)
    if kind != "taylor":
        thetas = dual.descent(U * s, np.ones(2), 0.05, 0.02, 300, kind)
        np.testing.assert_allclose(found["descent"], thetas * s, rtol=0, atol=1e-9)
