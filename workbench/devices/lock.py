"""One workbench at a time on a device: two would end each other's runner, and their times would mean nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from workbench.devices.adb import DeviceError
from workbench.devices.listing import Listed
from workbench.store.scratch import SYSTEM
from workbench.system import lock


@contextmanager
def exclusive(device: Listed) -> Iterator[None]:
    """Holds the device for this process, among all of this user's on this computer; freed with the process.

    Raises:
        DeviceError: another process holds it.
    """
    server = os.environ.get("ADB_SERVER_SOCKET", "")  # the same serial of another server is another device
    # Not by its name, which is another one as long as a second device of its serial is attached.
    name = hashlib.sha256(f"{server}\0{device.usb or device.name}".encode()).hexdigest()[:16]
    path = SYSTEM / f"edge-workbench-{os.getuid()}-{name}.lock"
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "w") as file:
        try:
            lock(file, wait=False)
        except BlockingIOError:
            raise DeviceError(device.name, "in use by another workbench", "wait until that one is done") from None
        yield
