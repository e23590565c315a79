"""Widgets: what is drawn, that moving a slider draws it anew, and that nobody's absence shows."""

import builtins
import sys
from dataclasses import replace

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from gsutils import dual, perturbation, text
from gsutils.experiments import two_moons
from gsutils.page import widgets
from gsutils.page.widgets import live, plane

plt.switch_backend("agg")
PLANE = {"s1": 3.0, "s2": 2.0, "delta": 0.5, "lam": 1.0}


@pytest.fixture
def axes():
    figure, axes = plt.subplots(1, 2)
    yield axes
    plt.close(figure)


@pytest.fixture
def shown(monkeypatch):
    """Counts the figures shown, and closes each."""
    titles = []

    def show():
        assert len(plt.get_fignums()) == 1
        titles.append([ax.get_title() for ax in plt.gcf().axes])
        plt.close("all")

    monkeypatch.setattr(plt, "show", show)
    return titles


def line(ax, label):
    (found,) = [one for one in ax.lines if label in one.get_label()]
    return np.column_stack(found.get_data())


# --- the phase plane ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", plane.FLOWS)
def test_the_trajectory_ends_at_the_fixed_point_and_the_responses_at_theirs(axes, kind):
    widgets.draw_phase_plane(axes, **PLANE, kind=kind)
    problem = perturbation.coupling(0.5), np.array([9.0, 4.0]), 1.0
    alpha = dual.fixed_point(*problem, kind)
    np.testing.assert_allclose(line(axes[0], "fixed point")[0], alpha, rtol=1e-9)
    np.testing.assert_allclose(line(axes[0], "followed")[0], plane.ALPHA0, rtol=1e-9)
    np.testing.assert_allclose(line(axes[0], "followed")[-1], alpha, rtol=1e-3)
    z = np.abs(dual.response_at(alpha, *problem, kind))
    for label, value in zip(("|z₁|", "|z₂|"), z):
        assert line(axes[1], label)[-1, 1] == pytest.approx(value, rel=1e-3)
        assert f"{value:.3g}" in axes[1].get_legend_handles_labels()[1]["₁₂".index(label[2])]


@pytest.mark.parametrize("kind", plane.FLOWS)
def test_all_trajectories_end_at_the_fixed_point(axes, kind):
    widgets.draw_phase_plane(axes, **PLANE, kind=kind)
    paths = [np.column_stack(one.get_data()) for one in axes[0].lines]
    ends = [path[-1] for path in paths if len(path) > 1]
    assert len(ends) == 9
    np.testing.assert_allclose(ends, np.tile(ends[0], (9, 1)), rtol=1e-3)


@pytest.mark.parametrize("kind", plane.FLOWS)
def test_one_example_is_at_rest_on_each_nullcline(axes, kind):
    widgets.draw_phase_plane(axes, **PLANE, kind=kind)
    contours = [one for one in axes[0].collections if one.get_linestyle()[0][1] is not None]
    assert len(contours) == 2
    for i, contour in enumerate(contours):
        points = np.concatenate([path.vertices for path in contour.get_paths()])
        speed = dual.velocity(points, perturbation.coupling(0.5), np.array([9.0, 4.0]), 1.0, kind)
        assert np.abs(speed[:, i]).max() < 0.02
        assert np.abs(speed[:, 1 - i]).max() > 0.5


def test_a_fixed_point_close_to_zero_is_seen_in_its_corner(axes):
    widgets.draw_phase_plane(axes, s1=6.0, s2=2.0, delta=0.5, lam=0.02, kind="exact")
    point = line(axes[0], "fixed point")[0]
    assert point.max() < 0.01
    assert axes[0].get_xlim() == axes[0].get_ylim() == (0, pytest.approx(3 * point.max()))


def test_under_spectral_decoupling_the_nullclines_are_straight_whatever_the_coupling(axes):
    widgets.draw_phase_plane(axes, **PLANE, kind="sd")
    contours = [one for one in axes[0].collections if one.get_linestyle()[0][1] is not None]
    for i, contour in enumerate(contours):
        (path,) = contour.get_paths()
        assert np.ptp(path.vertices[:, i]) < 1e-6


@pytest.mark.parametrize(("kind", "delta"), [("exact", 0.99), ("taylor", -0.99), ("sd", 0.99)])
def test_the_ends_of_the_sliders_can_be_drawn(axes, kind, delta):
    widgets.draw_phase_plane(axes, 8.0, 0.1, delta, 0.01, kind)
    assert line(axes[0], "fixed point").size == 2
    axes[0].figure.canvas.draw()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"s1": 0}, "s1 must be > 0 and finite, got 0"),
        ({"s2": -1.0}, "s2 must be > 0 and finite, got -1.0"),
        ({"lam": np.inf}, "lam must be > 0 and finite, got inf"),
        ({"delta": 1}, r"delta must lie in \(-1, 1\), got 1"),
        ({"delta": np.nan}, r"delta must lie in \(-1, 1\), got nan"),
        ({"kind": "eq9"}, r"kind must be in \('exact', 'taylor', 'sd'\), got 'eq9'"),
    ],
)
def test_a_plane_that_does_not_exist_is_refused(setting, message, shown):
    with pytest.raises(ValueError, match=message):
        widgets.phase_plane(**setting)
    assert not shown


# --- the trainer ----------------------------------------------------------------------------


def test_the_circle_around_the_nearest_point_has_the_margin_for_its_radius(axes):
    trained = two_moons.train(replace(two_moons.CASES["sd"], steps=400), seeds=[0])
    widgets.draw_two_moons(axes, trained)
    (circle,) = axes[0].patches
    margin = trained.margins[0]
    assert margin > 0
    assert circle.radius == margin
    assert circle.center in trained.X[0]
    assert axes[1].get_title() == f"input margin {margin:.3f}"
    shift, share = axes[1].lines[0].get_data()
    assert share[shift < margin].max() == 0
    assert share[shift > margin + 0.01].min() > 0


def test_misclassified_points_are_counted_and_there_is_no_circle(axes):
    case = two_moons.Case("overlap", steps=20, delta=-0.3)
    trained = two_moons.train(case, seeds=[0])
    wrong = round(300 * (1 - trained.history["accuracy"][-1, 0]))
    assert wrong > 0
    widgets.draw_two_moons(axes, trained)
    assert not axes[0].patches
    assert axes[1].get_title() == f"{wrong} of 300 points misclassified"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"delta": 2}, r"delta must lie in \[-1, 1\], got 2"),
        ({"lam": -0.1}, "lam must be >= 0 and finite, got -0.1"),
        ({"weight_decay": np.nan}, "weight_decay must be >= 0 and finite, got nan"),
        ({"steps": 10**9}, r"steps must lie in 1\.\.10000, got 1000000000"),
    ],
)
def test_a_training_that_cannot_be_is_refused(setting, message, shown):
    with pytest.raises(ValueError, match=message):
        widgets.two_moons_trainer(**setting)
    assert not shown


# --- where nobody watches -------------------------------------------------------------------


def test_without_a_person_one_figure_is_shown(shown, capfd):
    widgets.phase_plane(kind="sd")
    widgets.two_moons_trainer(steps=1)
    assert len(shown) == 2
    assert shown[0][0] == "spectral decoupling (Eq. 18)"
    assert capfd.readouterr() == ("", "")


def test_without_ipywidgets_one_figure_is_shown(shown, monkeypatch):
    monkeypatch.setattr(live, "_in_live_notebook", lambda: True)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    widgets.phase_plane()
    assert len(shown) == 1


def test_a_terminal_is_no_notebook(shown, monkeypatch):
    monkeypatch.setattr(text, "person_watches", lambda: True)
    widgets.phase_plane()
    assert len(shown) == 1


def test_nothing_imports_ipywidgets_before_a_widget_is_shown(monkeypatch, shown):
    real = builtins.__import__

    def guarded(name, *rest, **options):
        assert name != "ipywidgets"
        return real(name, *rest, **options)

    monkeypatch.setattr(live, "_ipywidgets", lambda: None)
    monkeypatch.setattr(builtins, "__import__", guarded)
    widgets.phase_plane()
    assert len(shown) == 1


# --- live -----------------------------------------------------------------------------------


@pytest.fixture
def panel(monkeypatch):
    """Shows a widget as in a notebook, and returns its controls by their descriptions."""
    displayed = []
    monkeypatch.setattr(live, "_in_live_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", displayed.append)

    def show(widget, **settings):
        widget(**settings)
        (box,) = displayed
        controls, _ = box.children
        return {control.description: control for control in controls.children}

    return show


def test_moving_a_slider_draws_the_plane_anew(panel, shown):
    controls = panel(widgets.phase_plane, s1=20.0)
    assert set(controls) == {"strength s₁", "strength s₂", "coupling δ", "λ", "flow"}
    assert controls["strength s₁"].value == 20  # beyond the slider's usual range
    assert shown == [["exact flow (Eq. 9)", "s₁ = 20, s₂ = 2, δ = 0.5, λ = 1"]]
    controls["coupling δ"].value = -0.2
    controls["λ"].value = 0.5
    controls["flow"].value = "taylor"
    assert shown[-1] == ["Taylor flow (Eq. 10)", "s₁ = 20, s₂ = 2, δ = −0.2, λ = 0.5"]
    assert len(shown) == 4


def test_moving_a_slider_trains_anew(panel, shown):
    controls = panel(widgets.two_moons_trainer, steps=2)
    assert set(controls) == {"gap Δ", "SD, λ", "weight decay", "steps"}
    controls["SD, λ"].value = 0.02
    controls["gap Δ"].value = -0.1
    controls["weight decay"].value = 0.01
    assert len(shown) == 4
    assert shown[-1][0] == "Δ = −0.1, λ = 0.02, weight decay 0.01"


@pytest.mark.parametrize("widget", [widgets.phase_plane, widgets.two_moons_trainer])
def test_a_slider_acts_when_it_is_let_go(panel, shown, monkeypatch, widget):
    monkeypatch.setattr(live, "_show", lambda draw, settings: None)
    controls = panel(widget)
    sliders = [one for one in controls.values() if hasattr(one, "continuous_update")]
    assert sliders
    assert not any(slider.continuous_update for slider in sliders)


@pytest.mark.parametrize("error", [ValueError, dual.NotConverged])
def test_failing_settings_give_a_message_and_leave_no_figure(
    panel, shown, monkeypatch, capsys, error
):
    controls = panel(widgets.phase_plane)

    def fail(*arguments):
        raise error("the flow was not followed")

    monkeypatch.setattr(dual, "flow", fail)
    controls["coupling δ"].value = 0.3
    assert len(shown) == 1
    out = capsys.readouterr().out
    assert "Nothing to show for these settings: the flow was not followed\n" in out
    assert not plt.get_fignums()


# --- in a kernel ----------------------------------------------------------------------------

CELLS = [
    "from gsutils.page import widgets\nwidgets.phase_plane()",
    "from gsutils import text\ntext.person_watches = lambda: True\nwidgets.phase_plane()",
    "import gc, ipywidgets\n"
    "(delta,) = [w for w in gc.get_objects() if isinstance(w, ipywidgets.FloatSlider)"
    " and w.description == 'coupling δ']\n"
    "delta.value = -0.5",
]


@pytest.fixture(scope="module")
def notebook():
    """A notebook in which nobody watches in the first cell, and somebody does in the others."""
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    book = nbformat.v4.new_notebook(cells=cells)
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    client = NotebookClient(book, timeout=120)
    client.execute()
    return book, client.widget_state


def test_a_page_gets_one_image_and_nothing_else(notebook):
    (output,) = notebook[0].cells[0].outputs
    assert output.output_type == "display_data"
    assert set(output.data) == {"image/png", "text/plain"}


def test_a_live_notebook_gets_a_widget_that_redraws(notebook):
    book, state = notebook
    (output,) = book.cells[1].outputs
    assert "application/vnd.jupyter.widget-view+json" in output.data
    (drawn,) = [one for one in state.values() if one["_model_name"] == "OutputModel"]
    (now,) = drawn["outputs"]
    assert "image/png" in now["data"]
    still = book.cells[0].outputs[0].data["image/png"]
    assert now["data"]["image/png"] != still
