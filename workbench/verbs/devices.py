"""``workbench devices``: what is attached, and what stands in the way of profiling there."""

from __future__ import annotations

from typing import Any

from workbench.devices.adb import Adb, DeviceError
from workbench.devices.folder import clean as clean_device
from workbench.devices.listing import Listed, meaning
from workbench.devices.probe import probe
from workbench.devices.target import PREFIX, missing, named
from workbench.errors import InputError


def listing(adb: Adb) -> list[dict[str, Any]]:
    """One entry per device that adb knows (JSON): its names, its state, facts where it is ready, what is missing."""
    return [_entry(adb, listed) for listed in adb.devices()]


def _entry(adb: Adb, listed: Listed) -> dict[str, Any]:
    entry = {
        "serial": listed.serial,
        "target": PREFIX + listed.name,
        "usb": listed.usb,
        "transport_id": listed.transport_id,
        "state": listed.state,
        "facts": None,
    }
    if listed.state != "device":
        return entry | {"missing": [": ".join(meaning(listed.state))]}
    try:
        facts = probe(adb.on(listed))
    except DeviceError as error:
        return entry | {"missing": [str(error)]}
    return entry | {"facts": facts.as_json(), "missing": missing(facts)}


def clean(adb: Adb, name: str | None) -> list[str]:
    """Removes our folder from one device, or from all that are ready; the names of those that are clean now.

    Raises:
        InputError: there is no such device, or none at all.
        DeviceError: a device doesn't answer, or the folder is still there.
    """
    listed = adb.devices()
    chosen = [device for device in listed if device.state == "device"] if name is None else [named(listed, name)]
    if not chosen:
        raise InputError("adb: no device is ready", hint="see: workbench devices")
    for device in chosen:
        if not clean_device(adb.on(device)):
            raise DeviceError(device.name, "our folder could not be removed", "is its storage read-only?")
    return [device.name for device in chosen]


def show(entries: list[dict[str, Any]], as_json: bool) -> None:
    """Prints the listing: a block of lines per device; or JSON."""
    if as_json:
        import json

        print(json.dumps(entries, indent=1))
        return
    from rich.console import Console

    console = Console()
    if not entries:
        console.print("no devices; attach one with USB debugging on, or: adb connect HOST:PORT")
    for i, entry in enumerate(entries):
        if i:
            console.print()
        console.print(_block(entry))


def _block(entry: dict[str, Any]) -> Any:
    """One device: its serial and state, its facts, and what is missing there; as wide as the terminal allows."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False, title_justify="left", title_style="bold")
    table.title = Text(f"{entry['serial']}  {entry['state']}")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in {"target": entry["target"], **(_cells(entry["facts"]) if entry["facts"] else {})}.items():
        table.add_row(f"  {name}", Text(value))
    for line in entry["missing"]:
        table.add_row("  missing", Text(line))
    return table


def _cells(facts: dict[str, Any]) -> dict[str, str]:
    cores = " + ".join(
        f"{len(c['numbers'])}" + (f" × {c['max_khz'] / 1e6:.2f} GHz" if c["max_khz"] else "") for c in facts["classes"]
    )
    warm = [f"status {facts['thermal_status']}"] if facts["thermal_status"] is not None else []
    if facts["temperatures"]:
        warm.append(f"{max(facts['temperatures'].values()):.0f} °C")
    battery = f"{facts['battery_percent']} %" if facts["battery_percent"] is not None else UNKNOWN
    return {
        "model": facts["model"] or UNKNOWN,
        "SoC": facts["soc"] or UNKNOWN,
        "ABI": (facts["abi"] or facts["machine"] or UNKNOWN) + (" (emulated)" if facts["emulated"] else ""),
        "system": facts["version"] or UNKNOWN,
        "cores": cores or UNKNOWN,
        "memory": f"{facts['memory_bytes'] / 1e9:.1f} GB" if facts["memory_bytes"] else UNKNOWN,
        "thermal": ", ".join(warm) or UNKNOWN,
        "battery": battery + (", charging" if facts["battery_charging"] else ""),
    }


UNKNOWN = "unknown"
