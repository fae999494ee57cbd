"""The peak memory of a process, and the page cache."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Peak:
    """Peak resident set in bytes of a process that runs one pass of each component; else None and the ``reason``.

    ``before`` is the runtime's own part, before anything is loaded; ``running`` the resident set after the pass, when
    memory needed only for loading has been returned.
    """

    peak: int | None
    before: int | None = None
    reason: str | None = None
    running: int | None = None


def drop_from_cache(files: Iterable[Path]) -> None:
    """Asks the kernel to drop files from the page cache, so that the next load reads the disk; it may refuse."""
    if not hasattr(os, "posix_fadvise"):
        return
    for file in files:
        handle = os.open(file, os.O_RDONLY)
        try:
            os.fsync(handle)  # pages that were never written out can't be dropped
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)
