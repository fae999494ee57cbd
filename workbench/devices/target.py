"""From what a recipe or the command line says (``adb``, ``adb:NAME``, ``adb: {model: …}``) to devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from workbench.devices.adb import Adb, Device, find_adb
from workbench.devices.listing import Listed, meaning
from workbench.devices.probe import Facts, probe
from workbench.devices.toolchain.build import compiler, target_of
from workbench.devices.toolchain.library import check_library
from workbench.errors import InputError, did_you_mean

PREFIX = "adb:"
LEAST_SPACE = 100_000_000
"""The runtime's library and a small model; the real need is checked before every push."""


@dataclass(frozen=True)
class Ready:
    """A device that can be profiled, with its facts."""

    device: Device
    facts: Facts

    @property
    def target(self) -> str:
        """What its rows are called."""
        return PREFIX + self.device.name


def devices_of(targets: Sequence[Any], ort_library: Path | None = None, adb: Adb | None = None) -> list[Ready]:
    """The devices that targets name, each once; what their profiles need is there, save a wheel to be downloaded.

    Args:
        targets: ``adb`` (all that are ready), ``adb:NAME``, or an object whose ``adb.model`` is in a model's name.
        ort_library: the runtime's library given for them.
        adb: the client; default: the one that ``find_adb`` finds.

    Raises:
        InputError: there is no adb, or a device can't be profiled; says why and what to do.
        RunError: adb's server or a device doesn't answer.
    """
    adb = adb or Adb(find_adb())
    listed, chosen = adb.devices(), dict[str, Ready]()
    ready = cache(lambda device: Ready(adb.on(device), probe(adb.on(device))))
    for target in targets:
        if isinstance(target, str) and target.startswith(PREFIX):
            fitting = [ready(named(listed, target.removeprefix(PREFIX)))]
        else:
            fitting = [ready(device) for device in listed if device.state == "device"]
        if not fitting:
            others = "; ".join(f"{device.name} {': '.join(meaning(device.state))}" for device in listed)
            raise InputError(
                f"adb: no device is ready{'; ' * bool(others)}{others}",
                hint=None if others else "attach one with USB debugging on, or adb connect HOST:PORT; see: adb devices",
            )
        if not isinstance(target, str):
            there = ", ".join(f"{r.facts.name} ({r.device.name})" for r in fitting)
            fitting = [r for r in fitting if target.adb.model.lower() in (r.facts.model or "").lower()]
            if not fitting:
                what = f"adb: no ready device whose model holds {target.adb.model!r}"
                raise InputError(what, hint=f"ready are: {there}")
        chosen |= {r.device.name: r for r in fitting}
    for name, device in chosen.items():
        if reasons := missing(device.facts, ort_library):
            raise InputError(f"adb: {name} can't be profiled: {'; '.join(reasons)}")
    return list(chosen.values())


def named(listed: Sequence[Listed], name: str) -> Listed:
    """The ready device of that name: its serial, or ``usb:PATH`` or ``transport_id:ID`` as ``adb devices -l`` has it.

    Raises:
        InputError: there is none, it isn't ready, or several have that serial.
    """
    fitting = [device for device in listed if name in device.names]
    if not fitting:
        names = [device.name for device in listed]
        raise InputError(
            f"adb: there is no device {name!r}{did_you_mean(name, names)}",
            hint=f"adb knows: {', '.join(names) or 'none; see adb devices'}",
        )
    if len(fitting) > 1:
        ways = ", ".join(PREFIX + device.name for device in fitting)
        raise InputError(f"adb: {len(fitting)} devices have the serial {name!r}", hint=f"name one of them: {ways}")
    if fitting[0].state != "device":
        raise InputError(f"adb: {name} {': '.join(meaning(fitting[0].state))}")
    return fitting[0]


def missing(facts: Facts, ort_library: Path | None = None) -> list[str]:
    """What stands in the way of profiling there, one sentence each with the remedy; empty when nothing does."""
    if facts.abi is None:
        return [f"its processor or system ({facts.machine}) isn't supported; 64-bit x86 and Arm are"]
    problems, target = [], target_of(facts.system, facts.abi)
    if facts.space_bytes is not None and facts.space_bytes < LEAST_SPACE:
        problems.append(
            f"only {facts.space_bytes / 1e6:.0f} MB free in /data/local/tmp; make room or run: workbench devices clean"
        )
    for check in (partial(compiler, target), partial(check_library, target, ort_library)):
        try:
            check()
        except InputError as error:
            problems.append(f"{error.message}; {error.hint}" if error.hint else error.message)
    return problems
