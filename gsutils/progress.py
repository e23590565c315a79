"""Progress bars, and only where a person watches: they would fill a built page.

>>> list(track(range(3), "counting", watched=False))
[0, 1, 2]
"""

import os
import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm.auto import tqdm

T = TypeVar("T")


def person_watches() -> bool:
    """Whether somebody sees the output as it comes: a terminal, Colab, or a live Jupyter session.

    A notebook run by a build or a test is none of these: Jupyter's server names its sessions in
    the environment, ``nbclient`` does not.
    """
    live_notebook = "JPY_SESSION_NAME" in os.environ or "google.colab" in sys.modules
    return live_notebook or sys.stderr.isatty()


def track(items: Iterable[T], title: str, watched: bool | None = None) -> Iterable[T]:
    """Return the items behind a progress bar with that title, a plain iterable if none watches."""
    watched = person_watches() if watched is None else watched
    return tqdm(items, desc=title, leave=False) if watched else items
