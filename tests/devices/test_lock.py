"""Two workbenches on one device would end each other's runner."""

from __future__ import annotations

import subprocess
import sys

import pytest

from workbench.devices.adb import DeviceError
from workbench.devices.listing import Listed
from workbench.devices.lock import exclusive

SERIAL = "a test's serial; $(touch /tmp/none) ../../x"


def in_another_process() -> str:
    code = f"""
from workbench.devices.adb import DeviceError
from workbench.devices.listing import Listed
from workbench.devices.lock import exclusive
try:
    with exclusive(Listed({SERIAL!r})):
        print("had")
except DeviceError as error:
    print(error.message)
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_a_device_is_one_workbenchs_until_it_is_done():
    with exclusive(Listed(SERIAL)):
        assert in_another_process() == f"device {SERIAL}: in use by another workbench"
        with pytest.raises(DeviceError), exclusive(Listed(SERIAL)):
            pass
        with exclusive(Listed("another")):
            pass
    assert in_another_process() == "had"
