"""Facts of the processor on which results can depend: its features and the cores usable by this process."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

FLAGS = (
    *("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"),
    *("asimd", "asimddp", "i8mm", "sve", "bf16"),
)
"""CPU features that determine the speed of float and 8-bit products (x86, then Arm)."""
WIDE_SUMS = frozenset({"avx_vnni", "avx512_vnni", "amx_int8"})
"""x86 features that sum 8-bit products directly in 32 bits."""
CPUINFO = Path("/proc/cpuinfo")


def int8_overflows(flags: Collection[str] | None = None) -> bool:
    """Whether 8-bit products are summed in 16 bits, where they overflow: x86 without VNNI or AMX.

    ``flags``: the processor's features, named as in ``/proc/cpuinfo``; None: this machine's.
    """
    if flags is None:
        flags = features()
    return "avx2" in flags and WIDE_SUMS.isdisjoint(flags)


def features() -> list[str]:
    """``cpu_flags``; empty where the system doesn't report them."""
    try:
        return cpu_flags()
    except (OSError, ValueError):
        return []


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_threads() -> int:
    """``OMP_NUM_THREADS`` where it is set (the runtime itself ignores it), else the cores this process may use."""
    requested = os.environ.get("OMP_NUM_THREADS", "")
    return int(requested) if requested.isdigit() and int(requested) else usable_cores()


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
    """Those of ``FLAGS`` that this machine has; raises OSError or ValueError where the system doesn't report them."""
    present = set(_cpu_info("flags", "Features").split())
    return [flag for flag in FLAGS if flag in present]
