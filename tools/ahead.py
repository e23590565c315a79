"""Sphinx extension of the book: execute chapters side by side, ahead of their pages.

MyST-NB executes a chapter as it reads its page, one after another. Before the first is read, those
that the cache does not hold are executed here and put into it, as many at a time as the machine has
cores (four at most). A chapter that fails is left to MyST-NB, which reports it in its place.
"""

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from myst_nb.core.read import create_nb_reader
from sphinx.application import Sphinx

from gsutils.text import say
from tools import gsbook

MOST = 4  # a chapter may need a gigabyte


def notebooks(app: Sphinx, docnames: Sequence[str]) -> Iterator[tuple[str, str, Any]]:
    """Names, paths and notebooks of the pages with code, as MyST-NB reads them."""
    env: Any = app.env
    for docname in docnames:
        path = env.doc2path(docname)
        text = gsbook.with_digest(Path(app.srcdir), Path(path).read_text(encoding="utf-8"))
        reader = create_nb_reader(path, env.myst_config, env.mystnb_config, text)
        if reader is not None:
            yield docname, path, reader.read(text)


@contextmanager
def shared(name: str, value: int) -> Iterator[None]:
    """Set a variable of the environment that the kernels inherit, unless the user has set it."""
    if name in os.environ:
        yield
        return
    os.environ[name] = str(value)
    try:
        yield
    finally:
        del os.environ[name]


def execute(app: Sphinx, env: Any, docnames: Sequence[str]) -> None:
    """Execute the chapters that are not in the cache, those that took longest first."""
    settings = env.mystnb_config
    if settings.execution_mode != "cache":
        return
    cache = get_cache(settings.execution_cache_path or ".jupyter_cache")
    todo = []
    for docname, path, notebook in notebooks(app, docnames):
        if any(PurePosixPath(path).match(name) for name in settings.execution_excludepatterns):
            continue
        try:
            cache.match_cache_notebook(notebook)
        except KeyError:
            todo.append((docname, path, notebook))
    if len(todo) < 2:
        return
    times = Path(app.outdir).with_name(gsbook.TIMES)
    known = json.loads(times.read_text(encoding="utf-8")) if times.is_file() else {}
    todo.sort(key=lambda item: -known.get(item[0], {}).get("seconds", 0.0))

    def run(path: str, notebook: Any) -> ExecutionResult:
        return single_nb_execution(
            notebook,
            cwd=os.path.dirname(path),
            timeout=settings.execution_timeout,
            allow_errors=settings.execution_allow_errors,
        )

    cores = os.cpu_count() or 1
    workers = min(MOST, cores)
    # Threads of one kernel that wait for a core which another kernel has cost more than they save.
    with shared("OMP_NUM_THREADS", max(1, cores // workers)), ThreadPoolExecutor(workers) as pool:
        jobs = {pool.submit(run, path, book): (name, path) for name, path, book in todo}
        for job in as_completed(jobs):
            docname, path = jobs[job]
            if job.exception() or (result := job.result()).err:
                continue
            bundle = CacheBundleIn(result.nb, path, data={"execution_seconds": result.time})
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            app.config.gsbook_ahead.append(docname)
            say(f"Executed {docname} in {result.time:.0f} s")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("env-before-read-docs", execute)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
