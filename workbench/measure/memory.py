"""The memory that there is, and that a process took at most."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Peak:
    """Peak resident set in bytes of a process that runs one pass of each component; else None and the ``reason``.

    ``before`` is the part that the runtime itself takes, before anything is loaded; ``running`` the resident set
    after the pass, when what loading alone needed is given back.
    """

    peak: int | None
    before: int | None = None
    reason: str | None = None
    running: int | None = None


def available_bytes() -> int | None:
    """Memory that can be had without swapping (MemAvailable); None where the system doesn't tell."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return None
    return None


def drop_from_cache(files: Iterable[Path]) -> None:
    """Asks the kernel to drop files from the page cache, so that the next load reads the disk; it may not obey."""
    if not hasattr(os, "posix_fadvise"):
        return
    for file in files:
        handle = os.open(file, os.O_RDONLY)
        try:
            os.fsync(handle)  # pages that were never written out can't be dropped
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)
