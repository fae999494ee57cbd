"""The machine and the libraries that numbers come from. A value that can't be read is None, the reason beside it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

LIBRARIES = (
    "torch",
    "onnxruntime",
    "openvino",
    "onnx",
    "nncf",
    "diffusers",
    "transformers",
    "numpy",
    "pandas",
    "accelerate",
)
FLAGS = (
    "avx2",
    "avx512f",
    "avx_vnni",
    "avx512_vnni",
    "avx512_bf16",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "asimddp",
    "i8mm",
    "sve",
    "bf16",
)
"""CPU features that decide how fast float and 8-bit products are (x86, then Arm)."""
WIDE_SUMS = frozenset({"avx_vnni", "avx512_vnni", "amx_int8"})
"""x86 features with which sums of 8-bit products are 32 bits wide at once."""
CPUINFO = Path("/proc/cpuinfo")
FREQUENCY = Path("/sys/devices/system/cpu/cpu0/cpufreq")


def int8_overflows(flags: Collection[str] | None = None) -> bool:
    """Whether 8-bit products are summed in 16 bits, where they overflow: x86 without VNNI or AMX.

    ``flags``: features of the processor in question, as its ``/proc/cpuinfo`` names them; None: of this machine's.
    """
    if flags is None:
        flags = _cpu_flags() if CPUINFO.is_file() else []
    return "avx2" in flags and WIDE_SUMS.isdisjoint(flags)


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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

    found = {
        "cpu": read("cpu", _cpu_model),
        "machine": platform.machine(),
        "cpu_flags": read("cpu_flags", _cpu_flags),
        "cores_usable": usable_cores(),
        "cores": os.cpu_count(),
        "governor": read("governor", lambda: (FREQUENCY / "scaling_governor").read_text().strip()),
        "frequency_khz": read("frequency_khz", lambda: int((FREQUENCY / "scaling_cur_freq").read_text())),
        "memory_bytes": read("memory_bytes", lambda: os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "libraries": _versions(),
    }
    return found | {"unknown": unknown}


def fingerprint() -> dict[str, Any]:
    """What a stored profile stays valid for: CPU, its features, usable cores, memory, Python; no machine's name."""
    facts = environment()
    return {name: facts[name] for name in ("cpu", "machine", "cpu_flags", "cores_usable", "memory_bytes", "python")}


def _cpu_info(*keys: str) -> str:
    for line in CPUINFO.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in keys:
            return value.strip()
    raise ValueError(f"{CPUINFO} has no {' or '.join(keys)}")


def _cpu_model() -> str:
    return _cpu_info("model name", "Hardware", "CPU part")


def _cpu_flags() -> list[str]:
    present = set(_cpu_info("flags", "Features").split())
    return [flag for flag in FLAGS if flag in present]


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def default_threads() -> int:
    """``OMP_NUM_THREADS`` where it is set (the runtime itself doesn't heed it), else the cores this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) else len(os.sched_getaffinity(0))
