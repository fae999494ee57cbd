"""Which device a target names, and that none is named that can't be profiled."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workbench.cli.main import app
from workbench.devices.adb import Adb, DeviceError
from workbench.devices.listing import Listed
from workbench.devices.lock import exclusive
from workbench.devices.target import devices_of
from workbench.errors import InputError

TWINS = """0123456789ABCDEF       device usb:1-1.2 product:xyz model:xyz device:xyz transport_id:56
0123456789ABCDEF       device usb:1-1.3 product:xyz model:xyz device:xyz transport_id:57
"""
NO_PERMISSION = (
    "1a2b       no permissions (missing udev rules? user is in the plugdev group); see [http://a.b] usb:1-2\n"
)
ADB = """#!/bin/sh
cd "$(dirname "$0")"
[ "$1" = devices ] && {{ echo "List of devices attached"; cat listing; exit; }}
echo "$1 $2" >> calls
cat answer
"""
ANSWER = """@@machine
{machine}
@@props
{props}
@@end
"""


class StandIn:
    """An adb whose devices all give one answer to the probe; it notes how they were addressed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.program = folder, folder / "adb"
        self.program.write_text(ADB.format())
        self.program.chmod(0o755)
        self.answers()

    def answers(self, *props: str, machine: str = "x86_64") -> None:
        (self.folder / "answer").write_text(ANSWER.format(props="\n".join(props), machine=machine))

    def lists(self, text: str) -> Adb:
        (self.folder / "listing").write_text(text)
        (self.folder / "calls").write_text("")
        return Adb(self.program)

    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    folder = tmp_path / "adb"
    folder.mkdir()
    made = StandIn(folder)
    monkeypatch.setenv("WORKBENCH_ADB", str(made.program))
    return made


def test_two_devices_of_one_serial_are_two_targets_and_each_is_reached(stand_in):
    adb = stand_in.lists(TWINS)
    first, second = devices_of(["adb"], adb=adb)
    assert [first.target, second.target] == ["adb:usb:1-1.2", "adb:usb:1-1.3"]
    assert first.facts.serial == second.facts.serial == "0123456789ABCDEF"
    assert stand_in.calls() == ["-t 56", "-t 57"]
    with exclusive(first.device.listed), exclusive(second.device.listed):
        with pytest.raises(DeviceError, match=r"usb:1-1\.2: in use"), exclusive(first.device.listed):
            pass
        alone = adb.on(stand_in.lists(TWINS.splitlines()[1]).devices()[0])
        with pytest.raises(DeviceError, match="device 0123456789ABCDEF: in use"), exclusive(alone.listed):
            pass  # its name changed when the other was unplugged; it is held all the same


@pytest.mark.parametrize("name, call", [("usb:1-1.3", "-t 57"), ("transport_id:56", "-t 56")])
def test_one_of_them_is_named_by_its_path_or_transport(name, call, stand_in):
    (ready,) = devices_of([f"adb:{name}"], adb=stand_in.lists(TWINS))
    assert stand_in.calls() == [call]
    assert ready.target.startswith("adb:usb:1-1.")


def test_a_serial_that_two_have_is_refused_with_the_way_to_name_one(stand_in):
    with pytest.raises(InputError, match="2 devices have the serial") as caught:
        devices_of(["adb:0123456789ABCDEF"], adb=stand_in.lists(TWINS))
    assert "adb:usb:1-1.2, adb:usb:1-1.3" in caught.value.hint
    assert stand_in.calls() == []


def test_a_serial_with_spaces_is_one_serial(stand_in):
    serial = "adb-ABC (2)._adb-tls-connect._tcp"
    adb = stand_in.lists(f"{serial} device product:x transport_id:3\n")
    assert [ready.target for ready in devices_of([f"adb:{serial}", "adb"], adb=adb)] == [f"adb:{serial}"]
    assert stand_in.calls() == [f"-s {serial}"]


def test_what_a_shell_there_does_not_find_is_not_the_device(stand_in):
    adb = stand_in.lists("P1 device\n")
    for words, lost in (("/system/bin/sh: cmd: not found", False), ("error: device 'P1' not found", True)):
        stand_in.program.write_text(f'#!/bin/sh\necho "{words}" >&2; exit 1\n')
        try:
            assert adb.on(Listed("P1")).shell("cmd").message == words and not lost
        except DeviceError as error:
            assert lost and "not connected" in error.message


def test_without_permission_it_says_so_and_what_would_do(stand_in):
    for target in ("adb", "adb:1a2b"):
        with pytest.raises(InputError, match=r"missing udev rules.*plugdev"):
            devices_of([target], adb=stand_in.lists(NO_PERMISSION))


RECIPE = """version: 1
name: there
model: demo
steps: []
profile: {{targets: ["adb:P1"]{device}}}
"""


def check(tmp_path, device=""):
    (tmp_path / "r.yaml").write_text(RECIPE.format(device=device))
    done = CliRunner().invoke(app, ["check", str(tmp_path / "r.yaml")])
    assert done.exit_code == 2 and "r.yaml:5: profile.targets.0" in done.output, done.output
    return " ".join(done.output.split())


def test_check_refuses_a_device_that_is_away_or_not_authorized(stand_in, tmp_path):
    stand_in.lists("P2 device\n")
    assert "no device 'P1'; adb knows: P2" in check(tmp_path)
    stand_in.lists("P1 unauthorized\n")
    assert "accept this computer's key" in check(tmp_path)


def test_check_refuses_what_the_runner_or_its_library_is_not_made_for(stand_in, tmp_path):
    stand_in.lists("P1 device\n")
    phone = "ro.build.version.release=14"
    stand_in.answers(phone, "ro.product.cpu.abilist=armeabi-v7a")
    assert "64-bit x86 and Arm are" in check(tmp_path)
    stand_in.answers(phone, "ro.product.cpu.abilist=x86_64")
    assert "onnxruntime-android-" in check(tmp_path)
    with zipfile.ZipFile(tmp_path / "ort.aar", "w") as archive:
        archive.writestr("jni/arm64-v8a/libonnxruntime.so", "")
    assert "for android-x86_64; found jni/arm64-v8a" in check(
        tmp_path, f", device: {{ort_library: {tmp_path}/ort.aar}}"
    )


def test_a_library_that_cannot_be_fetched_is_said_before_the_work(stand_in, tmp_path, monkeypatch):
    stand_in.lists("P1 device\n")
    stand_in.answers(machine="aarch64")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (tmp_path / "r.yaml").write_text(RECIPE.format(device=""))
    words = ["run", str(tmp_path / "r.yaml"), "--store", str(tmp_path / "store"), "--out", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1 and "can't be downloaded" in done.output
    assert not (tmp_path / "store" / "results").exists()


def test_the_listing_says_how_each_device_is_named_and_why_one_is_not_ready(stand_in):
    stand_in.lists(TWINS + NO_PERMISSION)
    entries = json.loads(CliRunner().invoke(app, ["devices", "--json"]).output)
    assert [entry["target"] for entry in entries] == ["adb:usb:1-1.2", "adb:usb:1-1.3", "adb:1a2b"]
    assert [entry["transport_id"] for entry in entries] == ["56", "57", None]
    assert entries[2]["state"].startswith("no permissions (missing udev rules?")
    text = CliRunner().invoke(app, ["devices"]).output
    assert "adb:usb:1-1.3" in text and "plugdev" in text and max(map(len, text.splitlines())) <= 80
