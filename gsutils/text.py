"""What a person reads: numbers as text, lines, and progress bars where somebody watches.

>>> pm([-0.5, -0.75], ".1f", scale=100)
'−62.5 ± 17.7'
>>> list(track(range(3), "counting", watched=False))
[0, 1, 2]
"""

import os
import re
import sys
from collections.abc import Callable, Iterable
from io import TextIOWrapper
from typing import TextIO, TypeVar

import numpy as np
from tqdm.auto import tqdm

T = TypeVar("T")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # what a terminal would obey
INTERRUPTED = 130  # what a shell expects of a program stopped by Ctrl-C


def pm(values: Iterable[float], form: str = ".2f", scale: float = 1.0) -> str:
    """Return "mean ± std" of values over seeds, or the value alone of a single seed.

    >>> pm([0.5, 0.75], ".1f", scale=100)
    '62.5 ± 17.7'
    >>> pm([0.5, 0.75], "+.2f")
    '+0.62 ± 0.18'

    Raises:
        ValueError: there is no value.
    """
    values = np.asarray(list(values), float) * scale
    if not values.size:
        raise ValueError("there must be at least one value, got none")
    mean = minus(format(values.mean(), form))
    std = format(values.std(ddof=1), form.removeprefix("+")) if values.size > 1 else ""
    return f"{mean} ± {std}" if std else mean


def minus(text: str) -> str:
    """Return a text in which numbers have a minus sign before them in place of a hyphen.

    >>> minus("-2e-03"), minus("0.5, -0.3"), minus("non-zero"), minus("1-2")
    ('−2e-03', '0.5, −0.3', 'non-zero', '1-2')
    """
    return re.sub(r"(?<![\w.)`-])-(?=\.?\d)", "\N{MINUS SIGN}", text)


def person_watches() -> bool:
    """Whether somebody sees the output as it comes: a terminal, Colab, or a live Jupyter session.

    A notebook run by a build or a test is none of these: Jupyter's server names its sessions in
    the environment, ``nbclient`` does not.
    """
    live_notebook = "JPY_SESSION_NAME" in os.environ or "google.colab" in sys.modules
    stream = sys.stderr  # none where a program has no console
    return live_notebook or (stream is not None and not stream.closed and stream.isatty())


def track(items: Iterable[T], title: str, watched: bool | None = None) -> Iterable[T]:
    """Return the items behind a progress bar with that title, a plain iterable if none watches."""
    watched = person_watches() if watched is None else watched
    return tqdm(items, desc=title, leave=False) if watched else items


def say(*lines: object, error: bool = False) -> None:
    """Print lines, whatever the stream: one that lacks a letter, is shut, or that nobody reads.

    Raises:
        OSError: they are lost on the way to a file, such as on a full disk; what failed is named.
    """
    stream = sys.stderr if error else sys.stdout
    if not lines or stream is None or stream.closed:  # a program without a console
        return
    _replace_what_it_lacks(stream)
    try:
        print(*(CONTROL.sub("?", str(line)) for line in lines), sep="\n", file=stream, flush=True)
    except BrokenPipeError:
        _let_go(stream)
    except OSError as why:
        _let_go(stream)
        if not error:  # of the other stream nobody could be told
            raise OSError(
                f"the standard output cannot be written: {why.strerror or why}; send it elsewhere"
            ) from why


def command(main: Callable[[], int | None]) -> int:
    """Run a program's `main`; return its exit status, after what it printed has gone out."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:  # shut: loky's workers, for one, take it to be there
            nowhere = os.open(os.devnull, os.O_WRONLY)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
        _replace_what_it_lacks(getattr(sys, name))
    try:
        return main() or 0
    except BrokenPipeError:
        return 0  # whoever reads has seen enough
    except KeyboardInterrupt:
        say("stopped", error=True)
        return INTERRUPTED
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                try:
                    stream.flush()
                except OSError:  # at the end Python would complain once more
                    _let_go(stream)


def _replace_what_it_lacks(stream: TextIO | None) -> None:
    """Let a stream write a "?" for a λ that its encoding lacks."""
    if isinstance(stream, TextIOWrapper) and not stream.closed and stream.errors != "replace":
        stream.reconfigure(errors="replace")


def _let_go(stream: TextIO) -> None:
    """Let a stream write to nowhere from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
