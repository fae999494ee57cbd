"""What a device is and in which state: asked in one call, every fact a value or None with the reason."""

from __future__ import annotations

import importlib.resources
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from workbench.devices.adb import Device
from workbench.devices.toolchain.build import MACHINES, Target


@dataclass(frozen=True)
class Cores:
    """Cores of one speed: their numbers and greatest frequency in kHz (None: unknown)."""

    numbers: tuple[int, ...]
    max_khz: int | None


@dataclass(frozen=True)
class Facts:
    """A device. ``system`` is ``android`` or ``linux``; ``abi`` None when it is one that we can't build for.

    Temperatures in °C by sensor; ``thermal_status`` is Android's 0 (none) to 6 (shutdown); frequencies in kHz.
    ``unknown`` gives the reason for every fact that is None or empty.
    """

    serial: str
    system: str
    version: str | None
    machine: str | None
    abi: str | None
    model: str | None
    soc: str | None
    fingerprint: str | None
    classes: tuple[Cores, ...]
    memory_bytes: int | None
    memory_available_bytes: int | None
    space_bytes: int | None
    temperatures: Mapping[str, float]
    thermal_status: int | None
    battery_percent: int | None
    battery_charging: bool | None
    battery_celsius: float | None
    clocks_khz: Mapping[int, int]
    cpu_features: tuple[str, ...]
    tools: tuple[str, ...]
    root: bool
    emulated: bool
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What people call it: the model, else the system's name."""
        return self.model or self.version or self.machine or self.serial

    def as_json(self) -> dict[str, Any]:
        """All facts as plain data."""
        return asdict(self)


def probe(device: Device) -> Facts:
    """Asks the device for its facts.

    Raises:
        DeviceError: it doesn't answer, or its answer breaks off.
    """
    done = device.script((importlib.resources.files("workbench.devices") / "probe.sh").read_text())
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in done.out.replace("\r", "").splitlines():
        if line.startswith("@@"):
            current = sections.setdefault(line[2:].strip(), [])
        else:
            current.append(line)
    if "end" not in sections:
        raise device.gone(f"its answer to the probe broke off ({done.message})")
    return facts(device.listed.serial, sections)


def facts(serial: str, sections: Mapping[str, list[str]]) -> Facts:
    """The facts in the probe's answer, section by section."""
    lines = defaultdict(list, sections)
    props, battery = _pairs(lines["props"]), lines["battery"]
    system = "android" if props.get("ro.build.version.release") else "linux"
    machine = _first(lines["machine"])
    fields: dict[str, Callable[[], Any]] = {
        "version": lambda: _version(system, props, lines),
        "machine": lambda: machine,
        "abi": lambda: _abi(machine, props),
        "model": lambda: (
            _joined(props, "ro.product.manufacturer", "ro.product.model")
            or _cpu(lines["cpuinfo"], "model name", "Hardware")
        ),
        "soc": lambda: (
            _joined(props, "ro.soc.manufacturer", "ro.soc.model")
            or props.get("ro.board.platform")
            or props.get("ro.hardware")
        ),
        "fingerprint": lambda: props.get("ro.build.fingerprint"),
        "classes": lambda: _classes(lines["cores"], _numbers(next(iter(_pairs(lines["online"]).values()), ""))),
        "memory_bytes": lambda: int(_after(lines["memory"], "MemTotal:")) * 1024,
        "memory_available_bytes": lambda: int(_after(lines["memory"], "MemAvailable:")) * 1024,
        "space_bytes": lambda: _space(lines["space"]),
        "temperatures": lambda: _temperatures(lines["thermalservice"], _pairs(lines["zones"])),
        "thermal_status": lambda: int(_after(lines["thermalservice"], "Thermal Status:")),
        "battery_percent": lambda: int(_after(battery, "level:")),
        "battery_charging": lambda: int(_after(battery, "status:")) in _CHARGING,
        "battery_celsius": lambda: int(_after(battery, "temperature:")) / 10,
        "clocks_khz": lambda: _by_core(lines["clocks"], "scaling_cur_freq"),
        "cpu_features": lambda: tuple(_cpu(lines["cpuinfo"], "Features", "flags").split()),
        "tools": lambda: tuple(lines["tools"]),
        "root": lambda: _first(lines["user"]) == "0",
        "emulated": lambda: _emulated(lines["emulation"]),
    }
    values: dict[str, Any] = {name: _EMPTY.get(name) for name in fields}
    unknown: dict[str, str] = {}
    for name, read in fields.items():
        try:
            value = read()
        except (ValueError, IndexError) as error:  # a tool's own words, or what can't be parsed
            unknown[name] = str(error) if type(error) is _Missing else "the device's answer isn't understood"
            continue
        if value in (None, "", (), {}):
            unknown[name] = "the device doesn't say"
        else:
            values[name] = value
    return Facts(serial=serial, system=system, unknown=unknown, **values)


_EMPTY: Mapping[str, Any] = {
    "classes": (), "temperatures": {}, "clocks_khz": {}, "cpu_features": (), "tools": (), "root": False,
    "emulated": False,
}  # fmt: skip
"""Facts that aren't None where they are unknown."""
_CHARGING = (2, 5)
"""Android's BatteryManager: charging, full (on the charger)."""
_NO_TEMPERATURES = ("6", "7", "8")
"""Android's types of "temperature" that are the battery's volts, amperes and per cent."""
_MOST_CORES = 4096
"""More than any kernel is built for: no answer may fill the memory here."""


class _Missing(ValueError):
    """A tool on the device gave no such line; the message is what it said."""


def _abi(machine: str, props: Mapping[str, str]) -> str | None:
    """The ABI to build for; None on a 64-bit processor under a 32-bit Android, too."""
    abi, listed = MACHINES.get(machine), props.get("ro.product.cpu.abilist")
    return abi if not listed or (abi and Target("android", abi).android_abi in listed.split(",")) else None


def _emulated(lines: list[str]) -> bool:
    """Whether an emulator says so (Android's), or runs the shell that answered (qemu-user)."""
    props = _pairs(lines)
    return any(props.get(f"ro.{kind}.qemu") == "1" for kind in ("boot", "kernel")) or any(
        "qemu" in line for line in lines if not line.startswith("ro.")
    )


def _first(lines: list[str]) -> str:
    return next((line.strip() for line in lines if line.strip()), "")


def _pairs(lines: list[str]) -> dict[str, str]:
    split = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("!"))
    return {name.strip(): value.strip() for name, value in split}


def _joined(props: Mapping[str, str], *names: str) -> str:
    return " ".join(props[name] for name in names if props.get(name))


def _version(system: str, props: Mapping[str, str], lines: Mapping[str, list[str]]) -> str:
    if system == "android":
        sdk = props.get("ro.build.version.sdk")
        return f"Android {props['ro.build.version.release']}" + (f" (API {sdk})" if sdk else "")
    named = (line.partition("PRETTY_NAME=")[2].strip().strip('"') for line in lines["os"])
    return next(filter(None, named), "") or _first(lines["kernel"])


def _cpu(lines: list[str], *labels: str) -> str:
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(labels)), "")


def _after(lines: list[str], label: str) -> str:
    """What stands after ``label`` at the beginning of a line."""
    for line in lines:
        if line.strip().startswith(label):
            return line.split(label, 1)[1].split()[0]
    raise _Missing(_first(lines).lstrip("!") or "no answer")


def _numbers(ranges: str) -> tuple[int, ...]:
    """``0-3,6`` as 0, 1, 2, 3, 6."""
    numbers: list[int] = []
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        if first.isdecimal():
            numbers += range(int(first), min(int(last or first) + 1, _MOST_CORES))
    return tuple(numbers)


def _by_core(lines: list[str], name: str) -> dict[int, int]:
    by_core = {}
    for path, value in _pairs(lines).items():
        match = re.search(r"/cpu(\d+)/(?:cpufreq/)?" + name + "$", path)
        if match and value.isdecimal():
            by_core[int(match[1])] = int(value)
    return by_core


def _classes(lines: list[str], online: tuple[int, ...]) -> tuple[Cores, ...]:
    """Cores by greatest frequency, the fastest first; in one class where the device doesn't say."""
    speed = _by_core(lines, "cpuinfo_max_freq")
    by_speed: dict[int | None, list[int]] = {}
    for core in online or speed:
        by_speed.setdefault(speed.get(core), []).append(core)
    ordered = sorted(by_speed.items(), key=lambda item: -(item[0] or 0))
    return tuple(Cores(tuple(numbers), khz) for khz, numbers in ordered)


def _space(lines: list[str]) -> int:
    words = [line.split() for line in lines if line.strip()][-1]
    return [int(word) for word in words if word.isdecimal()][2] * 1024


def _temperatures(lines: list[str], zones: Mapping[str, str]) -> dict[str, float]:
    """Sensors in °C: Android's thermal service where it answers, else the kernel's zones."""
    current = next((i for i, line in enumerate(lines) if line.startswith("Current temperatures")), 0)
    # What is cached may be hours old; where the hardware doesn't answer, it is all there is.
    for part in (lines[current:], lines):
        matches = (re.search(r"Temperature\{mValue=([-\d.]+), mType=(-?\d+), mName=([^,}]+)", line) for line in part)
        temperatures = {t[3]: float(t[1]) for t in matches if t and t[2] not in _NO_TEMPERATURES}
        if temperatures:
            return temperatures
    values = ((kind, zones.get(f"{path.removesuffix('type')}temp", "")) for path, kind in zones.items())
    return {kind: _celsius(int(value)) for kind, value in values if value.lstrip("-").isdecimal()}


def _celsius(number: int) -> float:
    """Kernels give thousandths of a degree; some vendors tenths or whole degrees."""
    return number / 1000 if abs(number) >= 1000 else number / 10 if abs(number) > 150 else float(number)
