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


def test_each_seed_is_a_dot_and_their_mean_a_short_line(ax):
    seeds = [np.array([1.0, 3.0]), np.array([5.0, 6.0, 10.0])]
    plots.dots(ax, [0, 10], seeds, plots.METHODS["sd"], "SD")
    singles, means, key = ax.lines
    assert singles.get_xdata().tolist() == [0, 0, 10, 10, 10]
    assert singles.get_ydata().tolist() == [1, 3, 5, 6, 10]
    assert singles.get_marker() == plots.METHODS["sd"].marker
    assert means.get_ydata().tolist() == [2, 7]
    assert (means.get_marker(), means.get_linestyle()) == ("_", "-")
    assert ax.get_legend_handles_labels() == ([key], ["SD"])
    assert not ax.containers, "an error bar or a bar"


def test_dots_at_places_that_are_missing_are_refused(ax):
    with pytest.raises(ValueError, match="values must be given for 2 places, got 1"):
        plots.dots(ax, [0, 1], [np.zeros(3)], plots.METHODS["sd"])


def test_groups_show_seeds_and_means_side_by_side(ax):
    groups = {
        "train": {"ERM": np.array([80.0, 100.0]), "SD": np.array([70.0])},
        "test": {"SD": np.array([60.0]), "ERM": np.array([20.4, 20.4])},
    }
    looks = {"ERM": plots.METHODS["erm"], "SD": plots.METHODS["sd"]}
    plots.groups(ax, groups, looks)
    drawn = {line.get_color(): line.get_ydata().tolist() for line in ax.lines[:4:3]}
    assert drawn == {plots.PLAIN: [80, 100, 20.4, 20.4], plots.DECOUPLED: [70, 60]}
    assert [t.get_text() for t in ax.texts] == ["90", "20", "70", "60"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["train", "test"]
    places = [x for line in (ax.lines[1], ax.lines[4]) for x in line.get_xdata()]
    np.testing.assert_allclose(places, [-0.2, 0.8, 0.2, 1.2])
    assert not ax.containers, "an error bar or a bar"


def test_coloured_images_have_the_colours_of_digits_and_of_no_class(ax):
    one = np.zeros((2, 2, 1, 1))
    one[0, 0] = one[1, 1] = 1
    figure, axes = plt.subplots(1, 2)
    plots.cards(axes, one)
    shown = [to_rgba(ax.images[0].get_array()[0, 0]) for ax in axes]
    np.testing.assert_allclose(shown, [to_rgba(colour) for colour in plots.DIGITS])
    plt.close(figure)
