"""What results may depend on of this machine's processor: its features and the cores that this process may use."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

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


def int8_overflows(flags: Collection[str] | None = None) -> bool:
    """Whether 8-bit products are summed in 16 bits, where they overflow: x86 without VNNI or AMX.

    ``flags``: features of the processor in question, as its ``/proc/cpuinfo`` names them; None: of this machine's.
    """
    if flags is None:
        flags = features()
    return "avx2" in flags and WIDE_SUMS.isdisjoint(flags)


def features() -> list[str]:
    """``cpu_flags``; none where the system doesn't tell."""
    return cpu_flags() if CPUINFO.is_file() else []


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_threads() -> int:
    """``OMP_NUM_THREADS`` where it is set (the runtime itself doesn't heed it), else the cores this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) else len(os.sched_getaffinity(0))


def _cpu_info(*keys: str) -> str:
    for line in CPUINFO.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in keys:
            return value.strip()
    raise ValueError(f"{CPUINFO} has no {' or '.join(keys)}")


def cpu_model() -> str:
    """The processor's name; raises as ``cpu_flags``."""
    return _cpu_info("model name", "Hardware", "CPU part")


def cpu_flags() -> list[str]:
    """Those of ``FLAGS`` that this machine has; raises OSError or ValueError where the system doesn't tell."""
    present = set(_cpu_info("flags", "Features").split())
    return [flag for flag in FLAGS if flag in present]
