r"""Which statements of a notebook an answer needs; nothing is run to find out.

A statement is taken if it binds a name that is used, and those that it uses in turn; to fill counts
as to bind: ``x[0] = 1``, ``x.append(1)``, ``fill(x)``.

>>> above = statements([ast.parse("import numpy as np\nX = np.ones(3)\ntrain(X)\nlog = []")])
>>> needed({"log"}, above, [], [])
(['log = []'], set())
>>> needed({"X"}, above, [], [])[0]
['import numpy as np', 'X = np.ones(3)', 'train(X)']
"""

import ast
import builtins
import symtable
from collections.abc import Iterable
from dataclasses import dataclass

PROVIDED = {"*", "checks", "display", "get_ipython", *dir(builtins)}
SHOWS = {"display", "print"}  # what is passed to these does not change


@dataclass(frozen=True)
class Statement:
    """A statement of a cell.

    Attributes:
        code: as it runs.
        binds: the names that it gives a value; "*" for an import of all names.
        fills: the names whose objects it may change.
        needs: the global names that it reads.
    """

    code: str
    binds: frozenset[str]
    fills: frozenset[str]
    needs: frozenset[str]

    @property
    def imports(self) -> frozenset[str]:
        """The names of modules and of what is in them: calling these fills nothing."""
        return self.binds if self.code.startswith(("import ", "from ")) else frozenset()


def statements(trees: Iterable[ast.Module | None]) -> list[Statement]:
    """Return the statements of cells, an import of several names as several imports.

    Args:
        trees: what the cells hold; None where a cell is not Python.
    """
    found = []
    for node in (node for tree in trees if tree for node in tree.body):
        if isinstance(node, ast.Import):
            parts: list[ast.stmt] = [ast.Import([alias]) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = [ast.ImportFrom(node.module, [alias], node.level) for alias in node.names]
        else:
            parts = [node]
        found += [_statement(part) for part in parts]
    return found


def needed(
    needs: set[str],
    before: list[Statement],
    reference: list[Statement],
    after: list[Statement],
) -> tuple[list[str], set[str]]:
    """Return the statements that bind what is needed and what these need, and what none binds.

    A name is looked up in the cells before the exercise, in the notebook that was handed out, and
    in the cells below, which a student may have run first.
    """
    modules = {name for pool in (before, reference, after) for s in pool for name in s.imports}
    chosen = [[False] * len(pool) for pool in (before, reference, after)]
    pending, seen = {"*", *needs}, set()
    unbound: set[str] = set()
    while pending:
        name = pending.pop()
        seen.add(name)
        for pool, marks in zip((before, reference, after), chosen):
            for i, statement in enumerate(pool):
                fills = name in statement.fills and name not in modules
                if name in statement.binds or fills:
                    marks[i] = True
                    pending |= statement.needs - seen
            if any(name in statement.binds for statement in pool):
                break
        else:
            unbound.add(name)
    in_order = zip((reference, before, after), (chosen[1], chosen[0], chosen[2]))
    codes = [s.code for pool, marks in in_order for s, mark in zip(pool, marks) if mark]
    return codes, unbound - PROVIDED


def _statement(node: ast.stmt) -> Statement:
    code = ast.unparse(node)
    try:
        table = symtable.symtable(code, "cell", "exec")
    except SyntaxError:  # such as a return outside of a function
        return Statement(code, frozenset(), frozenset(), frozenset())
    binds = {
        symbol.get_name()
        for symbol in table.get_symbols()
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
    }
    if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
        binds = {"*"}
    needs = _globals(table)
    fills = needs.intersection(_filled(node))
    return Statement(code, frozenset(binds), frozenset(fills), frozenset(needs))


def _filled(node: ast.AST) -> set[str]:
    """Return the names whose objects a statement may change without binding them anew.

    That is `x[0] = 1` and `x.a = 1`, and where nothing is kept of a call, `x.append(1)` and
    `fill(x)`: not `y = f(x)`, or each training would belong to the data that it used.
    """
    found: set[str] = set()
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():
            return found
        case (
            ast.Subscript(ctx=ast.Store() | ast.Del()) | ast.Attribute(ctx=ast.Store() | ast.Del())
        ):
            found.add(_root(node))
        case ast.Expr(ast.Call(func=ast.Attribute() as method)):
            found.add(_root(method))
        case ast.Expr(ast.Call(func=ast.Name(name), args=arguments)) if name not in SHOWS:
            found |= {part.id for part in arguments if isinstance(part, ast.Name)}
    return found.union(*map(_filled, ast.iter_child_nodes(node)))


def _root(node: ast.expr) -> str:
    """Return the name at the beginning of `x.a[0].b`, "" where there is none."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _globals(table: symtable.SymbolTable) -> set[str]:
    """Return the global names that code reads, within its functions too."""
    top = table.get_type() == "module"
    found = {
        s.get_name() for s in table.get_symbols() if s.is_referenced() and (top or s.is_global())
    }
    return found.union(*map(_globals, table.get_children()))
