"""CIFAR and the entries of chapter 6: data, settings, a small run, the paper's numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gsutils import attack
from gsutils.data import fetch, images, registry
from gsutils.experiments import ENTRIES, cifar
from gsutils.runs.entry import Job
from gsutils.seeding import stream

torch.set_num_threads(1)
TINY = cifar.Settings(
    widths=(6, 8), epochs=4, whole_epochs=1, batch=20, lr=0.05, l2=(0.05, 1.0), linf=(0.05, 0.3),
    attack_steps=3,
)  # fmt: skip
QUICK = ENTRIES["table1"].settings["quick"]


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
            (folder / file).write_text("\n".join(f"class{k}" for k in range(classes)))
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
    assert task.classes == ("class3", "class5")
    assert task.outputs == 1
    assert task.name == "CIFAR-2 of CIFAR-10 (unverified)"


def test_the_digits_are_two_classes_apart_in_training_and_test():
    task = images.image_task("digits")
    assert set(task.y.tolist()) == set(task.y_test.tolist()) == {-1.0, 1.0}
    assert task.classes == ("3", "8")
    assert not task.mirror
    both = np.concatenate([task.X, task.X_test]).reshape(len(task.y) + len(task.y_test), -1)
    assert len(np.unique(both, axis=0)) == len(both)
    assert task.head(10, 5).X.shape == (10, 1, 8, 8)
    assert task.head(10, 5).hashes() != task.hashes()


def test_an_unknown_task_and_an_impossible_pair_are_refused(no_cifar):
    with pytest.raises(ValueError, match="name must be one of"):
        images.image_task("cifar3")
    with pytest.raises(ValueError, match="two different digits"):
        images.digit_pair(3, 3)
    with pytest.raises(fetch.DataUnavailable, match="CIFAR-10 is not at hand"):
        images.image_task("cifar10")


# --- settings -------------------------------------------------------------------------------


def test_digits_stand_in_where_cifar_is_not_at_hand_with_settings_of_their_own(no_cifar):
    task, settings = cifar.task_settings(QUICK, "cifar2")
    assert "stand-in" in task.name
    assert settings.widths == tuple(QUICK["digits"]["widths"])
    assert settings.weight_decay == QUICK["weight_decay"]
    with pytest.raises(fetch.DataUnavailable):
        cifar.task_settings(ENTRIES["table1"].settings["paper"], "cifar2")


def test_cifar_goes_first_where_it_is_at_hand(fake_cifar):
    task, settings = cifar.task_settings(QUICK, "cifar2")
    assert task.name.startswith("CIFAR-2")
    assert settings.widths == tuple(QUICK["widths"])


def test_cifar_100_has_a_coefficient_of_its_own(fake_cifar):
    settings = ENTRIES["table1"].settings["paper"]
    lam = {data: cifar.task_settings(settings, data)[1].lam for data in settings["data"]}
    assert lam == {"cifar2": 0.01, "cifar10": 0.01, "cifar100": 0.05}


@pytest.mark.parametrize("size", ["quick", "paper"])
@pytest.mark.parametrize("name", ["table1", "cifar2-cpu"])
def test_the_radius_of_table_1_is_among_those_attacked(name, size):
    settings = ENTRIES[name].settings[size]
    assert cifar.EPS in settings["l2"]
    assert cifar.EPS in settings["linf"]
    assert set(ENTRIES[name].cases(settings)) <= set(ENTRIES["table1"].paper)


def test_the_papers_numbers_are_those_of_table_1():
    paper = ENTRIES["table1"].paper
    assert paper["cifar10-sd"]["test accuracy"] == pytest.approx((0.929, 0.0016))
    for norm in ("L2", "Linf"):
        assert paper["cifar2-erm"][f"PGD accuracy ({norm})"] == pytest.approx((0.423, 0.03))
        assert paper["cifar100-sd"][f"PGD accuracy ({norm})"] == pytest.approx((0.249, 0.019))


# --- runs -----------------------------------------------------------------------------------


def test_a_job_measures_both_norms_and_both_attacks(no_cifar):
    settings = {**QUICK, "digits": {**QUICK["digits"], "epochs": 3, "whole_epochs": 1}}
    settings = settings | {"attack_steps": 3}
    outcome = ENTRIES["table1"].run(Job(settings, "cifar2-sd", (4,), torch.device("cpu")))
    (case,) = outcome.metrics
    metrics, curves = outcome.metrics[case], outcome.curves[case]
    for norm in ("L2", "Linf"):
        weak, pgd = metrics[f"one-step accuracy ({norm})"][0], metrics[f"PGD accuracy ({norm})"][0]
        assert 0 <= pgd <= weak <= metrics["test accuracy"][0] + 1e-6
        curve = np.array(curves[f"PGD accuracy ({norm})"])
        assert curve.shape == (len(curves[f"eps ({norm})"]), 1)
        assert (np.diff(curve[:, 0]) <= 0).all()
    assert outcome.data["name"] == images.digit_pair().name


def test_a_run_can_be_repeated_and_another_seed_is_another_run():
    task = images.digit_pair()
    runs = [cifar.train_task(task, "sd", TINY, seed, "cpu") for seed in (0, 0, 1)]
    assert torch.equal(runs[0].logits(), runs[1].logits())
    assert torch.equal(runs[0].margins("l2"), runs[1].margins("l2"))
    assert not torch.equal(runs[0].logits(), runs[2].logits())


def test_lambda_zero_is_plain_training():
    task = images.digit_pair()
    erm = cifar.train_task(task, "erm", TINY, 0, "cpu")
    none = cifar.train_task(task, "sd", replace(TINY, lam=0.0), 0, "cpu")
    assert torch.equal(erm.logits(), none.logits())


def test_several_classes_are_trained_and_attacked(fake_cifar):
    task = images.cifar("cifar10")
    run = cifar.train_task(task, "sd", TINY, 0, "cpu")
    assert run.logits().shape == (40, 10)
    margin = run.margins("linf")
    wrong = attack.logit_margin(run.logits(), torch.from_numpy(task.y_test)) <= 0
    assert torch.equal(margin == 0, wrong)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="method must be in"):
        cifar.train_task(images.digit_pair(), "irm", TINY, 0)
