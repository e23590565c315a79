r"""TeX formulas as pictures that need neither script nor font: the page's own MathJax, run here.

MathJax and the drawings of its letters come with `sphinx-mathjax-offline`; `mini-racer` runs them
outside a browser. Beside each picture stands the formula as MathML, for those who cannot see it.

>>> with Formulas() as formulas:
...     shown = formulas.html(r"\frac12 \log \alpha")
>>> shown[:22], "<mfrac>" in shown
('<span class="formula">', True)
"""

import importlib.util
from pathlib import Path
from types import TracebackType
from typing import Self

from py_mini_racer import JSEvalException, MiniRacer

COMPONENTS = ["startup", "core", "adaptors/liteDOM"]
COMPONENTS += ["input/tex-full", "output/svg", "output/svg/fonts/tex"]
# An error of the author's must not become a formula that shows it in red.
SETTINGS = """
var global = globalThis;
globalThis.MathJax = {
  loader: {load: []},
  startup: {typeset: false},
  svg: {fontCache: "local"},
  tex: {formatError: (jax, error) => { throw Error(error.message); },
        packages: {"[-]": ["noundefined", "noerrors"]}},
};
"""
START = """
MathJax.loader.preLoad("loader", ...%s);
MathJax.config.startup.ready();
const svg = (tex, display) => MathJax.startup.adaptor.innerHTML(MathJax.tex2svg(tex, {display}));
const mathml = (tex, display) => MathJax.tex2mml(tex, {display});
0;
"""


def mathjax() -> Path:
    """The folder of MathJax.

    Raises:
        FileNotFoundError: it is not installed.
    """
    found = importlib.util.find_spec("sphinx-mathjax-offline")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError("no MathJax: pip install sphinx-mathjax-offline")
    return Path(found.submodule_search_locations[0], "static", "mathjax")


class Formulas:
    """MathJax, running until `close` or the end of a `with`."""

    def __init__(self) -> None:
        self._context = MiniRacer()
        self._context.eval(SETTINGS)
        for name in COMPONENTS:
            script = (mathjax() / f"{name}.js").read_text(encoding="utf-8")
            self._context.eval(f"{script};0")
        self._context.eval(START % COMPONENTS)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop MathJax: a process that leaves it running does not end."""
        self._context.close()

    def html(self, tex: str, display: bool = False) -> str:
        """A formula as HTML: a picture in the colour of the text, and MathML that is not seen.

        Raises:
            ValueError: MathJax cannot read the formula.
        """
        tex = tex.strip()
        try:
            svg = self._context.call("svg", tex, display)
            mathml = self._context.call("mathml", tex, display)
        except JSEvalException as error:
            message = str(error).splitlines()[0]
            raise ValueError(f"MathJax cannot set {tex!r}: {message}") from error
        kind = "formula display" if display else "formula"
        svg = svg.replace('role="img" focusable="false"', 'aria-hidden="true"', 1)
        return f'<span class="{kind}">{svg}<span class="unseen">{mathml}</span></span>'
