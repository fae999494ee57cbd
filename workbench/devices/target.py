"""From what a recipe or the command line says (``adb``, ``adb:SERIAL``, ``adb: {model: …}``) to devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.devices.adb import AUTHORIZE, REPLUG, Adb, Device, Listed, find_adb
from workbench.devices.probe import Facts, missing, probe
from workbench.errors import InputError, did_you_mean

PREFIX = "adb:"
_STATES = {
    "unauthorized": f"is not authorized: {AUTHORIZE}",
    "offline": f"is offline: {REPLUG}",
    "authorizing": "is still authorizing: wait a moment",
    "recovery": "is in recovery mode: start it normally",
    "bootloader": "is in its bootloader: start it normally",
    "sideload": "is in sideload mode: start it normally",
}


def state_in_words(state: str) -> str:
    """What adb's word for a device's state means and what to do, as the end of a sentence."""
    return _STATES.get(state, f"is {state}")


@dataclass(frozen=True)
class Ready:
    """A device that can be profiled, with its facts."""

    device: Device
    facts: Facts

    @property
    def target(self) -> str:
        """What its rows are called."""
        return PREFIX + self.device.serial


def ready_devices(adb: Adb, serial: str | None = None, model: str | None = None) -> list[Ready]:
    """The devices asked for: that of ``serial``, those whose model holds ``model``, or all that are ready.

    Raises:
        InputError: there is none, or one that was asked for by name isn't ready; says why and what to do.
        DeviceError: one doesn't answer.
    """
    listed = adb.devices()
    if serial is not None:
        return [_named(adb, serial, listed)]
    usable = [Ready(adb.on(d.serial), probe(adb.on(d.serial))) for d in listed if d.state == "device"]
    if model is not None:
        chosen = [r for r in usable if model.lower() in (r.facts.model or "").lower()]
        if not chosen:
            there = ", ".join(f"{r.facts.name} ({r.device.serial})" for r in usable) or "none"
            raise InputError(f"adb: no ready device whose model holds {model!r}", hint=f"ready are: {there}")
        usable = chosen
    if not usable:
        others = [f"{d.serial} {state_in_words(d.state)}" for d in listed]
        raise InputError(
            "adb: no device is ready" + (f"; {'; '.join(others)}" if others else ""),
            hint=None if others else "attach one with USB debugging on, or adb connect HOST:PORT; see: adb devices",
        )
    for device in usable:
        _can_be_used(device)
    return usable


def devices_of(asked: Sequence[Any], program: Path | None = None) -> list[Ready]:
    """The ready devices that are asked for, each once.

    Args:
        asked: ``adb``, ``adb:SERIAL``, or an object whose ``adb.model`` is a part of a model's name.
        program: the adb to use.

    Raises:
        InputError: there is no adb, or a device that is asked for isn't ready.
        RunError: adb's server or a device doesn't answer.
    """
    adb = Adb(find_adb(program))
    by_serial: dict[str, Ready] = {}
    for target in asked:
        if not isinstance(target, str):
            some = ready_devices(adb, model=target.adb.model)
        else:
            some = ready_devices(adb, serial=target.removeprefix(PREFIX) if target.startswith(PREFIX) else None)
        by_serial |= {ready.device.serial: ready for ready in some}
    return list(by_serial.values())


def _named(adb: Adb, serial: str, listed: Sequence[Listed]) -> Ready:
    known = {d.serial: d.state for d in listed}
    if serial not in known:
        raise InputError(
            f"adb: there is no device {serial!r}{did_you_mean(serial, known)}",
            hint=f"adb knows: {', '.join(known) or 'none; see adb devices'}",
        )
    if known[serial] != "device":
        raise InputError(f"adb: {serial} {state_in_words(known[serial])}")
    ready = Ready(adb.on(serial), probe(adb.on(serial)))
    _can_be_used(ready)
    return ready


def _can_be_used(ready: Ready) -> None:
    reasons = missing(ready.facts)
    if reasons:
        raise InputError(f"adb: {ready.device.serial} can't be profiled: {'; '.join(reasons)}")
