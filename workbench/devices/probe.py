"""What a device is and in which state: asked in one call, every fact a value or None with the reason."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from workbench.devices.adb import Device

ABIS = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
"""``uname -m`` to the ABI's name here. 32-bit devices aren't supported: ONNX Runtime's kernels for them are few."""


@dataclass(frozen=True)
class Cores:
    """Cores of one speed: their numbers and greatest frequency in kHz (None: not told)."""

    numbers: tuple[int, ...]
    max_khz: int | None


@dataclass(frozen=True)
class Facts:
    """A device. ``system`` is ``android`` or ``linux``; ``abi`` None when it is one that we can't build for.

    Temperatures in °C by sensor; ``thermal_status`` is Android's 0 (none) to 6 (shutdown); frequencies in kHz.
    ``unknown`` gives the reason for every fact that is None.
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
    script = (importlib.resources.files("workbench.devices") / "probe.sh").read_text()
    done = device.script(script)
    sections = _sections(done.out)
    if "end" not in sections:
        raise device.gone(f"its answer to the probe broke off ({done.said})")
    return facts(device.listed.serial, sections)


def _sections(text: str) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.replace("\r", "").splitlines():
        if line.startswith("@@"):
            current = sections.setdefault(line[2:].strip(), [])
        else:
            current.append(line)
    return sections


def facts(serial: str, sections: Mapping[str, list[str]]) -> Facts:
    """The facts in the probe's answer, section by section."""
    unknown: dict[str, str] = {}

    def read(name: str, get: Callable[[], Any]) -> Any:
        try:
            value = get()
        except ValueError as error:
            unknown[name] = str(error)
            return None
        except (KeyError, IndexError, StopIteration):
            unknown[name] = "the device's answer isn't understood"
            return None
        if value is None or value == "":
            unknown[name] = "the device doesn't say"
            return None
        return value

    props = _pairs(sections.get("props", []))
    system = "android" if props.get("ro.build.version.release") else "linux"
    machine = read("machine", lambda: _first(sections, "machine"))
    version, battery = _version(system, props, sections), sections.get("battery", [])
    online = _numbers(next(iter(_pairs(sections.get("online", [])).values()), ""))
    temperatures = _temperatures(sections)
    clocks = _by_core(sections.get("clocks", []), "scaling_cur_freq")
    unknown |= {
        name: "no sensor answers"
        for name, all_of_it in (("temperatures", temperatures), ("clocks_khz", clocks))
        if not all_of_it
    }
    return Facts(
        serial=serial,
        system=system,
        version=read("version", lambda: version),
        machine=machine,
        abi=_abi(machine, props),
        model=read(
            "model", lambda: " ".join(_some(props, "ro.product.manufacturer", "ro.product.model")) or _cpu(sections)
        ),
        soc=read(
            "soc",
            lambda: (
                " ".join(_some(props, "ro.soc.manufacturer", "ro.soc.model"))
                or props.get("ro.board.platform")
                or props.get("ro.hardware")
            ),
        ),
        fingerprint=read("fingerprint", lambda: props.get("ro.build.fingerprint")),
        classes=_classes(sections, online),
        memory_bytes=read("memory_bytes", lambda: _kilobytes(sections, "MemTotal")),
        memory_available_bytes=read("memory_available_bytes", lambda: _kilobytes(sections, "MemAvailable")),
        space_bytes=read("space_bytes", lambda: _space(sections)),
        temperatures=temperatures,
        thermal_status=read("thermal_status", lambda: int(_after(sections["thermalservice"], "Thermal Status:"))),
        battery_percent=read("battery_percent", lambda: int(_after(battery, "level:"))),
        battery_charging=read("battery_charging", lambda: int(_after(battery, "status:")) in _CHARGING),
        battery_celsius=read("battery_celsius", lambda: int(_after(battery, "temperature:")) / 10),
        clocks_khz=clocks,
        cpu_features=_features(sections),
        tools=tuple(sections.get("tools", [])),
        root=_first(sections, "user") == "0" if sections.get("user") else False,
        emulated=_emulated(sections.get("emulation", [])),
        unknown=unknown,
    )


def _abi(machine: str | None, props: Mapping[str, str]) -> str | None:
    """The ABI to build for; None on a 64-bit processor under a 32-bit Android, too."""
    abi = ABIS.get(machine or "")
    listed = props.get("ro.product.cpu.abilist")
    return abi if not listed or {"arm64": "arm64-v8a"}.get(abi or "", abi) in listed.split(",") else None


def _emulated(lines: list[str]) -> bool:
    """Whether an emulator says so (Android's), or runs the shell that answered (qemu-user)."""
    props = _pairs(lines)
    return any(props.get(f"ro.{kind}.qemu") == "1" for kind in ("boot", "kernel")) or any(
        "qemu" in line for line in lines if not line.startswith("ro.")
    )


_CHARGING = (2, 5)
"""Android's BatteryManager: charging, full (on the charger)."""


def _first(sections: Mapping[str, list[str]], name: str) -> str:
    return next(line.strip() for line in sections[name] if line.strip())


def _pairs(lines: list[str]) -> dict[str, str]:
    split = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("!"))
    return {name.strip(): value.strip() for name, value in split}


def _some(props: Mapping[str, str], *names: str) -> list[str]:
    return [props[name] for name in names if props.get(name)]


def _version(system: str, props: Mapping[str, str], sections: Mapping[str, list[str]]) -> str | None:
    if system == "android":
        sdk = props.get("ro.build.version.sdk")
        return f"Android {props['ro.build.version.release']}" + (f" (API {sdk})" if sdk else "")
    for line in sections.get("os", []):
        if "PRETTY_NAME=" in line:
            return line.split("PRETTY_NAME=", 1)[1].strip().strip('"')
    return next((line for line in sections.get("kernel", []) if line), None)


def _cpu(sections: Mapping[str, list[str]]) -> str | None:
    for line in sections.get("cpuinfo", []):
        if line.startswith(("model name", "Hardware")):
            return line.split(":", 1)[1].strip()
    return None


def _features(sections: Mapping[str, list[str]]) -> tuple[str, ...]:
    for line in sections.get("cpuinfo", []):
        if line.startswith(("Features", "flags")):
            return tuple(line.split(":", 1)[1].split())
    return ()


def _after(lines: list[str], label: str) -> str:
    """What stands after ``label`` at the begin of a line; ValueError with the tool's own words when it isn't there."""
    for line in lines:
        if line.strip().startswith(label):
            return line.split(label, 1)[1].split()[0]
    raise ValueError(next((line.lstrip("!") for line in lines if line.strip()), "no answer"))


def _numbers(ranges: str) -> tuple[int, ...]:
    """``0-3,6`` as 0, 1, 2, 3, 6."""
    numbers: list[int] = []
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        if first.isdecimal():
            numbers += range(int(first), int(last or first) + 1)
    return tuple(numbers)


def _by_core(lines: list[str], name: str) -> dict[int, int]:
    by_core = {}
    for path, value in _pairs(lines).items():
        match = re.search(r"/cpu(\d+)/(?:cpufreq/)?" + name + "$", path)
        if match and value.isdecimal():
            by_core[int(match[1])] = int(value)
    return by_core


def _classes(sections: Mapping[str, list[str]], online: tuple[int, ...]) -> tuple[Cores, ...]:
    """Cores by greatest frequency, the fastest first; in one class where the device doesn't tell it."""
    lines = sections.get("cores", [])
    speed = _by_core(lines, "cpuinfo_max_freq")
    cores = online or tuple(speed)
    by_speed: dict[int | None, list[int]] = {}
    for core in cores:
        by_speed.setdefault(speed.get(core), []).append(core)
    ordered = sorted(by_speed.items(), key=lambda item: -(item[0] or 0))
    return tuple(Cores(tuple(numbers), khz) for khz, numbers in ordered)


def _kilobytes(sections: Mapping[str, list[str]], label: str) -> int:
    return int(_after(sections["memory"], f"{label}:")) * 1024


def _space(sections: Mapping[str, list[str]]) -> int:
    lines = [line.split() for line in sections["space"] if line.strip()]
    numbers = [int(word) for word in lines[-1] if word.isdecimal()]
    return numbers[2] * 1024


def _temperatures(sections: Mapping[str, list[str]]) -> dict[str, float]:
    """Sensors in °C: Android's thermal service where it answers, else the kernel's zones."""
    lines = sections.get("thermalservice", [])
    current = next((i for i, line in enumerate(lines) if line.startswith("Current temperatures")), 0)
    # What is cached may be hours old; where the hardware doesn't answer, it is all there is.
    for part in (lines[current:], lines):
        matches = (re.search(r"Temperature\{mValue=([-\d.]+), mType=(-?\d+), mName=([^,}]+)", line) for line in part)
        temperatures = {t[3]: float(t[1]) for t in matches if t and t[2] not in _NO_TEMPERATURES}
        if temperatures:
            return temperatures
    temperatures = {}
    zones = _pairs(sections.get("zones", []))
    for path, kind in zones.items():
        value = zones.get(path.removesuffix("type") + "temp", "") if path.endswith("/type") else ""
        if value.lstrip("-").isdecimal():
            # Kernels give thousandths of a degree; some vendors tenths or whole temperatures.
            number = int(value)
            temperatures[kind] = (
                number / 1000 if abs(number) >= 1000 else number / 10 if abs(number) > 150 else float(number)
            )
    return temperatures


_NO_TEMPERATURES = ("6", "7", "8")
"""Android's types of "temperature" that are the battery's volts, amperes and per cent."""
