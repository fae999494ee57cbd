"""The machine and the libraries behind the numbers. A value that can't be read is None, with the reason beside it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.store.processor import cpu_flags, cpu_model, usable_cores

DISTRIBUTION = "edge-workbench"
FREQUENCY = Path("/sys/devices/system/cpu/cpu0/cpufreq")


def environment() -> dict[str, Any]:
    """Facts for a profile or a report (JSON): CPU, cores, memory, system, Python, library versions.

    ``unknown`` maps each fact that can't be read to the reason.
    """
    unknown: dict[str, str] = {}

    def read(name: str, get: Callable[[], Any]) -> Any:
        try:
            return get()
        except (OSError, ValueError, KeyError, StopIteration) as error:
            unknown[name] = f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"
            return None

    facts = {
        "cpu": read("cpu", cpu_model if sys.platform != "darwin" else _mac_model),
        "machine": platform.machine(),
        "cpu_flags": read("cpu_flags", cpu_flags),
        "cores_usable": usable_cores(),
        "cores": os.cpu_count(),
        "governor": read("governor", lambda: (FREQUENCY / "scaling_governor").read_text().strip()),
        "frequency_khz": read("frequency_khz", lambda: int((FREQUENCY / "scaling_cur_freq").read_text())),
        "memory_bytes": read("memory_bytes", lambda: os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "libraries": _versions(),
    }
    return facts | {"unknown": unknown}


def _mac_model() -> str:
    asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
    return subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False).stdout.strip() or "Apple"


def fingerprint() -> dict[str, Any]:
    """The facts for which a stored profile is valid: CPU, its features, usable cores, memory, Python; no host name."""
    facts = environment()
    return {name: facts[name] for name in ("cpu", "machine", "cpu_flags", "cores_usable", "memory_bytes", "python")}


def _versions() -> dict[str, str | None]:
    """Of the libraries that this package and its extras require, but not its tests; None: not installed."""
    required = [line for line in importlib.metadata.requires(DISTRIBUTION) or () if 'extra == "dev"' not in line]
    versions: dict[str, str | None] = {}
    for name in (re.split(r"[^\w.-]", line)[0] for line in required):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions
