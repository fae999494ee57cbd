"""Which devices adb lists and in which state, whatever their serials are."""

from __future__ import annotations

import random

import pytest

from workbench.devices.listing import STATES, Listed, meaning, read_listing

HEAD = "List of devices attached\n"
UDEV = (
    "no permissions (missing udev rules? user is in the plugdev group); "
    "see [http://developer.android.com/tools/device.html]"
)
FACTS = " product:xyz model:xyz device:xyz transport_id:"
LISTINGS = {
    "a serial with a space, as mDNS gives": (
        "adb-ABCDEF1234-QwErTy (2)._adb-tls-connect._tcp device product:product_x model:m device:x transport_id:3",
        [Listed("adb-ABCDEF1234-QwErTy (2)._adb-tls-connect._tcp", "device", None, "3")],
    ),
    "no permissions": (
        f"1a2b3c4d               {UDEV} usb:1-2 transport_id:1",
        [Listed("1a2b3c4d", UDEV, "1-2", "1")],
    ),
    "one serial twice": (
        f"0123 device usb:1-1.2{FACTS}56\n0123 device usb:1-1.3{FACTS}57",
        [Listed("0123", "device", "1-1.2", "56", True), Listed("0123", "device", "1-1.3", "57", True)],
    ),
    "no serial": (
        f"(no serial number)     device usb:1-1{FACTS}2",
        [Listed("(no serial number)", "device", "1-1", "2", True)],
    ),
    "an older adb": (
        "????????????           no permissions\nX1\tdevice\nX2       no permissions; see [http://a.b/c.html] usb:1-3",
        [
            Listed("????????????", "no permissions"),
            Listed("X1"),
            Listed("X2", "no permissions; see [http://a.b/c.html]", "1-3"),
        ],
    ),
    "an emulator and a network": (
        "emulator-5554          offline transport_id:1\n127.0.0.1:5555 unauthorized transport_id:2",
        [Listed("emulator-5554", "offline", None, "1"), Listed("127.0.0.1:5555", "unauthorized", None, "2")],
    ),
    "states in a serial, spaces in a product": (
        "my offline device host  device product:a device model:b device:c transport_id:9",
        [Listed("my offline device host", "device", None, "9")],
    ),
    "a state of a later adb": ("X1   hibernating transport_id:4", [Listed("X1", "hibernating", None, "4")]),
    "a server that starts": (
        "* daemon not running; starting now at tcp:5037\n* daemon started successfully\nX1 no device",
        [Listed("X1", "no device")],
    ),
    "a server that is replaced": ("adb server version (40) doesn't match this client (41); killing...", []),
    "nothing": ("", []),
}


@pytest.mark.parametrize("lines, devices", LISTINGS.values(), ids=LISTINGS)
def test_a_listing_gives_serial_state_and_what_tells_devices_apart(lines, devices):
    assert read_listing(f"{HEAD}{lines}\n\n") == devices
    assert read_listing(f"{HEAD}{lines}\n\n".replace("\n", "\r\n")) == devices


def test_every_state_is_read_whatever_the_serial():
    rng = random.Random(0)
    words = ["adb-X", "(2)", "._adb-tls-connect._tcp", "device", "127.0.0.1:5555", "%#", "offline", "ü"]
    for _ in range(2000):
        serial = " ".join(rng.choices(words, k=rng.randint(1, 3)))
        state = rng.choice([*STATES, UDEV])
        usb, transport = rng.choice([None, "1-1.4", "3-2"]), rng.choice([None, "12"])
        facts = (f" usb:{usb}" if usb else "") + (" product:p model:m device:d" if rng.random() < 0.5 else "")
        line = f"{serial:<22} {state}{facts}" + (f" transport_id:{transport}" if transport else "")
        assert read_listing(f"{HEAD}{line}\n") == [Listed(serial, state, usb, transport)], line


def test_every_state_says_what_it_means_and_what_would_do():
    assert "plugdev" in meaning(UDEV)[1] and UDEV in meaning(UDEV)[0]
    assert "accept" in meaning("unauthorized")[1]
    assert meaning("hibernating")[0] == "is hibernating"
