"""What else the machine did while it was measured: CPU steal, other processes, load, frequency, temperature."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STAT = Path("/proc/stat")
CPUS = Path("/sys/devices/system/cpu")
ZONES = Path("/sys/class/thermal")
_STEAL = 7
_IDLE = (3, 4)


@dataclass(frozen=True)
class Moment:
    """Counters at one moment: all CPUs' seconds by kind, this process's CPU seconds, the load average.

    ``frequency`` is the mean over CPUs in MHz, ``temperature`` that of the hottest zone in °C.
    """

    ticks: tuple[float, ...] | None
    own: float
    load: float | None
    frequency: float | None = None
    temperature: float | None = None


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
    return Moment(ticks, times.user + times.system, load, _frequency(), _temperature())


def _frequency() -> float | None:
    frequencies = _numbers(sorted(CPUS.glob("cpu[0-9]*/cpufreq/scaling_cur_freq")))
    return sum(frequencies) / len(frequencies) / 1e3 if frequencies else None


def _temperature() -> float | None:
    temperatures = _numbers(sorted(ZONES.glob("thermal_zone*/temp")))
    return max(temperatures) / 1e3 if temperatures else None


def _numbers(files: list[Path]) -> list[int]:
    """What the files hold; those that can't be read now are left out, as a sleeping CPU's or sensor's."""
    numbers = []
    for file in files:
        try:
            numbers.append(int(file.read_text()))
        except (OSError, ValueError):
            continue
    return numbers


def between(before: Moment, after: Moment) -> dict[str, Any]:
    """``steal_share`` and ``others_share`` of all CPU time between two moments, and values before and after.

    Those are ``load``, ``frequency_mhz`` (mean over CPUs) and ``temperature_c`` (hottest zone), each as ``…_before``
    and ``…_after``. A value is None where the system doesn't report it; ``unknown`` maps its name to the reason.
    """
    shares: dict[str, Any] = {"steal_share": None, "others_share": None}
    unknown = {}
    if before.ticks and after.ticks and len(after.ticks) > _STEAL:
        passed = [b - a for a, b in zip(before.ticks, after.ticks, strict=True)]
        total = sum(passed)
        if total > 0:
            idle = sum(passed[i] for i in _IDLE)
            busy_elsewhere = total - idle - passed[_STEAL] - (after.own - before.own)
            shares["steal_share"] = passed[_STEAL] / total
            shares["others_share"] = max(0.0, busy_elsewhere / total)
    if shares["steal_share"] is None:
        reason = "too short a time" if before.ticks and after.ticks else f"{STAT} doesn't tell"
        unknown["steal_share"] = unknown["others_share"] = reason
    for name, attribute, source in (
        ("load", "load", "the system"),
        ("frequency_mhz", "frequency", f"{CPUS}/cpu*/cpufreq"),
        ("temperature_c", "temperature", f"{ZONES}/thermal_zone*"),
    ):
        shares |= {f"{name}_before": getattr(before, attribute), f"{name}_after": getattr(after, attribute)}
        if None in (getattr(before, attribute), getattr(after, attribute)):
            unknown[name] = f"{source} doesn't tell"
    return shares | {"unknown": unknown}
