"""The rig's fixtures. Its tests run only by ``make test-devices``: they need root and Debian's archive."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.device_rig.nets import small_network
from tests.device_rig.provoke import job_on
from tests.device_rig.rig import CannotRun, Rig, RigDevice, rig
from workbench.devices.adb import Adb, Device, DeviceError, find_adb
from workbench.devices.folder import FOLDER, DeviceFolder
from workbench.devices.listing import Listed
from workbench.devices.measure import DeviceSettings
from workbench.devices.target import PREFIX, Ready, devices_of
from workbench.errors import WorkbenchError
from workbench.measure.network import Network
from workbench.store.store import Store

if os.environ.get("WORKBENCH_RIG") != "1":
    collect_ignore_glob = ["test_*.py"]

FAULTS: list[tuple[str, str, str]] = []
"""What was provoked, what the user reads, what was left on the device."""


@pytest.fixture(scope="session")
def up() -> Iterator[Rig]:
    """Both devices, up."""
    folder = Path(os.environ.get("WORKBENCH_RIG_FOLDER", tempfile.gettempdir() + "/edge-workbench-rig"))
    try:
        with rig(folder) as made:
            os.environ["ADB_SERVER_SOCKET"] = made.env["ADB_SERVER_SOCKET"]
            yield made
    except CannotRun as error:
        pytest.exit(f"the device rig can't run here: {error}", returncode=3)


@pytest.fixture
def amd64(up: Rig) -> Iterator[RigDevice]:
    """The x86-64 device, empty before, whole again afterwards."""
    device = up.devices["amd64"]
    up.heal(device)
    up.adb("-s", device.serial, "shell", f"rm -rf {FOLDER}")
    yield device
    up.heal(device)


@pytest.fixture
def adb(up: Rig) -> Adb:
    """A client that gives up sooner than users' do; on a busy machine the emulated device needs more than 3 s."""
    return Adb(find_adb(), answer_s=10.0)


@pytest.fixture
def ready(adb: Adb, amd64: RigDevice) -> Ready:
    """The x86-64 device as the package sees it."""
    return devices_of([PREFIX + amd64.serial], adb=adb)[0]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One store for all: runner and library are built once."""
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """A small net of convolutions with layers' names, as our exports have them."""
    return small_network(tmp_path_factory.mktemp("small net") / "it's a model.onnx", side=32)


@pytest.fixture
def settings() -> DeviceSettings:
    """Few passes."""
    return DeviceSettings(threads=1, iterations=3, min_seconds=0.0, warmup=1, timeout_s=60.0)


Told = Callable[..., str]


@pytest.fixture
def told(up: Rig) -> Told:
    """Notes a fault for the table at the end: what the user reads, in full.

    Asserts that nothing is left: no runner now (``later``: once the device is used again), no job's file or half of a
    file once the device is used again.
    """

    def note(what: str, error: BaseException, device: RigDevice, later: bool = False) -> str:
        assert isinstance(error, WorkbenchError), repr(error)
        up.heal(device)
        running = [] if later else up.processes(device)
        DeviceFolder(Device(Adb(find_adb()), Listed(device.serial)), None)
        running += up.processes(device) if later else []
        script = f"find {FOLDER}/jobs {FOLDER}/files -type f | grep -e /jobs/ -e '[.]part$'"
        files = up.adb("-s", device.serial, "shell", script).stdout.split()
        left = "; ".join([*running, *files]) or "nothing" + (" once used again" if later else "")
        FAULTS.append((what, str(error).replace("\n", " "), left))
        assert not running and not files, left
        return str(error)

    return note


@pytest.fixture
def job(ready: Ready, network: Network, settings: DeviceSettings, store: Store, tmp_path: Path) -> Callable[..., None]:
    """One call of the runner on the x86-64 device."""
    return lambda network=network, ready=ready, **changes: job_on(ready, network, settings, store, tmp_path, **changes)


@pytest.fixture
def failed(job: Callable[..., None], told: Told, amd64: RigDevice) -> Told:
    """The message of a call that must fail, with the device's name in it."""

    def run(what: str, **changes: Any) -> str:
        with pytest.raises(DeviceError) as caught:
            job(**changes)
        text = told(what, caught.value, amd64)
        assert text.startswith(f"device {amd64.serial}: ") and caught.value.hint, "names the device and a remedy"
        return text

    return run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of faults."""
    if FAULTS:
        terminalreporter.section("faults: what was provoked | what the user reads | what was left on the device")
        for row in FAULTS:
            terminalreporter.write_line(" | ".join(row))
