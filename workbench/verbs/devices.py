"""``workbench devices``: what is attached, and what stands in the way of profiling there."""

from __future__ import annotations

from typing import Any

from workbench.devices.adb import Adb, DeviceError, Listed
from workbench.devices.folder import clean as clean_device
from workbench.devices.probe import Facts, missing, probe
from workbench.devices.target import state_in_words
from workbench.errors import InputError


def listing(adb: Adb) -> list[dict[str, Any]]:
    """One entry per device that adb knows (JSON): serial, state, facts where it is ready, what is missing."""
    return [_entry(adb, listed) for listed in adb.devices()]


def _entry(adb: Adb, listed: Listed) -> dict[str, Any]:
    entry: dict[str, Any] = {"serial": listed.serial, "state": listed.state, "facts": None}
    if listed.state != "device":
        return entry | {"missing": [state_in_words(listed.state)]}
    try:
        facts = probe(adb.on(listed.serial))
    except DeviceError as error:
        return entry | {"missing": [str(error)]}
    return entry | {"facts": facts.as_json(), "missing": [*missing(facts), *_library(facts)]}


def _library(facts: Facts) -> list[str]:
    """What has to be fetched by hand before a device of this system can be profiled."""
    if facts.system != "android" or facts.abi is None:
        return []
    from workbench.devices.toolchain.library import host_version

    return [
        f"the runtime for Android: fetch onnxruntime-android-{host_version()}.aar (Maven Central, "
        "com.microsoft.onnxruntime) and name it with --ort-library"
    ]


def clean(adb: Adb, serial: str | None) -> list[str]:
    """Removes our folder from one device, or from all that are ready; the serials that are clean now.

    Raises:
        InputError: there is no such device, or none at all.
        DeviceError: a device doesn't answer, or the folder is still there.
    """
    ready = [d.serial for d in adb.devices() if d.state == "device"]
    if serial is not None and serial not in ready:
        raise InputError(f"adb: no ready device {serial!r}", hint=f"ready are: {', '.join(ready) or 'none'}")
    chosen = [serial] if serial is not None else ready
    if not chosen:
        raise InputError("adb: no device is ready", hint="see: workbench devices")
    for one in chosen:
        if not clean_device(adb.on(one)):
            raise DeviceError(one, "our folder could not be removed", "is its storage read-only?")
    return chosen


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
    for name, value in _cells(entry["facts"]).items() if entry["facts"] else ():
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
    battery = f"{facts['battery_percent']} %" if facts["battery_percent"] is not None else NOT_TOLD
    return {
        "model": facts["model"] or NOT_TOLD,
        "SoC": facts["soc"] or NOT_TOLD,
        "ABI": (facts["abi"] or facts["machine"] or NOT_TOLD) + (" (emulated)" if facts["emulated"] else ""),
        "system": facts["version"] or NOT_TOLD,
        "cores": cores or NOT_TOLD,
        "memory": f"{facts['memory_bytes'] / 1e9:.1f} GB" if facts["memory_bytes"] else NOT_TOLD,
        "thermal": ", ".join(warm) or NOT_TOLD,
        "battery": battery + (", charging" if facts["battery_charging"] else ""),
    }


NOT_TOLD = "not told"
