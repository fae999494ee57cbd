"""What is taken from the operating system beyond Python. Linux has all of it; macOS is designed for, but nobody has run
it there; Windows has no locks of this kind, and so no verb.
"""

from __future__ import annotations

import platform
import sys
from typing import IO

from workbench.errors import InputError

try:
    import fcntl
    import resource

    LOCKS = True
except ModuleNotFoundError:
    LOCKS = False


def check() -> None:
    """Raises InputError where no verb could do its work."""
    if not LOCKS:
        raise InputError(
            f"{platform.system()} has no locks of files (Python's fcntl), without which nothing is written here",
            hint="on Windows it runs in WSL 2, or in a container (see Dockerfile)",
        )


def lock(file: int | IO[bytes] | IO[str], wait: bool = True) -> None:
    """Locks an open file against all other processes until it is closed, however this process ends.

    Raises:
        BlockingIOError: another process has it, and ``wait`` is False.
        InputError: this system has no such locks.
    """
    check()
    fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def peaks() -> tuple[int, int]:
    """The largest resident set so far, in bytes, of this process, and of any that it started and that has ended.

    On Linux a process begins with that of the one that started it.
    """
    unit = 1 if sys.platform == "darwin" else 1024
    own, others = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own * unit, others * unit
