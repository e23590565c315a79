"""Training on batches of images: what a batch holds, the network, resuming, compiling."""

import gc
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from gsutils import losses, methods
from gsutils.nets import ConvNet, Mirrored
from gsutils.seeding import stream
from gsutils.train import Epochs, checkpoints, fit_images, minibatch, pixels

torch.set_num_threads(1)
RNG = stream(0, "test")
X = torch.from_numpy(RNG.integers(0, 256, (30, 2, 9, 9)).astype(np.uint8))
Y = torch.from_numpy(np.sign(RNG.normal(size=30)).astype(np.float32))
DATA = Epochs(X, Y, batch=8, seed=3, pad=2, flip=True)


def network(seed=0, widths=(4, 6), **options):
    return ConvNet(widths, pixels(X), seed=seed, **options)


def weights(net):
    return torch.cat([p.detach().flatten() for p in net.state_dict().values()])


# --- batches --------------------------------------------------------------------------------


def test_a_batch_depends_on_seed_and_step_alone():
    later, earlier = DATA(7), DATA(2)
    again = replace(DATA)
    assert torch.equal(again(2).X, earlier.X)
    assert torch.equal(again(7).X, later.X)
    assert not torch.equal(replace(DATA, seed=4)(2).index, earlier.index)


def test_an_epoch_holds_no_example_twice_and_the_next_has_another_order():
    assert len(DATA) == 3
    epochs = [torch.cat([DATA(3 * e + b).index for b in range(3)]) for e in range(2)]
    assert all(len(epoch.unique()) == 24 for epoch in epochs)
    assert not torch.equal(*epochs)


@pytest.mark.parametrize("flip", [False, True])
def test_at_last_images_are_whole_and_only_mirrored(flip):
    data = replace(DATA, flip=flip, whole_from=1)
    batch = data(5)
    images = pixels(X[batch.index])
    same, mirrored = ((shown == batch.X).flatten(1).all(1) for shown in (images, images.flip(-1)))
    assert bool((same | mirrored).all())
    assert bool(mirrored.any()) == flip
    assert torch.equal(batch.y, Y[batch.index])
    before = data(1)
    assert not torch.equal(before.X, pixels(X[before.index]))


def test_an_augmented_image_is_a_crop_of_the_padded_one_or_its_mirror_image():
    data = replace(DATA, crop=7)
    padded = torch.from_numpy(np.pad(X.numpy(), [(0, 0), (0, 0), (2, 2), (2, 2)], mode="reflect"))
    for one, place in zip(*(lambda batch: (batch.X, batch.index))(data(4))):
        crops = padded[place].unfold(1, 7, 1).unfold(2, 7, 1)  # (c, 7, 7, 7, 7)
        crops = crops.permute(1, 2, 0, 3, 4).flatten(0, 1) / 255
        same = (crops == one).flatten(1).all(1) | (crops.flip(-1) == one).flatten(1).all(1)
        assert bool(same.any())


def test_a_mirrored_network_does_not_tell_an_image_from_its_mirror_image():
    images = pixels(X)
    net = network().eval()
    both = Mirrored(net)
    assert not both.training
    torch.testing.assert_close(both(images), both(images.flip(-1)))
    torch.testing.assert_close(both(images), (net(images) + net(images.flip(-1))) / 2)


def test_crops_lie_everywhere_and_half_of_the_images_are_mirrored():
    n = 2000
    ramp = torch.arange(81, dtype=torch.uint8).view(1, 1, 9, 9).repeat(n, 1, 1, 1)
    data = Epochs(ramp, torch.ones(n), batch=n, seed=0, crop=7, flip=True)
    images = (data(0).X * 255).round()
    mirrored = images[:, 0, 0, 0] > images[:, 0, 0, 1]
    assert abs(float(mirrored.float().mean()) - 0.5) < 0.05
    assert len(images[~mirrored][:, 0, 0, 0].unique()) == 9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": X.float()}, "X must be uint8"),
        ({"X": X[..., :8]}, "X must be uint8"),
        ({"y": Y[:3]}, r"y must be \(30,\)"),
        ({"batch": 31}, "batch must be an integer in 1..30"),
        ({"pad": 9}, "pad must be an integer in 0..8"),
        ({"crop": 10}, "crop must be an integer in 1..9"),
    ],
)
def test_data_that_cannot_be_cut_into_batches_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(DATA, **change)


# --- the network ----------------------------------------------------------------------------


def test_the_whitened_patches_are_white():
    images = pixels(torch.from_numpy(RNG.integers(0, 256, (200, 3, 12, 12)).astype(np.uint8)))
    images = (images + images.roll(1, 3) + images.mean(1, keepdim=True)) / 3  # correlated
    net = ConvNet((4, 4), images)
    patches = torch.nn.functional.conv2d(4 * images - 2, net.whitening)
    second = torch.einsum("nahw,nbhw->ab", patches, patches) / patches[:, 0].numel()
    assert float((second - torch.eye(12)).fill_diagonal_(0).abs().max()) < 1e-4
    assert 0.5 < float(second.diagonal().min()) <= float(second.diagonal().max()) < 1.0


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("outputs", [1, 3])
def test_weights_drawn_again_are_those_of_a_new_network(residual, outputs):
    used, fresh = (network(s, outputs=outputs, residual=residual) for s in (0, 5))
    used(pixels(X))  # moves the statistics of the normalisation
    used.reset(5)
    assert torch.equal(weights(used), weights(fresh))
    assert used(pixels(X)).shape == ((30,) if outputs == 1 else (30, 3))


def test_networks_of_other_seeds_differ():
    assert not torch.equal(weights(network(0)), weights(network(1)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": ()}, "widths and outputs"),
        ({"widths": (4, 0)}, "widths and outputs"),
        ({"widths": (4,), "outputs": 2}, "outputs 1 for two classes"),
        ({"widths": (4, 4, 4, 4)}, "more than 16 pixels a side"),
        ({"widths": (4,), "images": pixels(X)[0]}, "images must be"),
    ],
)
def test_an_impossible_network_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ConvNet(**{"images": pixels(X), **arguments})


# --- training -------------------------------------------------------------------------------


def train(net, epochs=4, method=None, **options):
    return fit_images(net, DATA, method or methods.ERM(), epochs=epochs, lr=0.02, **options)


def test_training_is_that_of_a_plain_loop():
    net, plain = network(), network()
    train(net, epochs=2, weight_decay=0.01, warmup=0.5)
    optimizer = torch.optim.SGD(
        [{"params": [p], "weight_decay": 0.01 if p.ndim > 1 else 0.0} for p in plain.parameters()],
        lr=0.02, momentum=0.9, nesterov=True,
    )  # fmt: skip
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.02, 6, pct_start=0.5, anneal_strategy="linear", cycle_momentum=False
    )
    for step in range(6):
        batch = DATA(step)
        optimizer.zero_grad()
        losses.logistic(plain(batch.X), batch.y).backward()
        optimizer.step()
        rates.step()
    for mine, theirs in zip(net.parameters(), plain.parameters()):
        torch.testing.assert_close(mine, theirs)


def test_a_small_set_is_fitted_and_spectral_decoupling_holds_the_logits_down():
    sizes = {}
    for name, method in (("erm", methods.ERM()), ("sd", methods.SD(lam=0.3))):
        net = network(widths=(16, 32))
        fit_images(net, replace(DATA, whole_from=0), method, epochs=60, lr=0.05)
        logits = net(pixels(X)).detach()
        assert bool((logits * Y > 0).all())
        sizes[name] = float(logits.abs().mean())
    assert sizes["sd"] < sizes["erm"] / 2


def test_several_classes_are_learned():
    classes = torch.arange(30) % 3
    net = network(widths=(16, 32), outputs=3)
    data = replace(DATA, y=classes, whole_from=0)
    fit_images(net, data, methods.SD(lam=0.01), epochs=60, lr=0.05)
    assert torch.equal(net(pixels(X)).argmax(1), classes)


class Killed(Exception):
    pass


class KilledAt(methods.ERM):
    """ERM whose process is killed at a step."""

    step = 7

    def loss(self, logits, batch, step, state):
        if step == self.step:
            raise Killed
        return super().loss(logits, batch, step, state)


def test_a_warmup_of_one_step_trains():
    steps = 2 * len(DATA)
    history = train(network(), epochs=2, warmup=1 / steps, record_every=1)
    assert np.isfinite(history["loss"]).all()


def test_a_killed_training_goes_on_to_the_same_weights_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "INTERVAL", 0.0)
    whole, part, rest = network(), network(), network()
    history = train(whole, record_every=1)
    place = tmp_path / "run.pt"
    with pytest.raises(Killed):
        train(part, method=KilledAt(), checkpoint=place, record_every=1)
    resumed = train(rest, checkpoint=place, record_every=1)
    assert torch.equal(weights(rest), weights(whole))
    assert np.array_equal(resumed["loss"], history["loss"])


def test_reduced_precision_is_used_where_it_is_asked_for(monkeypatch):
    seen = []
    original = ConvNet.forward

    def forward(net, images):
        logits = original(net, images)
        seen.append(logits.dtype)
        return logits

    monkeypatch.setattr(ConvNet, "forward", forward)
    nets = {precision: network() for precision in ("float32", "bfloat16")}
    for precision, net in nets.items():
        seen.clear()
        train(net, epochs=1, precision=precision)
        assert set(seen) == {getattr(torch, precision)}
        assert {p.dtype for p in net.parameters()} == {torch.float32}
    assert not torch.equal(weights(nets["float32"]), weights(nets["bfloat16"]))


@pytest.fixture
def compiler():
    """A compiler that leaves nothing behind: Sphinx, in other tests, walks through all objects."""
    yield
    torch.compiler.reset()
    gc.collect()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_network_of_the_same_shape_is_not_compiled_again(monkeypatch, compiler):
    graphs = []

    def count(graph, inputs):
        graphs.append(graph)
        return graph

    monkeypatch.setattr(minibatch.torch, "compile", partial(torch.compile, backend=count))
    nets = [network(seed) for seed in range(2)]
    compiled = []
    for net in nets:
        train(net, epochs=1, compiled=True)
        compiled.append(len(graphs))
    assert compiled[0] > 0
    assert compiled[1] == compiled[0]
    plain = network(1)
    train(plain, epochs=1)
    torch.testing.assert_close(weights(nets[1]), weights(plain))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs must be an integer >= 1"),
        ({"warmup": 0.0}, "warmup must be a finite number > 0 and < 1"),
        ({"precision": "float16"}, "precision must be in"),
    ],
)
def test_nonsense_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        train(network(), **change)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_no_warmup_divides_by_zero(size):
    few = replace(DATA, X=DATA.X[: 8 * size], y=DATA.y[: 8 * size], batch=8)
    for warmup in (0.01, 1 / size if size > 1 else 0.5, 0.5, 0.99):
        history = fit_images(network(), few, methods.ERM(), epochs=1, lr=0.01, warmup=warmup)
        assert np.isfinite(history["loss"]).all()
