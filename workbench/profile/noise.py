"""What else the machine did while it was measured: CPU steal, other processes, load."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STEAL_LIMIT = 0.02
OTHERS_LIMIT = 0.10
STAT = Path("/proc/stat")
_STEAL = 7
_IDLE = (3, 4)


@dataclass(frozen=True)
class Moment:
    """Counters at one moment: all CPUs' seconds by kind, this process's CPU seconds, the load average."""

    ticks: tuple[float, ...] | None
    own: float
    load: float | None


def moment() -> Moment:
    """The counters now; None for those that this system doesn't tell."""
    try:
        fields = STAT.read_text().split("\n", 1)[0].split()[1:9]
        hertz = os.sysconf("SC_CLK_TCK")
        ticks: tuple[float, ...] | None = tuple(int(field) / hertz for field in fields)
    except (OSError, ValueError):
        ticks = None
    try:
        load: float | None = os.getloadavg()[0]
    except OSError:
        load = None
    times = os.times()
    return Moment(ticks, times.user + times.system, load)


def between(before: Moment, after: Moment) -> dict[str, Any]:
    """``steal_share`` and ``others_share`` of all CPU time between two moments, ``load_before`` and ``load_after``.

    A value is None where the system doesn't tell it (no /proc/stat).
    """
    found: dict[str, Any] = {"steal_share": None, "others_share": None}
    if before.ticks and after.ticks and len(after.ticks) > _STEAL:
        passed = [b - a for a, b in zip(before.ticks, after.ticks, strict=True)]
        total = sum(passed)
        if total > 0:
            idle = sum(passed[i] for i in _IDLE)
            busy_elsewhere = total - idle - passed[_STEAL] - (after.own - before.own)
            found["steal_share"] = passed[_STEAL] / total
            found["others_share"] = max(0.0, busy_elsewhere / total)
    return found | {"load_before": before.load, "load_after": after.load}


def warnings(noise: dict[str, Any], what: str) -> list[str]:
    """Sentences about ``what`` when the machine was not left to this process."""
    found = []
    if (noise["steal_share"] or 0) > STEAL_LIMIT:
        found.append(f"{what}: the hypervisor took {noise['steal_share']:.0%} of the CPU time meanwhile")
    if (noise["others_share"] or 0) > OTHERS_LIMIT:
        found.append(
            f"{what}: other processes used {noise['others_share']:.0%} of the CPU time meanwhile; "
            "run again on a quiet machine"
        )
    return found
