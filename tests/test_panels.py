"""What figures get as they are shown: minus signs, letters that can be read, panels for phones."""

import io
import zlib
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from gsutils.page import panels, plots
from tools import phone, slim

plt.switch_backend("agg")


@pytest.fixture
def subplots():
    """Function like `plt.subplots`; its figures are closed at the end."""
    figures = []

    def make(*args, **settings):
        with plots.style():
            figure, axes = plt.subplots(*args, **settings)
        figures.append(figure)
        return figure, axes

    yield make
    for figure in figures:
        plt.close(figure)


def texts(figure):
    figure.draw_without_rendering()
    return [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


def png(width, height):
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Δ = -0.1", "Δ = −0.1"),
        ("-3", "−3"),
        ("(-.5, -2)", "(−.5, −2)"),
        ("1e-06", "1e−06"),
        ("-∞", "−∞"),
        ("two-moons, a-c, 1-3", "two-moons, a-c, 1-3"),
        ("V-REx", "V-REx"),
        ("$z_2-1$", "$z_2-1$"),
    ],
)
def test_a_hyphen_before_a_number_becomes_a_minus_sign(written, shown):
    assert panels.minus(written) == shown


@pytest.mark.parametrize("scale", ["linear", "log", "symlog"])
def test_no_text_of_a_figure_has_a_hyphen_for_a_minus_sign(subplots, scale):
    figure, ax = subplots()
    ax.plot([1e-4, 1], [-0.01, 0.01] if scale != "log" else [1e-3, 1], label=f"δ = {-0.3:g}")
    ax.set(xscale="log", yscale=scale, title=f"Δ = {-0.1:+}", xlabel=f"{1e-6:g}")
    ax.set_xticks([1e-4, 1e-2, 1], ["-1", 0, 2.5])  # labels need not be text
    ax.annotate(f"{-2:.2f}", (0.1, 0))
    ax.legend()
    shown = [text.get_text() for text in texts(panels.finish(figure))]
    assert {"Δ = −0.1", "1e−06", "−1", "−2.00", "δ = −0.3"} <= set(shown)
    assert [text for text in shown if "-" in text and "$" not in text] == []
    assert any("−" in text or "{-" in text for text in shown)


@pytest.mark.parametrize("width", [5.0, 7.6, 10.4])
def test_letters_have_seven_points_on_a_desktop(subplots, width):
    figure, ax = subplots(figsize=(width, 3))
    ax.plot([0, 1], label="a")
    ax.legend(fontsize=6)
    ax.set_title("large", fontsize=14)
    ax.annotate("small", (0, 0), fontsize=5)
    ax.tick_params(labelsize=4)
    panels.finish(figure)
    scale = min(1, panels.COLUMN / width)  # a wide figure is shrunk to the column
    shown = [t.get_fontsize() * 100 / 72 * scale * 0.75 for t in texts(figure)]
    assert min(shown) == pytest.approx(7)
    assert max(shown) == pytest.approx(14 * 100 / 72 * scale * 0.75)


def test_charts_of_a_row_stand_below_one_another(subplots):
    figure, axes = subplots(1, 3, figsize=(10, 3), sharey=True)
    for ax, title in zip(axes, "abc"):
        ax.plot([0, 1])
        ax.set(title=title, xlabel="step")
    axes[0].set_ylabel("accuracy")
    twin = axes[2].twinx()
    assert panels.stack(figure)
    figure.draw_without_rendering()
    boxes = [ax.get_position() for ax in axes]
    assert figure.get_figwidth() == panels.PHONE
    assert all(one.y0 > other.y1 for one, other in pairwise(boxes))
    assert all(box.width > 0.6 for box in boxes)
    assert np.allclose(twin.get_position().bounds, boxes[2].bounds)
    assert [ax.get_ylabel() for ax in axes] == ["accuracy"] * 3
    assert all(ax.yaxis.get_tick_params()["labelleft"] for ax in axes)


def test_what_panels_do_not_share_is_not_copied(subplots):
    figure, axes = subplots(2, 2, figsize=(10, 6))
    axes[0, 0].set(title="maps", ylabel="row")
    assert panels.stack(figure)
    assert [ax.get_title() for ax in axes.flat] == ["maps", "", "", ""]
    assert [ax.get_ylabel() for ax in axes.flat] == ["row", "", "", ""]


@pytest.mark.parametrize(
    ("shape", "width", "across"),
    [((1, 3), 10, 1), ((2, 4), 9.6, 2), ((3, 12), 10, 6), ((4, 10), 7, 5), ((1, 20), 9, 10)],
)
def test_pictures_stand_as_many_abreast_as_can_be_seen(subplots, shape, width, across):
    figure, axes = subplots(*shape, figsize=(width, 1 + shape[0] * width / shape[1]))
    for ax in axes.flat:
        ax.imshow(np.eye(3))
        plots.panel(ax, "")
    assert panels.stack(figure)
    figure.draw_without_rendering()
    places = [ax.get_position() for ax in axes.flat]
    first = [place for place in places if abs(place.y0 - places[0].y0) < 0.01]
    assert len(first) == across
    assert figure.get_figheight() < 12


def test_many_pictures_that_have_titles_stand_in_two_columns(subplots):
    figure, axes = subplots(4, 3, figsize=(8, 10))
    for ax in axes.flat:
        plots.panel(ax, "Adam", "1,000 steps, margin 0.1 ± 0.01")
    for ax in axes.flat[10:]:
        ax.set_visible(False)
    assert panels.stack(figure)
    assert len(figure.axes) == 10
    assert {ax.get_gridspec().ncols for ax in figure.axes} == {2}
    assert "\n" in axes[0, 0].get_xlabel()


def test_a_legend_that_is_too_wide_for_a_phone_gets_fewer_columns(subplots):
    figure, axes = subplots(1, 2, figsize=(10, 3))
    for ax, anchor in zip(axes, (None, (0, 1))):
        for name in ("exponential", "cross-entropy, SD, squared", "hinge", "mistakes only"):
            ax.plot([0, 1], label=name)
        ax.legend(ncols=2, loc="lower left", bbox_to_anchor=anchor)
    assert panels.stack(figure)
    figure.draw_without_rendering()
    for ax in axes:
        legend = ax.get_legend()
        assert [text.get_text() for text in legend.get_texts()][2:] == ["hinge", "mistakes only"]
        assert legend.get_window_extent().width < figure.bbox.width
        assert ax.get_position().width > 0.6
    inside, above = (ax.get_legend().get_window_extent() for ax in axes)
    assert inside.y1 < axes[0].get_window_extent().y1
    assert above.y0 > axes[1].get_window_extent().y0 + 0.9 * axes[1].get_window_extent().height


def test_the_figure_s_own_legend_does_not_make_it_wider_than_a_phone(subplots):
    figure, axes = subplots(1, 2, figsize=(10, 3))
    names = ["the paper", "ours: equivalent", "ours: inconclusive", "ours: different"]
    lines = [axes[0].plot([0, 1])[0] for _ in names]
    figure.legend(lines, names, loc="outside upper center", ncols=4)
    assert panels.stack(figure)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == names
    assert legend.get_window_extent().width <= figure.bbox.width
    assert legend._ncols == 2
    assert legend.get_window_extent().y1 < axes[1].get_window_extent().y0


@pytest.mark.parametrize(
    ("shape", "width"), [((1, 1), 10), ((3, 1), 10), ((1, 2), 4.5), ((3, 5), 8.4), ((5, 3), 10)]
)
def test_a_figure_that_gains_nothing_stays_as_it_is(subplots, shape, width):
    figure, axes = subplots(*shape, figsize=(width, 5), squeeze=False)
    if shape[0] > 2:
        for ax in axes.flat:
            plots.panel(ax, "")
    size = tuple(figure.get_size_inches())
    assert not panels.stack(figure)
    assert tuple(figure.get_size_inches()) == size


def test_a_png_carries_another_and_gives_it_back():
    one, other = png(20, 10), png(10, 40)
    both = panels.put(one, other)
    assert np.array_equal(Image.open(io.BytesIO(both)), Image.open(io.BytesIO(one)))
    assert panels.take(both) == (one, other)
    assert panels.take(one) == (one, None)
    chunk = both[both.index(b"phOn") : -16]
    assert zlib.crc32(chunk) == int.from_bytes(both[-16:-12], "big")
    assert len(slim.packed(both)) <= len(one)


def test_what_is_no_png_is_refused():
    with pytest.raises(ValueError, match=r"a PNG is wanted, got b'GIF89a'"):
        panels.take(b"GIF89a")


def test_a_page_offers_both_versions_and_the_narrow_screen_has_its_own(tmp_path):
    (tmp_path / "a.png").write_bytes(panels.put(png(20, 10), png(10, 40)))
    (tmp_path / "b.png").write_bytes(png(20, 10))
    sizes = phone.separate(tmp_path)
    assert sizes == {"a": (5, 20)}
    assert (tmp_path / "a.png").read_bytes() == png(20, 10)
    assert (tmp_path / "a-phone.png").read_bytes() == png(10, 40)
    one = '<img alt="x" src="../_images/a.png" style="width: 10px; height: 5px;" />'
    rest = '<p>a</p><img src="../_images/b.png" />'
    page = phone.with_choice(one + rest, sizes)
    assert page.endswith("</picture>" + rest)
    assert '<source media="screen and (max-width: 599px)" srcset="../_images/a-phone.png"' in page
    assert '<img alt="x" src="../_images/a.png" width="10" height="5" />' in page
    assert slim.with_sizes(page) == page


def test_outside_a_notebook_nothing_is_changed():
    panels.show_finished()
    assert plt.get_fignums() == []
