"""The conditions under which a device was measured: which cores, how warm, how fast, and whether that held."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypedDict

from workbench.devices.adb import Device, DeviceError
from workbench.devices.probe import Facts, probe
from workbench.devices.result import Reading
from workbench.measure.clock import Stats

COOL_STATUS = 0
"""Android's thermal status up to which a run may start: none."""
WARM_CELSIUS = 45.0
"""Hottest sensor below which a device without a thermal status counts as cool."""
LOOK_S = 5.0
"""Time between two looks at a device that cools down, in s."""
THROTTLED = 0.9
"""A run whose clocks fell below this share of their highest counts as throttled."""
LEAST_SECONDS, LEAST_COUNT = 60.0, 1024
"""MLPerf Mobile's rules for a single stream (v4.0): a shorter run is valid here, but says that it is shorter."""


def fast_cores(facts: Facts) -> tuple[int, ...]:
    """All cores but those of the slowest class; all of them where there is one class or none is known."""
    classes = facts.classes
    kept = classes[:-1] if len(classes) > 1 else classes
    return tuple(sorted(number for cores in kept for number in cores.numbers))


def mask_of(cores: Sequence[int]) -> str | None:
    """Cores as the hexadecimal mask that the runner takes; None for no cores."""
    return f"{sum(1 << core for core in cores):x}" if cores else None


@contextmanager
def fixed_performance(device: Device, facts: Facts) -> Iterator[str]:
    """Android's fixed-performance mode while the block runs, put back afterwards; says what came of it."""
    if facts.system != "android" or "cmd" not in facts.tools:
        yield "not available"
        return
    done = device.shell("cmd", "power", "set-fixed-performance-mode-enabled", "true")
    refused = done.code != 0 or "rror" in done.out + done.err
    try:
        yield f"refused: {done.message}" if refused else "on"
    finally:
        if not refused:
            with suppress(DeviceError):  # where the device is away, a restart puts the mode back, too
                device.shell("cmd", "power", "set-fixed-performance-mode-enabled", "false")


def too_warm(facts: Facts) -> str | None:
    """Why the device isn't cool enough to start, in words; None when it is, or when no sensor says."""
    if facts.thermal_status is not None:
        return f"thermal status {facts.thermal_status}" if facts.thermal_status > COOL_STATUS else None
    hottest = max(facts.temperatures.items(), key=lambda item: item[1], default=None)
    return f"{hottest[0]} at {hottest[1]:.0f} °C" if hottest and hottest[1] > WARM_CELSIUS else None


def cool_down(device: Device, facts: Facts, limit_s: float, say: Callable[[str], None]) -> tuple[Facts, float]:
    """Waits until the device is cool, at most ``limit_s`` seconds; its facts then, and how long that took."""
    start = time.monotonic()
    while (reason := too_warm(facts)) and time.monotonic() - start < limit_s:
        say(f"cooling down ({reason})")
        time.sleep(min(LOOK_S, limit_s))
        facts = probe(device)
    return facts, time.monotonic() - start


class Held(TypedDict):
    """Clocks in kHz and temperatures in °C over a run; None where the device doesn't say."""

    khz_least: int | None
    khz_most: int | None
    celsius_first: float | None
    celsius_most: float | None
    throttled: bool | None


def held(readings: Sequence[Reading]) -> Held:
    """What the readings during a run say: throttled when some core's clock fell well below its highest."""
    by_core = zip(*(reading.khz for reading in readings), strict=False)
    known = [core for each in by_core if (core := [khz for khz in each if khz is not None])]
    hottest = [max(values) for r in readings if (values := [c for c in r.celsius if c is not None])]
    # The first reading may come before the governor has raised the clock.
    settled = [core[1:] if len(core) > 2 else core for core in known]
    return Held(
        khz_least=min((min(core) for core in settled), default=None),
        khz_most=max((max(core) for core in known), default=None),
        celsius_first=hottest[0] if hottest else None,
        celsius_most=max(hottest, default=None),
        throttled=any(min(core) < THROTTLED * max(core) for core in settled) if settled else None,
    )


def validity(stats: Stats) -> dict[str, Any]:
    """MLPerf's flags: whether the run was long and had enough passes to be quoted as such a result."""
    seconds = sum(stats.samples) / 1e3
    enough = {"min_duration_met": seconds >= LEAST_SECONDS, "min_query_met": stats.n >= LEAST_COUNT}
    return {**enough, "mlperf_valid": all(enough.values()), "seconds": seconds, "n": stats.n}


def state_of(facts: Facts) -> dict[str, Any]:
    """What changes on a device while it works."""
    names = ("thermal_status", "temperatures", "battery_percent", "battery_charging", "battery_celsius", "clocks_khz")
    return {name: getattr(facts, name) for name in (*names, "memory_available_bytes")}
