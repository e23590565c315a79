"""Wrong arguments of public functions: each is refused in one line that names it.

``arguments.txt`` holds the calls of a hostile reader; ``TEMPLATES`` puts what is no number, or out
of range, where a number belongs.
"""

import re
import traceback
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import tensor as t

from gsutils import files, losses, nets, ntk, train
from gsutils.data import mnist
from gsutils.experiments import ENTRIES
from gsutils.runs import records

HERE = Path(__file__).parent
MODULES = [
    "attack",
    "conventions",
    "dual",
    "evaluate",
    "losses",
    "methods",
    "nets",
    "ntk",
    "seeding",
    "train",
    "data.boards",
    "data.faces",
    "data.features",
    "data.fetch",
    "data.images",
    "data.mnist",
    "data.moons",
    "data.ten_colours",
    "experiments.label_noise",
    "experiments.two_moons",
    "ledger.judge",
    "nets.residual",
    "page.prose",
    "runs.records",
]
NAMES = {name.rpartition(".")[2]: import_module(f"gsutils.{name}") for name in MODULES} | {
    "pt": import_module("gsutils.perturbation"),
    "Number": import_module("gsutils.runs.paper").Number,
    "chosen_size": import_module("gsutils.runs.entry").chosen_size,
    "runtime_text": import_module("gsutils.page.runtime").runtime_text,
}
nan, inf = float("nan"), float("inf")
L, Y = t([0.5, -1.0, 2.0]), t([1.0, -1.0, 1.0])
U = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
S2, A = np.array([4.0, 3.0, 2.0, 1.0]), np.full(4, 0.5)
Phi, ones = np.random.default_rng(1).normal(size=(4, 3)), np.ones(4)
RNG = torch.Generator().manual_seed(0)
X2, Y6 = torch.randn(6, 2, generator=RNG), t([1.0, -1, 1, -1, 1, -1])
IM, YI = torch.rand(4, 1, 4, 4, generator=RNG), t([1.0, -1, 1, -1])
BYTES = torch.zeros(8, 3, 8, 8, dtype=torch.uint8)
PLANE, SIDES = np.random.default_rng(2).normal(size=(5, 2)), np.array([1.0, -1, 1, -1, 1])
D = mnist.embedded_digits()[:100]


def net(**options):
    return nets.MLP((2, 8, 1), seeds=range(2), **options)


def sgd(*args, **options):
    return train.SGD(net().parameters(), *args, **options)


def adam(*args, **options):
    return train.Adam(net().parameters(), *args, **options)


def dropped():
    return nets.MLP((2, 4, 1), dropout=0.5).train()


class Branching(torch.nn.Linear):
    def forward(self, X):
        return super().forward(X) * (2.0 if X.sum().item() > 0 else 1.0)


def branching():
    return Branching(2, 1)


def model(X):
    return X.flatten(1).sum(1) - 7


def plane(X):
    return X[..., 0]


def one():
    return nets.MLP((2, 4, 1)).eval()


def fit1(loss=lambda logits, step: losses.logistic(logits, Y6), X=X2, precision="float32", **o):
    network = net()
    o = {"steps": 3, "optimizer": torch.optim.SGD(network.parameters(), 0.1)} | o
    return train.fit(network, loss, X, precision=precision, **o)


def run(**changes):
    whole = {
        "experiment": "demo", "size": "quick", "settings": {"steps": 3}, "seeds": [0, 1],
        "metrics": {"erm": {"test accuracy": [0.25, 0.35]}}, "selection": "none",
        "data": {"name": "none"}, "device": "cpu", "wall_time_s": 0.1,
        "command": "python -m gsutils run demo --size quick", "commit": "unknown",
    }  # fmt: skip
    return records.Run(**whole | changes)


def both(**changes):
    options = {"steps": 2, "lr": 0.1} | changes
    return ntk.train_both(one(), X2, options.pop("y", Y6.numpy()), **options)


def E(size="quick", **options):
    return ENTRIES["figure5"].record(size=size, **options)


CALLS = [
    line.split("\t")
    for line in (HERE / "arguments.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]
NO_NUMBER = ("nan", "inf", "-inf", "'1'", "None", "True")
NEGATIVE, NO_COUNT = (*NO_NUMBER, "-0.5"), ("nan", "2.5", "'3'", "None", "True", "-1")
POSITIVE, SHARE = (*NEGATIVE, "0.0"), (*NEGATIVE, "1.5")
TEMPLATES = [
    ("eps", "attack.pgd(model, IM, YI, {})", NEGATIVE),
    ("eps", "attack.margins(model, IM, YI, [{}])", NEGATIVE),
    ("steps", "attack.pgd(model, IM, YI, 0.1, steps={})", (*NO_COUNT, "0")),
    ("step_size", "attack.pgd(model, IM, YI, 0.1, step_size={})", ("nan", "inf", "-1.0", "'1'")),
    ("restarts", "attack.pgd(model, IM, YI, 0.1, restarts={})", (*NO_COUNT, "0")),
    ("chunk_size", "attack.nearest(model, IM, YI, [0.1], chunk_size={})", (*NO_COUNT, "0")),
    ("halvings", "attack.nearest(model, IM, YI, [0.1], halvings={})", (*NO_COUNT, "0")),
    ("rounds", "attack.from_afar(model, IM, IM.flip(0), YI, rounds={})", (*NO_COUNT, "0")),
    ("box", "attack.pgd(model, IM, YI, 0.1, box={})", ("(0, nan)", "(1, 1)", "1.0", "(0, 1, 2)")),
    ("momentum", "sgd(0.1, momentum={})", (*NEGATIVE, "1.0")),
    ("betas", "adam(0.1, betas=(0.9, {}))", (*NEGATIVE, "1.0")),
    ("eps", "adam(0.1, eps={})", NEGATIVE),
    ("lam", "methods.SD(lam={})", ("nan", "inf", "-1.0", "(1.0, nan)", "(1.0,)", "t([1.0, -1.0])")),
    ("gamma", "methods.SD(gamma={})", ("nan", "inf", "-inf", "(0.0, nan)", "(1.0, 2.0, 3.0)")),
    ("lam_before", "methods.SD(lam_before={})", NEGATIVE),
    ("switch", "methods.SD(switch={})", NO_COUNT),
    ("factor", "methods.SD(factor={})", POSITIVE),
    ("weight", "methods.IRM(weight={})", NEGATIVE),
    ("weight", "methods.VREx(weight={})", NEGATIVE),
    ("switch", "methods.VREx(switch={})", NO_COUNT),
    ("eta", "methods.GroupDRO(eta={})", NEGATIVE),
    ("q", "methods.LfF(q={})", (*SHARE, "0.0")),
    ("smoothing", "methods.LfF(smoothing={})", (*SHARE, "1.0")),
    ("size", "train.chunks(X2, {})", (*NO_COUNT, "0")),
    ("steps", "fit1(steps={})", (*NO_COUNT, "0")),
    ("batch", "train.Epochs(BYTES, torch.ones(8), {}, 0)", (*NO_COUNT, "0", "9")),
    ("pad", "train.Epochs(BYTES, torch.ones(8), 4, 0, pad={})", (*NO_COUNT, "8")),
    ("crop", "train.Epochs(BYTES, torch.ones(8), 4, 0, crop={})", ("2.5", "'3'", "0", "9")),
    ("chunk_size", "evaluate.predict(net(), X2.numpy(), {})", (*NO_COUNT, "0")),
    ("p", "evaluate.log_odds({})", (*SHARE, "0.0", "1.0")),
    ("pad", "evaluate.boundary_distance(plane, PLANE, SIDES, pad={})", NEGATIVE),
    ("resolution", "evaluate.boundary_distance(plane, PLANE, SIDES, resolution={})", NO_COUNT),
    ("eta", "dual.flow(A, U, S2, 1.0, [0.0, 1.0], eta={})", POSITIVE),
    ("lr", "dual.descent(Phi, ones, 1.0, {}, 3)", POSITIVE),
    ("steps", "dual.descent(Phi, ones, 1.0, 0.1, {})", (*NO_COUNT, "0")),
    ("n", "moons.two_moons(n={})", (*NO_COUNT, "1")),
    ("noise", "moons.two_moons(noise={})", NEGATIVE),
    ("delta", "moons.two_moons(delta={})", NO_NUMBER),
    ("rotation", "moons.two_moons(rotation={})", NO_NUMBER),
    ("seed", "moons.two_moons({})", (*NO_COUNT, "2**64")),
    ("agreement", "ten_colours.ten_colours(D, agreement={})", SHARE),
    ("train_size", "ten_colours.ten_colours(D, train_size={})", ("2.5", "'3'", "0", "10**9")),
    ("label_flip", "mnist.colored_mnist(D, label_flip={})", SHARE),
    ("n", "features.draw(0, {}, [1.0], [0.9])", (*NO_COUNT, "0")),
    ("n", "boards.draw({}, 0)", (*NO_COUNT, "0")),
    ("width", "nets.MLP((2, {}, 1))", (*NO_COUNT, "0")),
    ("dropout", "nets.MLP((2, 4, 1), dropout={})", (*NEGATIVE, "1.0")),
]
CALLS += [[name, call.format(value)] for name, call, values in TEMPLATES for value in values]
RIGHT = [
    ("methods.group_means(Y6, t([0, 0, 0, 2, 2, 2]))[1].item()", "0.0"),  # as documented
    ("evaluate.boundary_distance(lambda X: 0 * X[..., 0] + 1, PLANE, SIDES)", "inf * SIDES"),
    ("ntk.ntrf(dropped(), X2)", "ntk.ntrf(dropped().eval(), X2)"),
    ("evaluate.accuracy(t([[nan, 1.0], [2.0, 1.0]]), t([1.0, 1.0])).tolist()", "[nan, 1.0]"),
    ("evaluate.entropy(t([inf, -inf])).item()", "0.0"),
    ("losses.logistic(L, Y.to(torch.int8)).item()", "losses.logistic(L, Y).item()"),
    ("losses.logistic(L.double(), Y).item()", "losses.logistic(L.double(), Y.double()).item()"),
    ("pt.starvation(0.3, np.array([4.0, 1.0]), 1.0)", "pt.starvation(0.3, (4.0, 1.0), 1.0)"),
    ("dual.margins(U, np.zeros(4), 1.0).tolist()", "[0.0] * 4"),
    ("attack.accuracy_under_attack(t([0.0, inf]), [0.0, 9.0]).tolist()", "[0.5, 0.5]"),
]


@pytest.mark.parametrize(("words", "call"), CALLS, ids=[call for _, call in CALLS])
def test_a_wrong_argument_is_refused_by_name(words, call, tmp_path, monkeypatch):
    monkeypatch.setenv("GSUTILS_OFFLINE", "1")
    monkeypatch.setenv("GSUTILS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    names = NAMES | globals() | {
        "tmp": tmp_path, "save": lambda **changes: records.save(run(**changes), tmp_path),
    }  # fmt: skip
    with pytest.raises((ValueError, files.DataUnavailable, files.CorruptData)) as caught:
        eval(call, names)
    message, frames = str(caught.value), traceback.extract_tb(caught.tb)
    assert "/gsutils/" in frames[-1].filename, f"from deep inside, {frames[-1]}: {message}"
    assert re.search(words, message), message
    assert "\n" not in message


@pytest.mark.parametrize(("call", "value"), RIGHT, ids=[call for call, _ in RIGHT])
def test_what_is_odd_and_right_has_its_value(call, value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(*(eval(text, NAMES | globals()) for text in (call, value)))
