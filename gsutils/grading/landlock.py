"""Shutting a process out of files, connections and other processes, by the Linux kernel itself.

Landlock (Linux 5.13 and later; TCP from 6.7, signals from 6.12) lets a process without any rights
give up more of them, for good and for all that it starts, whatever language asks. What the kernel
at hand does not know is left out; see ``man 7 landlock``.

>>> version() >= 0
True
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on all kinds of processors
PATH_BENEATH = 1
NO_NEW_PRIVILEGES = 38

WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
TRUNCATE, IOCTL = 1 << 14, 1 << 15
ON_FILES = 1 | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL  # the others are for folders
ALL = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # version -> number of rights on files
TCP = 3  # bind, connect
SCOPES = 3  # abstract sockets, signals


def version() -> int:
    """Return the version of Landlock that the kernel has, 0 where it has none."""
    if sys.platform != "linux":
        return 0
    with suppress(AttributeError, OSError):
        return max(0, _call(CREATE_RULESET, None, 0, 1))
    return 0


def restrict(own: str, readable: Iterable[str]) -> bool:
    """Shut this process in, for good; return False where the kernel cannot.

    Args:
        own: the folder in which it may do everything.
        readable: files and folders that it may read.
    """
    known = version()
    if not known:
        return False
    rights = (1 << ALL.get(known, 16)) - 1
    size = 8 if known < 4 else 16 if known < 6 else 24
    rules = _call(CREATE_RULESET, struct.pack("QQQ", rights, TCP, SCOPES)[:size], size, 0)
    for place in readable:
        _allow(rules, place, READ_FILE | READ_DIR)
    _allow(rules, os.devnull, READ_FILE | WRITE_FILE)
    _allow(rules, own, rights)
    ctypes.CDLL(None).prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    _call(RESTRICT_SELF, rules, 0)
    os.close(rules)
    return True


def _allow(rules: int, place: str, rights: int) -> None:
    """Add a rule for a file, or for a folder and all below it, if it is there."""
    with suppress(OSError):
        there = os.open(place, os.O_PATH | os.O_CLOEXEC)
        try:
            rights &= -1 if os.path.isdir(place) else ON_FILES
            _call(ADD_RULE, rules, PATH_BENEATH, struct.pack("=Qi", rights, there), 0)
        finally:
            os.close(there)


def _call(number: int, *arguments: int | bytes | None) -> int:
    """Call the kernel.

    Raises:
        OSError: it refuses.
    """
    library = ctypes.CDLL(None, use_errno=True)
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result: int = library.syscall(ctypes.c_long(number), *wide)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
