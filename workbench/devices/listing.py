"""What ``adb devices -l`` lists: each device's serial and state, and what tells devices of one serial apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

AGAIN = "then give the same command again"
REPLUG = f"reconnect the device, {AGAIN}: what is finished is kept"
AUTHORIZE = f"unlock the phone and accept this computer's key, {AGAIN}"
RESTART = "start it normally: adb reboot"
STATES = {
    "device": ("is ready", f"is it busy? reconnect it if that lasts, {AGAIN}: what is finished is kept"),
    "unauthorized": ("is not authorized", AUTHORIZE),
    "authorizing": ("is still authorizing", f"wait a moment, {AGAIN}"),
    "connecting": ("is still connecting", f"wait a moment, {AGAIN}"),
    "offline": ("is offline", REPLUG),
    "no device": ("is gone", REPLUG),
    "no permissions": (
        "can't be opened by this user",
        "install the udev rules (Debian: apt install android-sdk-platform-tools-common), join the group plugdev "
        "(usermod -aG plugdev $USER), log in anew, then reconnect the device and: adb kill-server",
    ),
    "recovery": ("is in recovery mode", RESTART),
    "rescue": ("is in rescue mode", RESTART),
    "sideload": ("is in sideload mode", RESTART),
    "bootloader": ("is in its bootloader", "start it normally: fastboot reboot"),
    "host": ("acts as a USB host", "unplug what is attached to it, and attach it to this computer as a device"),
    "detached": ("is detached from adb, for another program to use", "adb attach, or reconnect it"),
    "unknown": ("is in a state that adb doesn't know", REPLUG),
}
"""adb's words for a device's state: what each means, as the end of a sentence, and what to do."""
NO_SERIAL = "(no serial number)"
_LINE = re.compile(
    rf"(?P<serial>\S.*?)\s+(?P<state>no permissions.*?|{'|'.join(STATES)})(?P<facts>(\s+\w+:(?!/).*)?)\s*"
)
"""A line of ``adb devices -l``: a serial may hold spaces (``adb-X (2)._adb-tls-connect._tcp``), and a state, too."""
_OTHER_LINE = re.compile(r"(?P<serial>\S+)\s+(?P<state>.+?)(?P<facts>(\s+\w+:.*)?\s+transport_id:\d+)\s*")
"""The same with a state that isn't among those known here."""


def meaning(state: str) -> tuple[str, str]:
    """What adb's words for a state mean, as the end of a sentence, and what to do."""
    known = next((known for known in STATES if state.startswith(known)), None)
    if known is None:
        return f"is {state}", REPLUG
    words, remedy = STATES[known]
    return words if state == known else f"{words}: {state}", remedy


@dataclass(frozen=True)
class Listed:
    """A device as ``adb devices -l`` lists it. ``shared``: another one has the same serial, or it has none."""

    serial: str
    state: str = "device"
    usb: str | None = None
    transport_id: str | None = None
    shared: bool = False

    @property
    def names(self) -> list[str]:
        """What a user may call it: its serial, its USB path as adb writes it (``usb:1-1.2``), its transport id."""
        more = {"usb": self.usb, "transport_id": self.transport_id}
        return [self.serial, *(f"{kind}:{value}" for kind, value in more.items() if value)]

    @property
    def name(self) -> str:
        """The name that no other device has and that lasts longest."""
        return next(iter(self.names[1:]), self.serial) if self.shared else self.serial

    @property
    def address(self) -> tuple[str, str]:
        """adb's option that reaches it and no other."""
        return ("-t", self.transport_id) if self.shared and self.transport_id else ("-s", self.name)


def read_listing(text: str) -> list[Listed]:
    """The devices in the answer of ``adb devices -l``; lines about adb's server are no devices."""
    lines = [line for line in text.splitlines() if not line.startswith("*")]
    matches = [match for line in lines if (match := _LINE.fullmatch(line) or _OTHER_LINE.fullmatch(line))]
    serials = [match["serial"] for match in matches]
    listed = []
    for match in matches:
        serial, facts = match["serial"], dict(re.findall(r"\s(usb|transport_id):(\S+)", match["facts"]))
        shared = serials.count(serial) > 1 or serial == NO_SERIAL
        listed.append(Listed(serial, match["state"], facts.get("usb"), facts.get("transport_id"), shared))
    return listed
