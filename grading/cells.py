r"""What IPython accepts in a cell, as Python: its own transformer, and magics that run their code.

>>> print(ast.unparse(parse("%time x = 1\nfiles = !ls\nnp.ones?\n>>> y = x")))
x = 1
files = get_ipython().getoutput('ls')
get_ipython().run_line_magic('pinfo', 'np.ones')
y = x
"""

import ast
from typing import Any

AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
RUNNING = {
    "time",
    "timeit",
    "capture",
    "memit",
    "prun",
}  # magics that run the code which they are given


def parse(code: str) -> ast.Module:
    """Return the syntax tree of a cell.

    Raises:
        SyntaxError: IPython would not take it either.
    """
    try:
        return _python(code)
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        tree = _python(TransformerManager().transform_cell(code))
    body = [part for node in tree.body for part in _unfold(node)]
    return ast.Module(body, tree.type_ignores)


def _python(code: str) -> ast.Module:
    tree: ast.Module = compile(code, "<cell>", "exec", ast.PyCF_ONLY_AST | AWAIT)
    return tree


def _unfold(node: ast.stmt) -> list[ast.stmt]:
    """Return the statements that a magic runs, or else the statement itself."""
    match node:
        case ast.Expr(
            ast.Call(
                func=ast.Attribute(attr="run_line_magic" | "run_cell_magic"),
                args=[ast.Constant(str(name)), *between, ast.Constant(str(code))],
            )
        ) if name in RUNNING:
            inner = parse(code).body
            for part in inner:
                ast.increment_lineno(part, node.lineno - (not between))
            return inner
    return [node]


class Shell:
    """What `get_ipython` gives where there is no IPython: commands and magics do nothing."""

    def getoutput(self, *_: Any) -> list[str]:
        """Return the lines that a shell command printed: none."""
        return []

    def __getattr__(self, name: str) -> Any:
        """Return a method that does nothing."""
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: None
