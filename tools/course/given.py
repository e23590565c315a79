r"""Solutions that a page's code gives away: whoever reads it has no exercise left.

>>> solved("def f(x):\n    return np.sqrt(x ** 2 + 1).mean()", "y = 2 * np.sqrt(z ** 2 + 1).mean()")
True
>>> solved("def f(x):\n    return np.sqrt(x ** 2 + 1).mean()", "y = np.sqrt(x ** 2 + 2).mean()")
False
"""

import ast
import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache

from tools.course import source

SMALL = 6  # an expression with fewer parts is no answer to anything


def solved(solution: str, code: str) -> bool:
    """Whether each step of a solution's function stands in some code, whatever variables' names."""
    steps = [value for value in _steps(ast.parse(solution)) if _size(value) >= SMALL]
    known = _expressions(code)
    return bool(steps) and all(_shape(step) in known for step in steps)


def away(pages: Mapping[str, str], solutions: Mapping[str, str]) -> list[tuple[str, str]]:
    """The exercises whose solutions a page's code cells hold, with that page.

    Args:
        pages: sources by name, as they are handed out.
        solutions: the code of each solution, by the label of its exercise.
    """
    return [
        (label, name)
        for name, text in pages.items()
        for label, solution in solutions.items()
        if solved(solution, source.code(text))
    ]


def solutions(texts: Iterable[str], labels: Collection[str]) -> dict[str, str]:
    """The code of the solutions to these exercises, of those that have any."""
    found = {label: code for text in texts for label, code in source.answers(text).items()}
    return {label: found[label] for label in labels if label in found}


def _steps(tree: ast.AST) -> Iterable[ast.expr]:
    """What a function's statements compute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.Return | ast.Expr) and node.value:
            unknown = [part.body for part in ast.walk(node.value) if isinstance(part, ast.Lambda)]
            yield from unknown or [node.value]


def _size(node: ast.AST) -> int:
    return sum(isinstance(part, ast.expr) for part in ast.walk(node))


@cache
def _expressions(code: str) -> frozenset[str]:
    nodes = (n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.expr))
    return frozenset(_shape(node) for node in nodes if _size(node) >= SMALL)


def _shape(node: ast.expr) -> str:
    """An expression, its variables without their names; functions and modules keep theirs."""
    named = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
            named.add(part.func.id)
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            named.add(part.value.id)
    shape = ast.dump(node)
    return re.sub(r"(?<=\bid=')\w+", lambda name: name[0] if name[0] in named else "_", shape)
