"""A figure of two panels: with sliders where a person watches, drawn once everywhere else.

ipywidgets is imported only where its widgets are shown.

>>> minus(-0.5)
'−0.5'
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt

from gsutils import text
from gsutils.page import plots


def present(
    draw: Callable[..., None],
    settings: Mapping[str, Any],
    controls: Callable[[], Mapping[str, Any]],
) -> None:
    """Show a figure once, or, where a person watches, again whenever a control changes.

    Args:
        draw: takes two axes and the settings as keywords.
        settings: what to draw first.
        controls: makes a widget for each setting; called only where they are shown.
    """
    ipywidgets = _ipywidgets()
    if ipywidgets is None or not _in_live_notebook():
        _show(draw, settings)
        return
    from IPython.display import display

    def redraw(**settings: Any) -> None:
        try:
            _show(draw, settings)
        except (ValueError, RuntimeError) as error:  # out of range, or no convergence
            print(f"Nothing to show for these settings: {error}")

    widgets = dict(controls())
    output = ipywidgets.interactive_output(redraw, widgets)
    row = ipywidgets.Layout(display="flex", flex_flow="row wrap")
    display(ipywidgets.VBox([ipywidgets.Box(list(widgets.values()), layout=row), output]))


def slider(value: float, description: str, low: float, high: float, step: float) -> Any:
    """Return a slider that acts when it is let go, not while it moves."""
    return _ipywidgets().FloatSlider(
        value=value,
        min=min(low, value),
        max=max(high, value),
        step=step,
        description=description,
        continuous_update=False,
    )


def choice(value: float, description: str, options: Sequence[float]) -> Any:
    """Return a slider over given values, the present one among them."""
    return _ipywidgets().SelectionSlider(
        options=[(f"{option:g}", option) for option in sorted({*options, value})],
        value=value,
        description=description,
        continuous_update=False,
    )


def menu(value: str, description: str, titles: Mapping[str, str]) -> Any:
    """Return a menu of names, shown by their titles."""
    return _ipywidgets().Dropdown(
        options=[(title, name) for name, title in titles.items()],
        value=value,
        description=description,
    )


def minus(value: float) -> str:
    """Write a number with a minus sign, not a hyphen."""
    return f"{value:g}".replace("-", "−")


def _show(draw: Callable[..., None], settings: Mapping[str, Any]) -> None:
    with plots.style():
        figure, axes = plt.subplots(1, 2, figsize=(9.6, 4.5), width_ratios=(1.05, 1))
        try:
            draw(axes, **settings)
        except Exception:
            plt.close(figure)
            raise
        plt.show()


def _in_live_notebook() -> bool:
    """Whether a person watches, and in a notebook: a terminal shows no widgets."""
    if not text.person_watches():
        return False
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


def _ipywidgets() -> Any:
    """Return the package, None where it is missing."""
    try:
        import ipywidgets
    except ImportError:
        return None
    return ipywidgets
