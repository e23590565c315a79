"""CIFAR and the entries of chapter 6: data, settings, a small run, the paper's numbers."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from gsutils import attack, methods
from gsutils import train as training
from gsutils.data import fetch, images, mnist, registry
from gsutils.experiments import ENTRIES, cifar
from gsutils.experiments._cifar_runs import begin_at
from gsutils.nets import ConvNet, Mirrored
from gsutils.runs.case import changed
from gsutils.seeding import stream

torch.set_num_threads(1)
TINY = cifar.Case(
    "digits", methods.SD(lam=0.01), widths=(6, 8), residual=False, epochs=3, whole_epochs=1,
    batch=20, lr=0.05, train_size=80, test_size=24, l2=(0.05, 1.0), linf=(0.04, 0.3),
    attack_steps=3, restarts=1, walk=2, precision="float32",
)  # fmt: skip
FAKE = replace(TINY, task="cifar10", epochs=1, whole_epochs=0, test_size=16)


@pytest.fixture
def fake_cifar(tmp_path, monkeypatch):
    """CIFAR-10 and CIFAR-100 in the official layout, with few images drawn at random."""
    monkeypatch.setenv("GSUTILS_DATA", str(tmp_path))
    rng = stream(0, "test")
    for name, spec in list(registry.CIFAR.items()):
        small = spec._replace(records=dict.fromkeys(spec.records, 40))
        monkeypatch.setitem(registry.CIFAR, name, small)
        folder = tmp_path / spec.folder
        folder.mkdir()
        for file in spec.records:
            labels = [rng.integers(0, classes, (40, 1)) for classes in spec.labels.values()]
            pixels = rng.integers(0, 256, (40, 3 * 32 * 32))
            np.hstack([*labels, pixels]).astype(np.uint8).tofile(folder / file)
        for file in spec.names:
            classes = max(spec.labels.values()) if "fine" in file or "meta" in file else 20
            named = spec.classes or [f"class{k:02}" for k in range(classes)]
            (folder / file).write_text("\n".join(named))
    return tmp_path


@pytest.fixture
def no_cifar(tmp_path, monkeypatch):
    monkeypatch.setenv("GSUTILS_DATA", str(tmp_path))
    monkeypatch.setenv("GSUTILS_OFFLINE", "1")


# --- tasks ----------------------------------------------------------------------------------


def test_images_and_finest_labels_are_those_of_the_files(fake_cifar):
    for name, labels in (("cifar10", 1), ("cifar100", 2)):
        task, spec = images.cifar(name), registry.CIFAR[name]
        content = [
            np.fromfile(fake_cifar / spec.folder / file, np.uint8).reshape(40, -1)
            for file in spec.records
        ]
        train, test = np.concatenate(content[:-1]), content[-1]
        assert np.array_equal(task.y, train[:, labels - 1])
        assert np.array_equal(task.y_test, test[:, labels - 1])
        assert np.array_equal(task.X[7, 2, 5, 9], train[7, labels + 2 * 1024 + 5 * 32 + 9])
        assert task.outputs == len(task.classes) == {"cifar10": 10, "cifar100": 100}[name]


def test_cats_and_dogs_are_two_classes_of_cifar_10(fake_cifar):
    task, whole = images.image_task("cifar2"), images.cifar("cifar10")
    of = np.isin(whole.y, (3, 5))
    assert np.array_equal(task.X, whole.X[of])
    assert np.array_equal(task.y, np.where(whole.y[of] == 5, 1, -1))
    assert task.classes == ("cat", "dog")
    assert task.outputs == 1
    assert task.name == "CIFAR-2 of CIFAR-10 (unverified)"


def test_the_digits_are_two_classes_apart_in_training_and_test():
    task = images.image_task("digits")
    assert set(task.y.tolist()) == set(task.y_test.tolist()) == {-1.0, 1.0}
    assert task.classes == ("3", "8")
    assert not task.mirror
    both = np.concatenate([task.X, task.X_test]).reshape(len(task.y) + len(task.y_test), -1)
    assert len(np.unique(both, axis=0)) == len(both)
    assert task.head(10, 5).X.shape == (10, 1, *mnist.embedded_digits().images.shape[1:])
    assert task.head(10, 5).hashes() != task.hashes()


def test_an_unknown_task_and_an_impossible_pair_are_refused(no_cifar):
    with pytest.raises(ValueError, match="name must be one of"):
        images.image_task("cifar3")
    with pytest.raises(ValueError, match="two different digits"):
        images.digit_pair(3, 3)
    with pytest.raises(fetch.DataUnavailable, match="CIFAR-10 is not at hand"):
        images.image_task("cifar10")


# --- cases ----------------------------------------------------------------------------------


def quick(name="cifar2-sd"):
    return ENTRIES["table1"].cases["quick"][name]


def test_digits_stand_in_where_cifar_is_not_at_hand_with_settings_of_their_own(no_cifar):
    case, task, _ = cifar.prepare(quick(), 0)
    assert task.name == images.digit_pair().name
    assert task.name not in registry.PUBLISHED
    assert case == quick().stand_in
    assert case.method == quick().method == methods.SD(lam=0.01)
    with pytest.raises(fetch.DataUnavailable):
        cifar.prepare(ENTRIES["table1"].cases["paper"]["cifar2-sd"], 0)


def test_cifar_goes_first_where_it_is_at_hand(fake_cifar):
    small = replace(quick(), train_size=50, batch=20)
    case, task, _ = cifar.prepare(small, 0)
    assert task.name.startswith("CIFAR-2")
    assert case == small


@pytest.mark.parametrize("stand_in", [None, TINY])
def test_cifar_is_downloaded_where_nothing_may_stand_in_for_it(monkeypatch, stand_in):
    asked = []

    def image_task(name, download):
        asked.append((name, download))
        return images.digit_pair()

    monkeypatch.setattr(images, "image_task", image_task)
    cifar.prepare(replace(TINY, task="cifar2", stand_in=stand_in), 0)
    assert asked == [("cifar2", stand_in is None)]


def test_each_case_has_the_task_and_the_method_of_its_name():
    for entry in cifar.ENTRIES.values():
        for cases in entry.cases.values():
            for name, case in cases.items():
                assert name == f"{case.task}-{methods.name_of(case.method)}"
                if case.stand_in:
                    assert (case.stand_in.task, case.stand_in.method) == ("digits", case.method)


def test_the_published_size_is_what_it_was_run_at():
    cases = ENTRIES["table1"].cases["paper"]
    assert list(cases) == [f"{t}-{m}" for t in images.TASKS[:3] for m in ("erm", "sd")]
    lam = {name: case.method.lam for name, case in cases.items() if "sd" in name}
    assert lam == {"cifar2-sd": 0.01, "cifar10-sd": 0.01, "cifar100-sd": 0.05}
    trained = {(c.widths, c.residual, c.weight_decay, c.train_size) for c in cases.values()}
    assert trained == {((128, 384, 512), True, 5e-4, None)}
    schedule = {c.task: (c.epochs, c.whole_epochs, c.batch, c.lr) for c in cases.values()}
    assert schedule["cifar2"] == (80, 16, 128, 0.1)
    assert schedule["cifar10"] == schedule["cifar100"] == (40, 8, 256, 0.2)
    attacked = {(c.test_size, c.attack_steps, c.restarts, c.walk, c.l2) for c in cases.values()}
    assert attacked == {(2000, 40, 5, 40, (0.05, 0.1, 0.2, 0.4, 0.8, 1.6))}


@pytest.mark.parametrize("size", ["quick", "paper"])
@pytest.mark.parametrize("name", ["table1", "cifar2-cpu"])
def test_the_radius_of_table_1_is_among_those_attacked(name, size):
    for case in ENTRIES[name].cases[size].values():
        assert cifar.EPS in case.l2
        assert cifar.EPS in case.linf
    assert set(ENTRIES[name].cases[size]) <= set(ENTRIES["table1"].paper)


def test_the_papers_numbers_are_those_of_table_1():
    paper = ENTRIES["table1"].paper
    assert str(paper["cifar10-sd"]["test accuracy"]) == "92.9 ± 0.16"
    for norm in ("L2", "Linf"):
        assert str(paper["cifar2-erm"][f"PGD accuracy ({norm})"]) == "42.3 ± 3.0"
        assert str(paper["cifar100-sd"][f"PGD accuracy ({norm})"]) == "24.9 ± 1.9"


def shown(case):
    """All that a training shows: of the images, the network and the attacks."""
    trained = cifar.train(case, [0], "cpu")
    return repr((trained.data, trained.metrics(), trained.curves()))


@pytest.fixture(scope="module")
def usual():
    return shown(TINY)


@pytest.mark.parametrize(
    "change",
    [
        {"task": "cifar2"}, {"method": methods.SD(lam=0.5)}, {"widths": (6, 9)},
        {"residual": True}, {"epochs": 4}, {"whole_epochs": 2}, {"batch": 24}, {"lr": 0.06},
        {"weight_decay": 0.1}, {"train_size": 79}, {"test_size": 23}, {"l2": (0.05, 1.1)},
        {"linf": (0.04, 0.31)}, {"attack_steps": 4}, {"restarts": 3}, {"walk": 3},
        {"precision": "bfloat16"},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_every_field_of_a_case_changes_what_comes_of_it(fake_cifar, usual, change):
    assert shown(replace(TINY, **change)) != usual


def test_no_field_of_a_case_is_left_out_above_but_the_stand_in():
    mark = test_every_field_of_a_case_changes_what_comes_of_it.pytestmark[0]
    tried = {name for change in mark.args[1] for name in change}
    assert {field.name for field in fields(cifar.Case)} - tried == {"stand_in"}


# --- what the loop and the attacks get --------------------------------------------------------


@pytest.mark.parametrize(("case", "pad", "flip"), [(TINY, 1, False), (FAKE, 4, True)])
def test_batches_are_of_the_first_training_images_cropped_and_mirrored(fake_cifar, case, pad, flip):
    case = replace(case, train_size=70, epochs=7, whole_epochs=2)
    _, task, batches = cifar.prepare(case, seed=5)
    whole = images.image_task(case.task)
    assert np.array_equal(batches.X, whole.X[:70])
    assert np.array_equal(batches.y, whole.y[:70])
    assert np.array_equal(task.X_test, whole.X_test)
    assert (batches.batch, batches.seed, batches.crop) == (20, 5, None)
    assert (batches.pad, batches.flip, batches.whole_from) == (pad, flip, 5)


@pytest.mark.parametrize(("case", "seed"), [(TINY, 4), (FAKE, 1)])
def test_a_network_is_trained_and_attacked_as_the_parts_are_by_hand(fake_cifar, case, seed):
    (run,) = cifar.train(case, [seed], "cpu").runs
    task = images.image_task(case.task).head(case.train_size)
    inputs, labels = training.pixels(torch.from_numpy(task.X)), torch.from_numpy(task.y)
    net = ConvNet((6, 8), inputs, task.outputs, residual=False, seed=seed)
    batches = cifar.prepare(case, seed).batches
    training.fit_images(
        net, batches, methods.SD(lam=0.01), epochs=case.epochs, lr=0.05, weight_decay=5e-4
    )
    net = Mirrored(net) if task.mirror else net
    with torch.no_grad():
        torch.testing.assert_close(run.logits("train"), net(inputs))
    X, y = training.pixels(torch.from_numpy(task.X_test)), torch.from_numpy(task.y_test)
    with torch.no_grad():
        logits = net(X)
    torch.testing.assert_close(run.logits(), logits)
    right = attack.logit_margin(logits, y) > 0
    assert run.accuracy() == pytest.approx(float(right.float().mean()))
    with torch.no_grad():
        fitted = attack.logit_margin(net(inputs), labels) > 0
    assert run.accuracy("train") == pytest.approx(float(fitted.float().mean()))
    k = case.test_size
    X, y, right = X[:k], y[:k], right[:k]
    for norm, radii in (("l2", (0.05, 1.0)), ("linf", (0.04, 0.3))):
        expected = attack.margins(net, X, y, radii, norm, steps=3, restarts=1)
        torch.testing.assert_close(run.margins(norm), expected)
        other = attack.margins(net, X, y, radii, norm, steps=2, restarts=1)
        torch.testing.assert_close(run.margins(norm, steps=2), other)
    starts = X[begin_at(X, y, right)]
    expected = attack.from_afar(net, X, starts, y, rounds=2)
    torch.testing.assert_close(run.margins_from_afar(), expected)


def test_a_walk_begins_at_the_nearest_image_that_rightly_has_another_answer():
    rng = stream(0, "test")
    X = torch.from_numpy(rng.random((30, 1, 3, 2)))
    y, right = torch.from_numpy(rng.integers(0, 3, 30)), torch.from_numpy(rng.random(30) < 0.6)
    for i, begun in enumerate(begin_at(X, y, right).tolist()):
        able = [j for j in range(30) if y[j] != y[i] and right[j]]
        assert begun == min(able, key=lambda j: float((X[j] - X[i]).norm()))


class _Answers(torch.nn.Module):
    """Answers an image by one of its pixels; no gradient is needed to see what is recorded."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(3.0))

    def forward(self, images):
        return self.scale * (images.mean((1, 2, 3)) - 0.32)


def test_a_record_holds_what_was_found_within_the_radii():
    task = images.digit_pair().head(50)
    case = replace(TINY, test_size=30, l2=(0.02, 0.6), linf=(0.001, 0.004), restarts=1)
    run = cifar.Run(_Answers(), task, case)
    other = cifar.Run(_Answers(), task, replace(case, walk=1))
    with torch.no_grad():
        other.net.scale.neg_()
    trained = cifar.Trained((run, other))
    metrics, curves = trained.metrics()[""], trained.curves()[""]
    X, y = training.pixels(torch.from_numpy(task.X_test)), torch.from_numpy(task.y_test)
    for place, one in enumerate((run, other)):
        logits = one.net(X).detach()
        right = (logits * y > 0).double()
        assert metrics["test accuracy"][place] == pytest.approx(float(right.mean()), abs=1e-6)
        assert metrics["train accuracy"][place] == pytest.approx(one.accuracy("train"))
        assert metrics["mean logit size"][place] == pytest.approx(float(logits.abs().mean()))
        afar = one.margins_from_afar()
        for norm, name, far in (("l2", "L2", 0.6), ("linf", "Linf", 0.004)):
            radii = np.linspace(0, far, 41)
            np.testing.assert_allclose(curves[f"eps ({name})"], radii)
            for kind, options in (("PGD", {}), ("one-step", {"steps": 1, "restarts": 1})):
                margin = one.margins(norm, **options).numpy()
                median = np.quantile(margin.clip(max=far), 0.5, method="lower")
                assert metrics[f"{kind} median margin ({name})"][place] == pytest.approx(median)
                assert metrics[f"{kind} accuracy ({name})"][place] == (margin > 0.05).mean()
                drawn = [row[place] for row in curves[f"{kind} accuracy ({name})"]]
                assert drawn == [(margin > radius).mean() for radius in radii]
        both = torch.minimum(afar, one.margins("l2"))
        for kind, margin in (("from afar", afar), ("shortest", both)):
            median = margin.clamp(max=0.6).median()
            assert metrics[f"{kind} median margin (L2)"][place] == pytest.approx(float(median))
    assert metrics["test accuracy"][0] != metrics["train accuracy"][0]


# --- runs -----------------------------------------------------------------------------------


def test_a_run_measures_both_norms_and_both_attacks(no_cifar):
    tiny = {"epochs": 3, "whole_epochs": 1, "widths": [6], "l2": [0.05, 0.4]}
    tiny |= {"train_size": 240, "test_size": 120}
    tiny = {f"stand_in.{key}": value for key, value in tiny.items()}
    outcome = ENTRIES["table1"].record("quick", [4], "cpu", tiny, ["cifar2-sd"])
    (case,) = outcome.metrics
    metrics, curves = outcome.metrics[case], outcome.curves[case]
    for norm in ("L2", "Linf"):
        weak, pgd = metrics[f"one-step accuracy ({norm})"][0], metrics[f"PGD accuracy ({norm})"][0]
        assert 0 <= pgd <= weak <= metrics["test accuracy"][0] + 1e-6
        curve = np.array(curves[f"PGD accuracy ({norm})"])
        assert curve.shape == (len(curves[f"eps ({norm})"]), 1)
        assert (np.diff(curve[:, 0]) <= 0).all()
    task = images.digit_pair().head(240)
    assert outcome.data == {"name": task.name} | task.hashes()


def test_a_stand_in_is_changed_as_a_part_of_its_case():
    cases = changed({"a": quick()}, {"stand_in.widths": [4], "epochs": 3})
    assert cases["a"] == replace(quick(), epochs=3, stand_in=replace(quick().stand_in, widths=(4,)))


def test_seeds_are_runs_of_their_own_each_with_a_checkpoint(tmp_path):
    both = cifar.train(TINY, (0, 1), "cpu", tmp_path / "training.pt")
    assert len(list(tmp_path.iterdir())) == 2
    again = cifar.train(TINY, (1, 0), "cpu", tmp_path / "training.pt")
    alone = cifar.train(TINY, [1], "cpu")
    logits = [run.logits() for run in (*both.runs, *again.runs, *alone.runs)]
    assert torch.equal(logits[0], logits[3])
    assert torch.equal(logits[1], logits[2])
    assert torch.equal(logits[1], logits[4])
    assert not torch.equal(logits[0], logits[1])


def test_lambda_zero_is_plain_training():
    erm, none = (cifar.train(replace(TINY, method=m), [0]) for m in (methods.ERM(), methods.SD()))
    assert torch.equal(erm.runs[0].logits(), none.runs[0].logits())


def test_several_classes_are_trained_and_attacked(fake_cifar):
    (run,) = cifar.train(FAKE, [0], "cpu").runs
    assert run.logits().shape == (40, 10)
    margin = run.margins("linf")
    wrong = attack.logit_margin(run.logits(), torch.from_numpy(run.task.y_test)) <= 0
    assert torch.equal(margin == 0, wrong[: FAKE.test_size])


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match="name must be one of"):
        cifar.train(replace(TINY, task="cifar3"), [0])


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"<html>", "reversed", "nine"])
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_class_names_that_are_not_the_official_ones_are_refused(name, content, fake_cifar):
    folder, spec = fetch.cifar(name), registry.CIFAR[name]
    path = folder / spec.names[-1]
    names = path.read_text().split()
    odd = {"reversed": "\n".join(names[::-1]).encode(), "nine": "\n".join(names[:-1]).encode()}
    path.unlink()
    if content is not None:
        path.write_bytes(odd.get(content, content))
    with pytest.raises(fetch.CorruptData, match=rf"{path.name} does not hold the .* class names"):
        images.cifar(name)


@pytest.mark.parametrize("said", ["CIFAR-10", "MNIST", " CIFAR-10 ", "a\x1b[31m", "a\x00"])
def test_no_note_beside_the_files_gives_them_a_published_name(said, fake_cifar):
    (fetch.cifar("cifar10") / "SOURCE.txt").write_text(said)
    with pytest.raises(fetch.CorruptData, match=r"SOURCE.txt (says|has)"):
        fetch.source_name("cifar10")
