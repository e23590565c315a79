r"""Problem sets as nbgrader's sources: the answer key's code between its marks for solutions.

``nbgrader generate_assignment`` takes out what stands between the marks, and leaves the function's
first line and the call of its check.

>>> print(marked("import numpy as np\n\n\ndef f(x):\n    return np.exp(x)\n\n\ncheck(f)"))
def f(x):
    ### BEGIN SOLUTION
    import numpy as np
    return np.exp(x)
    ### END SOLUTION
<BLANKLINE>
<BLANKLINE>
check(f)
"""

import ast
from textwrap import indent

import nbformat

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


def source(given: str, key: str) -> str:
    """Return the source for nbgrader of a problem set.

    Args:
        given: the problem set with nbgrader's metadata, as the text of its file.
        key: its answer key.

    Raises:
        ValueError: a cell of the problem set has no answer in the key.
    """
    made = nbformat.reads(given, 4)
    answers = {_name(cell): cell.source for cell in nbformat.reads(key, 4).cells if _name(cell)}
    for cell in made.cells:
        if name := _name(cell):
            if name not in answers:
                raise ValueError(f"the answer key has no answer {name}: nbgrader needs it")
            text = answers[name]
            cell.source = marked(text) if cell.cell_type == "code" else text
    return nbformat.writes(made, indent=1, ensure_ascii=False) + "\n"


def marked(code: str) -> str:
    """Return the code of an answer with marks around its solution.

    That is the body of its last function, into which goes what stands above the function.

    Raises:
        ValueError: it has no function, or one in a single line.
    """
    lines, body = code.split("\n"), ast.parse(code).body
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    if not functions or functions[-1].body[0].lineno == functions[-1].lineno:
        raise ValueError(f"nbgrader's marks need a function of several lines, got {lines[0]}")
    last = functions[-1]
    first, end = last.body[0].lineno - 1, last.end_lineno
    above = "\n".join(lines[: last.lineno - 1]).strip("\n")
    inner = "\n".join(lines[first:end])
    pad = " " * last.body[0].col_offset
    parts = [*lines[last.lineno - 1 : first], f"{pad}{BEGIN}"]
    parts += [indent(above, pad)] * bool(above) + [inner, f"{pad}{END}"]
    return "\n".join([*parts, *lines[end:]])


def _name(cell: nbformat.NotebookNode) -> str:
    """Return nbgrader's name of a cell that holds an answer."""
    known = cell.metadata.get("nbgrader", {})
    return str(known["grade_id"]) if known.get("solution") else ""
