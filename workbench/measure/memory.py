"""Peak memory, measured in a pass of its own, and sizes of files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.graphs.read import onnx_files

if TYPE_CHECKING:
    from workbench.measure.network import Network

LIMIT_S = 600
"""A probe that takes longer than this is given up: it makes one pass of each component."""


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


def peak_memory(runtime: str, networks: Sequence[Network], threads: int) -> Peak:
    """Measures in a fresh process, in which nothing else was ever loaded."""
    job = {"runtime": runtime, "threads": threads, "networks": [network.described() for network in networks]}
    command = [sys.executable, "-m", "workbench.measure.memory_probe", json.dumps(job)]
    # The package may run from a source tree that the fresh process wouldn't find.
    package_root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(p for p in (package_root, os.environ.get("PYTHONPATH")) if p)
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Peak(None, reason=f"the probe could not be run ({type(error).__name__})")
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        return Peak(None, reason=f"the probe ended with {done.returncode}: {lines[-1] if lines else 'no message'}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return Peak(found["peak"], found["before"], running=found["running"])


def onnx_size(path: Path) -> int:
    """Bytes of an ONNX file as deployed: the file itself and its external data, which lie beside it."""
    return sum(file.stat().st_size for file in onnx_files(path))


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
