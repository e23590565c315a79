"""The cards, and CelebA read from the folder that prepare_celeba lays out."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import expit

from gsutils.data import faces, fetch, registry
from gsutils.seeding import stream


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    folder = tmp_path_factory.mktemp("official")
    faces.write_cards(folder, seed=3, sizes=(400, 40, 40))
    return folder


@pytest.fixture(scope="module")
def root(official):
    return fetch.prepare_celeba(official, root=official, verified=False)


def test_the_group_counts_are_those_of_the_official_splits():
    for split, counts in faces.COUNTS.items():
        assert sum(counts) == registry.CELEBA_SPLITS[split]
    assert faces.COUNTS["train"][3] / sum(faces.COUNTS["train"]) == pytest.approx(0.0085, abs=5e-5)


def test_cards_come_in_the_official_layout_and_in_celebas_proportions(official, root):
    assert (official / "list_attr_celeba.txt").read_text().splitlines()[0] == "480"
    train, _, test = (faces.read(root, split, name="cards") for split in faces.SPLITS)
    assert train.group.bincount().tolist() == [177, 164, 56, 3]
    assert test.group.bincount().tolist() == [10, 10, 10, 10]
    assert ((train.y > 0) == (train.group >= 2)).all()
    assert train.y.dtype == torch.float32


def test_images_one_by_one_are_those_all_at_once(root):
    split = faces.read(root, "validation", name="cards")
    assert split.images.shape == (40, 3, 16, 16)
    image, y, group, index = split[7]
    assert torch.equal(image, split.images[7])
    assert (y, group, index) == (split.y[7], split.group[7], 7)


def test_the_same_seed_writes_the_same_files(tmp_path):
    names = [file.name for file in registry.CELEBA.values()]
    written = []
    for seed, name in ((1, "a"), (1, "b"), (2, "c")):
        (tmp_path / name).mkdir()
        faces.write_cards(tmp_path / name, seed, (20, 10, 10))
        written.append([(tmp_path / name / file).read_bytes() for file in names])
    assert written[0] == written[1]
    assert written[0][0] != written[2][0]


@pytest.mark.parametrize("sizes", [(20, 10), (20, 10, 9)])
def test_impossible_sizes_of_cards_are_refused(tmp_path, sizes):
    with pytest.raises(ValueError, match="sizes must be three integers >= 10"):
        faces.write_cards(tmp_path, 0, sizes)


def test_an_unknown_split_is_refused(root):
    with pytest.raises(ValueError, match="split must be in"):
        faces.read(root, "val")


def test_a_missing_image_is_named(tmp_path):
    faces.write_cards(tmp_path, 0, (20, 10, 10))
    folder = fetch.prepare_celeba(tmp_path, root=tmp_path, verified=False)
    (folder / "img_align_celeba" / "000005.jpg").unlink()
    with pytest.raises(fetch.CorruptData, match=r"lacks 1 of the 20 .*train split.*000005\.jpg"):
        faces.read(folder, "train", name="cards")
    with pytest.raises(fetch.CorruptData, match="39 images, expected 40"):
        fetch.celeba(root=tmp_path)


def test_a_damaged_image_is_named(tmp_path):
    faces.write_cards(tmp_path, 0, (20, 10, 10))
    folder = fetch.prepare_celeba(tmp_path, root=tmp_path, verified=False)
    (folder / "img_align_celeba" / "000002.jpg").write_bytes(b"\xff\xd8\xff not an image")
    split = faces.read(folder, "train", name="cards")
    with pytest.raises(fetch.CorruptData, match=r"000002\.jpg cannot be read as an image"):
        split[1]


def test_a_split_without_one_of_the_groups_is_refused(tmp_path):
    faces.write_cards(tmp_path, 0, (20, 10, 10))
    attributes = tmp_path / registry.CELEBA["attributes"].name
    lines = attributes.read_text().splitlines()
    lines[2:] = [f"{line[:10]} -1 {line[-2:]}" for line in lines[2:]]  # nobody is blond
    attributes.write_text("\n".join(lines) + "\n")
    folder = fetch.prepare_celeba(tmp_path, root=tmp_path, verified=False)
    with pytest.raises(fetch.CorruptData, match="has no blond women, blond men"):
        faces.read(folder, "train", name="cards")


def test_celeba_that_was_not_prepared_is_explained(tmp_path):
    with pytest.raises(fetch.DataUnavailable, match=r"list_attr_celeba\.txt.*prepare_celeba\.py"):
        fetch.celeba(root=tmp_path)


def test_a_face_is_cropped_to_its_middle_square():
    columns = np.broadcast_to(np.arange(218)[:, None, None], (218, 178, 3)).astype(np.uint8)
    square = np.array(faces.crop(Image.fromarray(columns)))
    assert square.shape == (224, 224, 3)
    assert square[0].max() == 20  # (218 - 178) / 2 rows are cut above
    assert square[-1].min() == 197


def test_bayes_accuracy_is_what_bayes_rule_gets_on_many_cards():
    for threshold in (-2.3, 0.0):
        group = np.repeat(np.arange(4), 40_000)
        tone = faces.tones(group, stream(0, "test"))
        pale = faces.bayes_logit(tone, group % 2) > threshold
        found = [(pale == (g >= 2))[group == g].mean() for g in range(4)]
        assert faces.bayes_accuracy(threshold) == pytest.approx(found, abs=0.01)


def test_bayes_logit_is_the_log_odds_among_drawn_cards():
    counts = np.array(faces.COUNTS["train"])
    group = np.repeat(np.arange(4), counts)
    tone = faces.tones(group, stream(1, "test"))
    near = np.abs(tone - 0.5) < 0.1
    disc = near & (group % 2 == 0)
    assert (group[disc] >= 2).mean() == pytest.approx(expit(faces.bayes_logit(0.5, 0)), abs=0.02)


def test_a_paler_tone_makes_a_brighter_band_and_leaves_the_mark():
    dark, pale = faces.draw_cards(np.array([-2.0, 2.0]), np.array([1, 1]), stream(0, "test"))
    assert pale[:5].mean() > dark[:5].mean() + 40
    assert pale[5:].mean() == pytest.approx(dark[5:].mean(), abs=5)


def test_cards_are_read_from_files_that_exist():
    train, _, test = faces.cards(0, (40, 12, 12))
    assert all(Path(file).is_file() for file in (*train.files, *test.files))
    assert train.name == faces.CARDS


FORK = """
import atexit, gc, os
import os
import subprocess
import sys
from pathlib import Path
from gsutils.data import faces
train, *_ = faces.cards(0, (40, 12, 12))
if not (child := os.fork()):
    atexit._run_exitfuncs()  # what Python 3.13 does as a worker ends
    atexit._clear()
    gc.collect()
    os._exit(0)
os.waitpid(child, 0)
assert all(Path(file).is_file() for file in train.files)
print(Path(train.files[0]).parents[2])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_cards_stay_when_a_forked_process_ends_and_go_with_the_one_that_made_them():
    run = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    folder = Path(run.stdout.strip())
    assert folder.name.startswith("gsutils-cards-")
    assert not folder.exists()
