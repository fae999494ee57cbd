"""The resident memory of this process: now, at its peak, and its children's. Of Linux's /proc, elsewhere of psutil."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from workbench.system import peaks

_PROCESSES = Path("/proc")


def resident(what: str = "VmRSS", process: int | str = "self") -> int | None:
    """Bytes that are resident now (``VmRSS``), or were at the peak (``VmHWM``); None where the system doesn't tell.

    Without Linux's /proc the peak is known of this process alone; another's is what it has now.
    """
    with suppress(OSError, ValueError, IndexError):
        for line in (_PROCESSES / str(process) / "status").read_text().splitlines():
            if line.startswith(f"{what}:"):
                return int(line.split()[1]) * 1024
    return None if _PROCESSES.is_dir() else _told_by_psutil(what, process)


def _told_by_psutil(what: str, process: int | str) -> int | None:
    import psutil

    if (what, process) == ("VmHWM", "self"):
        return peaks()[0]
    with suppress(psutil.Error):
        return int(psutil.Process(None if process == "self" else int(process)).memory_info().rss)
    return None


def forget_peak() -> bool:
    """Begins a new peak of this process (``VmHWM``); False where the system doesn't allow it."""
    try:
        (_PROCESSES / "self" / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


def give_back() -> None:
    """Returns freed memory to the system: glibc keeps what lies between blocks that are in use, 4.6 GB after a training
    step of BK-SDM-Tiny. Elsewhere nothing happens."""
    import ctypes

    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def of_children() -> int:
    """Bytes that all processes below this one had resident at their peaks, each one's added up."""
    return sum(resident("VmHWM", child) or 0 for child in _below(os.getpid()))


def _below(process: int) -> Iterator[int]:
    if not _PROCESSES.is_dir():
        import psutil

        yield from (child.pid for child in psutil.Process(process).children(recursive=True))
    with suppress(OSError, ValueError):
        for thread in (_PROCESSES / str(process) / "task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                yield child
                yield from _below(child)
