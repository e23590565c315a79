"""Figures with sliders where a person watches; the same figure, still, everywhere else.

- :func:`phase_plane`: the dual flow of two examples in the plane (Eq. 9, 10, 15, 18);
- :func:`two_moons_trainer`: the network of Figure 1 (a-c), retrained when a slider moves.

In Jupyter and Colab the sliders are ipywidgets. Where nobody watches (a build, a test, a script)
or ipywidgets is missing, one figure is drawn, without a script or a widget's state. What is drawn
does not depend on who watches: :func:`draw_phase_plane` and :func:`draw_two_moons` do it.

>>> import matplotlib
>>> matplotlib.use("agg")
>>> figure, axes = matplotlib.pyplot.subplots(1, 2)
>>> draw_phase_plane(axes, s1=3, s2=2, delta=0.5, lam=1, kind="exact")
>>> axes[0].get_title()
'exact flow (Eq. 9)'
>>> matplotlib.pyplot.close(figure)
"""

from gsutils.page.widgets.moons import draw_two_moons, two_moons_trainer
from gsutils.page.widgets.plane import draw_phase_plane, phase_plane

__all__ = ["draw_phase_plane", "draw_two_moons", "phase_plane", "two_moons_trainer"]
