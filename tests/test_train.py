"""The training loop against torch.optim, and runs together against the same runs alone."""

import io
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch

from gsutils import evaluate, losses, text
from gsutils.nets import MLP
from gsutils.train import (
    PRECISIONS,
    SGD,
    Adam,
    TrainingDiverged,
    checkpoints,
    chunks,
    fit,
    minimise,
    precision,
    resolve_device,
)

torch.set_num_threads(1)  # networks this small lose more by waiting for a second thread

RNG = np.random.default_rng(0)
X = torch.from_numpy(RNG.normal(size=(30, 2)))
Y = torch.from_numpy(np.sign(RNG.normal(size=30)))


def network(seeds=(0, 1, 2), **options):
    return MLP((2, 16, 8, 1), seeds, **options).double()


def loss(logits, step):
    return losses.logistic(logits, Y.to(logits)) + losses.spectral_decoupling(
        logits, Y.to(logits), 0.05
    )


def train(net, make, loss=loss, X=X, **options):
    """Train a network by an optimizer made of its parameters."""
    return fit(net, loss, X, optimizer=make(net.parameters()), **options)


def sgd(lr, momentum=0.0, **options):
    return partial(SGD, lr=lr, momentum=momentum, **options)


def adam(lr, **options):
    return partial(Adam, lr=lr, **options)


def assert_same_weights(net, other, run=0, tolerance=1e-10):
    alone = net.single(run)
    for mine, theirs in zip(alone.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=tolerance, atol=tolerance)


PAIRS = [
    (SGD, torch.optim.SGD, {"lr": 0.1}),
    (SGD, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}),
    (SGD, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.02}),
    (Adam, torch.optim.Adam, {"lr": 0.01}),
    (Adam, torch.optim.Adam, {"lr": 0.01, "weight_decay": 0.1}),
    (Adam, torch.optim.Adam, {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-3}),
]


@pytest.mark.parametrize(("mine", "theirs", "options"), PAIRS)
def test_the_optimizers_are_those_of_pytorch(mine, theirs, options):
    net, plain = network(seeds=(3,)), network(seeds=(3,))
    optimizer = theirs(plain.parameters(), **options)
    train(net, partial(mine, **options), steps=30)
    for step in range(30):
        optimizer.zero_grad()
        loss(plain(X), step).sum().backward()
        optimizer.step()
    assert_same_weights(net, plain)


def test_gradient_descent_without_weight_decay_is_pytorchs_to_the_last_digit():
    nets = network(), network()
    for net, kind in zip(nets, (SGD, torch.optim.SGD)):
        train(net, partial(kind, lr=0.05, momentum=0.9), steps=30)
    for mine, theirs in zip(*(net.parameters() for net in nets)):
        assert torch.equal(mine, theirs)


def test_an_optimizer_calls_a_closure_and_leaves_alone_what_has_no_gradient():
    moved, still = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = SGD([moved, still], lr=torch.tensor([0.5, 1.0]), weight_decay=0.1)

    def closure():
        (value := moved.sum()).backward()
        return value

    assert optimizer.step(closure).item() == 2
    torch.testing.assert_close(moved.detach(), torch.tensor([0.45, -0.1]))
    assert still.tolist() == [1, 1]


@pytest.mark.parametrize("make", [partial(SGD, momentum=0.9), Adam])
def test_learning_rate_and_weight_decay_may_differ_from_run_to_run(make):
    lr, decay = torch.tensor([0.01, 0.05, 0.002]), torch.tensor([0.0, 0.1, 0.5])
    net = network()
    train(net, partial(make, lr=lr.double(), weight_decay=decay.double()), steps=20)
    for run in range(3):
        alone = network(seeds=(run,))
        train(alone, partial(make, lr=float(lr[run]), weight_decay=float(decay[run])), steps=20)
        assert_same_weights(net, alone, run)


@pytest.mark.parametrize("options", [{}, {"dropout": 0.4}, {"batch_norm": True}])
def test_a_member_of_a_batch_trains_as_it_does_alone(options):
    net = network(**options)
    together = train(net, sgd(0.1, 0.9), steps=20)
    for run in range(3):
        single = network(seeds=(run,), **options)
        alone = train(single, sgd(0.1, 0.9), steps=20)
        assert_same_weights(net, single, run)
        np.testing.assert_allclose(together["loss"][:, run], alone["loss"][:, 0], rtol=1e-9)


def test_training_twice_gives_the_same_numbers():
    one, two = (train(network(dropout=0.3), adam(0.01), steps=10) for _ in range(2))
    assert np.array_equal(one["loss"], two["loss"])


def test_the_history_holds_what_was_asked_for_at_the_steps_asked_for():
    seen = []

    def measure(net):
        seen.append(net.training)
        return {"accuracy": evaluate.accuracy(net(X), Y)}

    net = network()
    before = loss(net(X), 0).detach().numpy()
    history = train(net, sgd(0.1), steps=10, measure=measure, record_at=[7, 0, 3])
    assert history.steps.tolist() == [0, 3, 7, 10]
    assert {name: values.shape for name, values in history.metrics.items()} == {
        "loss": (4, 3),
        "accuracy": (4, 3),
    }
    np.testing.assert_allclose(history["loss"][0], before)
    np.testing.assert_allclose(history["loss"][-1], loss(net(X), 10).detach())
    np.testing.assert_allclose(history["accuracy"][-1], evaluate.accuracy(net(X), Y).detach())
    assert seen == [False] * 4
    assert not net.training


def test_small_work_has_one_thread_and_large_work_has_all(monkeypatch):
    set_to = [7]
    monkeypatch.setattr(torch, "get_num_threads", lambda: set_to[-1])
    monkeypatch.setattr(torch, "set_num_threads", set_to.append)
    seen = []

    def watched(logits, step):
        seen.append(set_to[-1])
        return losses.logistic(logits, torch.ones(logits.shape[-1]))

    net = MLP((2, 500, 1), seeds=(0, 1))  # 4,002 weights
    for X in (torch.ones(1249, 2), torch.ones(1250, 2), chunks(torch.ones(1250, 2), 500)):
        train(net, sgd(0.1), watched, X, steps=1)
    assert seen == [1, 1, 7, 7, 7, 7]
    assert set_to == [7, 1, 7]


def test_the_number_of_threads_comes_back_after_a_failure(monkeypatch):
    set_to = [7]
    monkeypatch.setattr(torch, "get_num_threads", lambda: set_to[-1])
    monkeypatch.setattr(torch, "set_num_threads", set_to.append)
    with pytest.raises(ValueError, match="steps"):
        train(network(), sgd(0.1), steps=0)
    assert set_to == [7, 1, 7]


@pytest.mark.parametrize(("asked", "policy"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_sleep_while_they_wait_unless_the_reader_chose_otherwise(asked, policy):
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    environment |= {"OMP_WAIT_POLICY": asked} if asked else {}
    code = "import sys, os, gsutils; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.split() == [policy, "False"]


def test_by_default_some_forty_steps_are_recorded_first_and_last_among_them():
    steps = train(network((0,)), sgd(0.01), steps=300).steps
    assert (steps[0], steps[-1]) == (0, 300)
    assert 20 < len(steps) < 50
    assert np.all(np.diff(steps) > 0)
    assert np.diff(steps)[0] < np.diff(steps)[-1]


def test_the_loss_is_told_the_step():
    told = []

    def stepwise(logits, step):
        told.append(step)
        return loss(logits, step)

    train(network((0,)), sgd(0.01), stepwise, steps=4)
    assert told == [0, 1, 2, 3, 4]


def test_a_diverging_run_stops_with_its_number_and_its_step():
    net = network()
    with pytest.raises(TrainingDiverged, match=r"loss of run 1 is \S+ at step 25 .*lower the lear"):
        train(net, sgd(torch.tensor([0.01, 1e30, 0.01]).double()), steps=500)


def test_a_run_that_diverges_at_the_very_end_is_seen_too():
    net = network((0,))
    with pytest.raises(TrainingDiverged, match="run 0 is nan at step 3"):
        train(
            net, sgd(0.01), lambda z, step: loss(z, step) * (float("nan") if step == 3 else 1),
            steps=3,
        )  # fmt: skip


def test_bfloat16_products_stay_close_and_weights_stay_float32():
    histories = {}
    for name in ("float32", "bfloat16"):
        net = network().float()
        histories[name] = train(net, sgd(0.1, 0.9), X=X.float(), steps=100, precision=name)
        assert {p.dtype for p in net.parameters()} == {torch.float32}
    plain, half = (histories[p]["loss"] for p in ("float32", "bfloat16"))
    np.testing.assert_allclose(plain, half, rtol=0.05)
    assert not np.array_equal(plain, half)
    assert (half[-1] < half[0]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps must be an integer >= 1, got 0"),
        ({"precision": "float16"}, "precision must be in .*got 'float16'"),
        ({"record_at": [0, 11]}, r"record_at must lie in 0..10, got 0..11"),
        ({"record_at": [-1]}, r"got -1..10"),
        ({"make": sgd(-0.1)}, "lr must be finite and >= 0, got -0.1"),
        ({"make": sgd(float("nan"))}, "lr must be finite and >= 0, got nan"),
        ({"make": adam(0.1, weight_decay=-1)}, "weight_decay must be finite and >= 0, got -1"),
        ({"make": adam(torch.ones(2))}, r"lr must be a number or \(3,\).*got \(2,\)"),
        ({"make": lambda _: SGD(network().parameters(), 0.1)}, "optimizer .* of another model"),
        ({"loss": lambda z, step: z.mean()}, r"one value per run, \(3,\), got \(\)"),
    ],
)
def test_wrong_arguments_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        train(network(), **{"steps": 10, "make": sgd(0.1)} | change)


def test_auto_is_cuda_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert resolve_device("auto") == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    assert resolve_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize("device", ["gpu", "", "meta", None, torch.device("meta")])
def test_an_unknown_device_is_refused(device):
    with pytest.raises(ValueError, match="device must be 'auto', 'cpu' or 'cuda"):
        resolve_device(device)


@pytest.mark.parametrize("device", ["cuda:7", torch.device("cuda:7")])
def test_a_gpu_that_is_not_there_is_refused(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ValueError, match=r"cuda.*7.* was asked for, .* 0 CUDA GPUs"):
        resolve_device(device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_cuda_gives_the_numbers_of_the_cpu():
    results = []
    for device in ("cpu", "cuda"):
        net = network(dropout=0.2).to(device)
        history = train(net, adam(0.01), X=X.to(device), steps=20)
        results.append(history["loss"])
    np.testing.assert_allclose(*results, rtol=1e-9)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_silent_when_nobody_watches(monkeypatch, capfd):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    train(network((0,)), sgd(0.1), steps=5)
    assert sys.stderr.getvalue() == ""
    assert capfd.readouterr() == ("", "")


def test_progress_shows_in_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    train(network((0,)), sgd(0.1), steps=5, title="two moons")
    assert "two moons" in sys.stderr.getvalue()


def test_a_person_watches_a_live_notebook_but_not_a_build(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    assert not text.person_watches()
    monkeypatch.setenv("JPY_SESSION_NAME", "a.ipynb")
    assert text.person_watches()
    monkeypatch.delenv("JPY_SESSION_NAME")
    monkeypatch.setitem(sys.modules, "google.colab", sys)
    assert text.person_watches()


class Killed(Exception):
    pass


def killed_at(step, value):
    def until(logits, at):
        if at == step:
            raise Killed
        return value(logits, at)

    return until


RATES = torch.tensor([0.01, 0.05, 0.002]).double()


@pytest.mark.parametrize("make", [sgd(0.1, 0.9), adam(0.01), adam(RATES)])
@pytest.mark.parametrize("options", [{}, {"dropout": 0.4}, {"batch_norm": True}])
def test_a_killed_training_goes_on_and_ends_bit_for_bit_where_it_would_have(
    make, options, tmp_path, monkeypatch
):
    monkeypatch.setattr(checkpoints, "INTERVAL", -1.0)  # after every step
    path = tmp_path / "training.pt"
    whole, cut = network(**options), network(**options)
    arguments = {"steps": 12, "measure": lambda net: {"logits": net(X)}}
    uninterrupted = train(whole, make, **arguments)
    with pytest.raises(Killed):
        train(cut, make, killed_at(7, loss), **arguments, checkpoint=path)
    for _ in range(2):  # going on, and reading what has finished
        again = network(**options)
        resumed = train(again, make, **arguments, checkpoint=path)
        for name in ("loss", "logits"):
            assert np.array_equal(uninterrupted[name], resumed[name])
        for mine, theirs in zip(whole.parameters(), again.parameters()):
            assert torch.equal(mine, theirs)


def test_optimizers_schedules_and_states_of_others_are_resumed_too(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "INTERVAL", -1.0)

    def run(stop, checkpoint):
        net, total = network(), torch.zeros(3, dtype=torch.float64)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=12)

        def value(step):
            if step == stop:
                raise Killed
            values = loss(net(X), step)
            total.add_(values.detach())
            return values * (1 + total)

        options = {"optimizer": optimizer, "schedule": schedule, "state": {"total": total}}
        return minimise(net, value, steps=12, checkpoint=checkpoint, **options)["loss"]

    with pytest.raises(Killed):
        run(5, tmp_path / "a.pt")
    assert np.array_equal(run(None, tmp_path / "a.pt"), run(None, None))


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    path = tmp_path / "training.pt"
    train(network(), sgd(0.1), steps=3, checkpoint=path)
    for net, make, steps, reason in (
        (network((0, 1)), sgd(0.1), 3, ""),
        (network(), adam(0.1), 3, "its optimizer is of another kind"),
        (network(), sgd(0.1), 2, "it is at step 3, 2 were asked for"),
        (network(), sgd(0.1), 5, "it is at step 3, 5 were asked for"),
    ):
        message = rf"(?s)training\.pt is a checkpoint of another training \(.*{reason}.*; delete it"
        with pytest.raises(ValueError, match=message):
            train(net, make, steps=steps, checkpoint=path)


def test_a_checkpoint_of_an_older_version_is_refused(tmp_path):
    path = tmp_path / "training.pt"
    train(network(), sgd(0.1), steps=3, checkpoint=path)
    checkpoints.save(path, checkpoints.load(path) | {"moments": []})  # as there once were
    with pytest.raises(ValueError, match=r"\(it is of another version of the program\); delete it"):
        train(network(), sgd(0.1), steps=3, checkpoint=path)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04"])
def test_a_damaged_checkpoint_is_refused_and_left_alone(content, tmp_path):
    path = tmp_path / "training.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"is no checkpoint of a training; delete it"):
        train(network(), sgd(0.1), steps=3, checkpoint=path)
    assert path.read_bytes() == content


def test_chunks_without_their_zero_inputs_train_as_the_whole_batch_does():
    inputs = torch.from_numpy(RNG.normal(size=(3, 30, 6)))
    inputs[:, :15, :3], inputs[:, 15:, 3:] = 0, 0
    cut = chunks(inputs, 10)
    assert [len(chunk.columns) for chunk in cut] == [3, 6, 3]
    nets = [MLP((6, 16, 1), (0, 1, 2)).double() for _ in range(2)]
    for net, X in zip(nets, (inputs, cut)):
        train(net, adam(0.01), X=X, steps=30)
    torch.testing.assert_close(nets[0](inputs), nets[1](inputs), rtol=1e-9, atol=1e-9)
    for mine, theirs in zip(nets[0].parameters(), nets[1].parameters()):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("capability", "expected"),
    [
        ((6, 0), "float32"),  # P100
        ((7, 0), "float32"),  # V100
        ((7, 5), "float32"),  # T4, Colab's free GPU
        ((8, 0), "bfloat16"),  # A100
        ((8, 9), "bfloat16"),  # L4
        ((9, 0), "bfloat16"),  # H100
        ((12, 0), "bfloat16"),  # RTX 50
    ],
)
def test_products_are_in_bfloat16_where_the_chip_has_it(capability, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    # PyTorch says so of a T4 too, which only emulates it, slowly
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
    assert precision(torch.device("cuda")) == expected
    assert {precision(torch.device("cuda"), name) for name in PRECISIONS} == set(PRECISIONS)


@pytest.mark.parametrize(("native", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_products_on_a_cpu_are_those_that_it_has(native, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    assert precision(torch.device("cpu")) == expected


def test_what_is_measured_is_kept_as_it_was():
    net = MLP((2, 4, 1), [0])
    first = net.biases[-1].detach()[:, 0].clone()
    history = fit(
        net, lambda logits, step: -logits.mean(-1), torch.ones(3, 2), steps=20, record_at=[0, 10],
        optimizer=torch.optim.SGD(net.parameters(), lr=0.5),
        measure=lambda net: {"bias": net.biases[-1][:, 0]},
    )  # fmt: skip
    assert history["bias"][0] == pytest.approx(first.tolist())
    assert len(set(history["bias"][:, 0])) == 3


@pytest.mark.parametrize("changes", [{"record_at": [0, 5]}, {"steps": 12}, {"lr": 0.7}])
def test_a_checkpoint_of_other_records_or_rates_is_refused(changes, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "INTERVAL", 0.0)

    def again(stop=None, steps=9, lr=0.1, **options):
        net = MLP((2, 4, 1), [0])

        def loss(logits, step):
            if step == stop:
                raise KeyboardInterrupt
            return logits.square().mean(-1)

        optimizer = SGD(net.parameters(), torch.tensor([lr]))
        return fit(
            net, loss, torch.ones(3, 2), steps=steps, optimizer=optimizer,
            checkpoint=tmp_path / "c.pt", **options,
        )  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        again(stop=6)
    with pytest.raises(ValueError, match="is a checkpoint of another training"):
        again(**changes)
    assert len(again()["loss"])
