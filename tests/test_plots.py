"""Figures: what is drawn where, in a style that does not leak."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba

from gsutils.page import plots

plt.switch_backend("agg")


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    figure.canvas.draw()
    plt.close(figure)


def test_the_style_ends_with_its_block():
    before = dict(plt.rcParams)
    with plots.style():
        assert plt.rcParams["figure.facecolor"] == "white"
        assert not plt.rcParams["axes.spines.top"]
    assert dict(plt.rcParams) == before


def test_the_style_of_a_chapter_gives_a_white_ground():
    with plt.rc_context():
        plots.use_style()
        assert all(plt.rcParams[key] == value for key, value in plots.STYLE.items())
        figure, _ = plt.subplots()
        assert figure.get_facecolor() == (1, 1, 1, 1)
        plt.close(figure)


def test_classes_differ_in_colour_and_in_shape(ax):
    X, y = np.arange(8.0).reshape(4, 2), np.array([1, -1, -1, -1])
    plots.points(ax, X, y)
    negative, positive = ax.collections
    assert np.array_equal(negative.get_offsets(), X[1:])
    assert np.array_equal(positive.get_offsets(), X[:1])
    assert not np.array_equal(negative.get_paths()[0].vertices, positive.get_paths()[0].vertices)
    assert negative.get_facecolor().tolist() == [list(to_rgba(plots.NEGATIVE))]


def test_points_of_one_class_alone_are_drawn(ax):
    plots.points(ax, np.zeros((3, 2)), np.ones(3))


def test_the_mean_and_each_boundary_are_drawn(ax):
    x1, x2 = np.linspace(-1, 1, 5), np.linspace(0, 3, 7)
    probability = np.stack([np.tile(np.linspace(0, 1 + shift, 5), (7, 1)) for shift in (0, 0.2)])
    plots.decision(ax, x1, x2, probability)
    assert len(ax.collections) == 3  # two runs and their mean
    np.testing.assert_allclose(ax.images[0].get_array(), probability.mean(0))
    assert ax.images[0].get_extent() == [-1, 1, 0, 3]
    (line,) = ax.collections[0].get_paths()
    np.testing.assert_allclose(line.vertices[:, 0], 0, atol=1e-12)


def test_the_boundaries_of_the_runs_can_be_left_out(ax):
    axis = np.linspace(0, 1, 4)
    plots.decision(ax, axis, axis, np.random.default_rng(0).random((3, 4, 4)), each=False)
    assert len(ax.collections) == 1


@pytest.mark.parametrize("shape", [(4, 5), (2, 5, 4), (2, 4, 5, 1)])
def test_a_map_that_does_not_fit_its_axes_is_refused(ax, shape):
    with pytest.raises(ValueError, match=r"probability must be \(runs, 4, 5\), got"):
        plots.decision(ax, np.zeros(5), np.zeros(4), np.zeros(shape))


def test_a_panel_has_a_title_a_note_and_no_ticks(ax):
    plots.panel(ax, "plain", "margin 0.1")
    assert (ax.get_title(), ax.get_xlabel()) == ("plain", "margin 0.1")
    assert len(ax.get_xticks()) == len(ax.get_yticks()) == 0


def test_bars_show_their_values(ax):
    groups = {
        "train": {"ERM": (90.0, 1.0), "SD": (70.0, np.nan)},
        "test": {"SD": (60.0, 2.0), "ERM": (20.4, 0.5)},
    }
    plots.bars(ax, groups, {"ERM": plots.PLAIN, "SD": plots.DECOUPLED})
    heights = [[bar.get_height() for bar in container] for container in ax.containers[1::2]]
    assert heights == [[90, 20.4], [70, 60]]
    assert [t.get_text() for t in ax.texts] == ["90", "20", "70", "60"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["train", "test"]
    edges = [bar.get_x() for container in ax.containers[1::2] for bar in container]
    assert len(set(np.round(edges, 6))) == 4
