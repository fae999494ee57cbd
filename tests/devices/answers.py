"""A board's answers to the probe, of which a test changes some."""

from __future__ import annotations

from workbench.devices.probe import Facts, facts

LINUX = {
    "machine": ["aarch64"],
    "kernel": ["Linux 6.1.0"],
    "user": ["1000"],
    "os": ["/etc/os-release=NAME=Debian", 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"'],
    "props": ["!getprop: not there"],
    "cpuinfo": ["processor\t: 0", "Features\t: fp asimd"],
    "online": ["/sys/devices/system/cpu/online=0-3"],
    "memory": ["MemTotal:        8000000 kB", "MemAvailable:    7000000 kB"],
    "thermalservice": ["!dumpsys: not there"],
    "battery": ["!dumpsys: not there"],
    "emulation": ["/bin/sh", "/sbin/init"],
    "space": ["Filesystem 1K-blocks Used Available Use% Mounted on", "/dev/sda1 100000 40000 60000 40% /"],
}


def read(**changes: list[str]) -> Facts:
    """The facts in the answers, with some sections changed."""
    return facts("S1", LINUX | changes)


def props(**values: str) -> list[str]:
    """Lines of properties; an underscore in a name stands for a dot."""
    return [f"{name.replace('_', '.')}={value}" for name, value in values.items()]
