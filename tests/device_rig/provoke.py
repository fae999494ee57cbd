"""How the tests bring faults about: one call of the runner with something wrong, and what happens while it runs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.device_rig.rig import Rig, RigDevice
from workbench.devices.folder import FOLDER
from workbench.devices.job import Job, ModelJob
from workbench.devices.measure import DeviceSettings
from workbench.devices.profile import Work, profile_devices
from workbench.devices.session import DeviceSession
from workbench.devices.target import Ready
from workbench.measure.network import Network
from workbench.profile.counts import count_networks
from workbench.progress import quiet
from workbench.store.store import Store

HANG: dict[str, Any] = {"faults": {"hang": "20"}, "timeout": 40.0}
GATE = str(Path(__file__).with_name("fault_gate.py"))


def profiled(ready: Ready, network: Network, settings: DeviceSettings, store: Store, out: Path) -> dict[str, Any]:
    """The summary of a whole profile on one device."""
    found = profile_devices([ready], Work([network], count_networks([network]), 0), settings, out, store, quiet)
    return found[ready.target][network.candidate]


def job_on(
    ready: Ready,
    network: Network,
    settings: DeviceSettings,
    store: Store,
    scratch: Path,
    runner: Path | None = None,
    **changes: Any,
) -> None:
    """One call of the runner (or of the file given) with what the package would push, changed as asked."""
    assert network.file is not None
    with DeviceSession(ready, settings, store, quiet) as session:
        tools = session.tools()
        there = tools.folder
        model = there.put([network.file], ["model.onnx"])[0]
        program = there.put([runner], ["wbrun"])[0] if runner else tools.runner
        folder = there.job_folder("network")
        asked: dict[str, Any] = {"library": tools.library, "models": (ModelJob(model),), "phases": ("time",)}
        asked |= {"pid_file": f"{folder}/pid", "iterations": 3, "timeout": 30.0, "out": f"{folder}/result.json"}
        there.run(program, Job(**(asked | changes)), scratch)


@contextlib.contextmanager
def during(act: Callable[[], object], up: Rig, device: RigDevice) -> Iterator[None]:
    """Does something as soon as the runner works on the device; fails when it never did."""
    done = threading.Event()

    def wait() -> None:
        for _ in range(600):
            if up.processes(device):
                time.sleep(0.5)
                act()
                done.set()
                return
            time.sleep(0.05)

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()
    assert done.is_set(), "the runner never ran, so nothing was provoked"


def kill_clients() -> None:
    """Kills the adb shells that this process started."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            words = status.with_name("cmdline").read_bytes().split(b"\0")
            if parent == os.getpid() and words[0].endswith(b"adb") and b"shell" in words and b"wbrun" in words[-2]:
                os.kill(int(status.parent.name), signal.SIGKILL)


def signal_runner(up: Rig, device: RigDevice, number: int) -> None:
    """Sends a signal to the runner on the device."""
    script = f"for f in {FOLDER}/jobs/*/pid; do kill -{number} $(cat $f); done"
    assert up.adb("-s", device.serial, "shell", script).returncode == 0


@contextlib.contextmanager
def mounted(up: Rig, device: RigDevice, options: str, place: str = FOLDER) -> Iterator[None]:
    """A file system of its own over a folder of the device."""
    script = f"mkdir -p {place} && mount -t tmpfs -o {options} tmpfs {place} && echo DONE"
    assert "DONE" in up.adb("-s", device.serial, "shell", script).stdout
    try:
        yield
    finally:
        up.adb("-s", device.serial, "shell", f"umount {place}")


@contextlib.contextmanager
def little_memory(up: Rig, device: RigDevice, megabytes: int) -> Iterator[bool]:
    """The device with a limit of memory that its kernel enforces by killing; False where there are no cgroups."""
    first, second = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/cgroup.controllers")
    if first.is_dir():
        group, limit = first / f"rig-{os.getpid()}", "memory.limit_in_bytes"
    elif second.is_file() and "memory" in second.read_text():
        group, limit = second.parent / f"rig-{os.getpid()}", "memory.max"
    else:
        yield False
        return
    group.mkdir()
    try:
        (group / limit).write_text(str(megabytes << 20))
        (group / "cgroup.procs").write_text(str(up.daemon_pid(device)))
        yield True
    finally:
        up.unplug(device)
        for _ in range(100):
            with contextlib.suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.05)


@contextlib.contextmanager
def gate(up: Rig, mode: str, port: int, *numbers: int, connect: bool = True) -> Iterator[subprocess.Popen[str]]:
    """The fault gate in the rig's network, connected to; killed at the end."""
    command = up.inside(sys.executable, GATE, mode, str(port), *map(str, numbers))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        if connect:
            up.adb("connect", f"127.0.0.1:{port}")
        yield process
    finally:
        process.kill()
        process.wait()
        up.adb("disconnect", f"127.0.0.1:{port}")
