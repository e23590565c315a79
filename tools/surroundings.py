"""The environment of what a build starts: the build's own, whatever its reader's shell has set.

A backend of Matplotlib, a session of Jupyter, a folder of modules: each of these variables would
change pages without a word, and the cache of executed cells would keep what it did. The Makefile
takes the same ones away from pip, git and the tests.

>>> own = {"MPLBACKEND": "agg", "OMP_NUM_THREADS": "all", "HOME": "/home/ada"}
>>> settle(Path("/book"), Path("/book/_build"), own)
>>> own["HOME"], own["PYTHONPATH"], "MPLBACKEND" in own, "OMP_NUM_THREADS" in own
('/home/ada', '/book', False, False)
"""

import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

FOREIGN = (
    *("DOCUTILS", "GIT_", "GOMP_", "IPYTHON", "JPY_", "JUPYTER", "KMP_", "MATPLOTLIB", "MKL_"),
    *("MPL", "NPY_", "NUMEXPR_", "OMP_", "OPENBLAS_", "PYTHON", "TORCH", "TQDM_", "VECLIB_"),
)
# What may be asked of a build: how much of the machine it takes, where Python puts its caches.
KEPT = {"OMP_NUM_THREADS", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONUNBUFFERED"}


def check(root: Path) -> None:
    """Check that a checkout can be built where it is.

    Raises:
        ValueError: programs would take its path for another one.
    """
    path = str(root)
    for sign, wrong in (
        (os.pathsep, os.pathsep in path),
        ("$", os.path.expandvars(path) != path),  # as IPython does with the path of its settings
        ("\n", not path.isprintable()),
    ):
        if wrong:
            where = path if path.isprintable() else ascii(path)
            what = "a checkout cannot be built in a folder with"
            raise ValueError(f"{what} {sign!r} in its path, {where}: rename it")


def settle(root: Path, build: Path, environment: MutableMapping[str, str] = os.environ) -> None:
    """Change an environment into the one in which the book is built.

    Args:
        root: the checkout, whose package runs, wherever another one is installed.
        build: the folder of what is built.
        environment: what to change; kernels start with this process's.
    """
    threads = environment.get("OMP_NUM_THREADS", "1")
    kept = KEPT if threads.isdecimal() and int(threads) else KEPT - {"OMP_NUM_THREADS"}
    for name in [name for name in environment if name.startswith(FOREIGN) and name not in kept]:
        del environment[name]
    in_venv = sys.prefix != sys.base_prefix
    home = Path(sys.prefix, "home") if in_venv else build / "home"  # the one of the Makefile
    own = {
        "IPYTHONDIR": str(build / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "jupyter"),
        "JUPYTER_DATA_DIR": str(home / "jupyter" / "data"),  # else kernels of the reader's own
        "MPLCONFIGDIR": str(home / "matplotlib"),
        "OMP_WAIT_POLICY": "PASSIVE",  # see gsutils/__init__.py
        "PYTHONPATH": str(root),
    }
    environment.update(own)
