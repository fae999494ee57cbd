"""What devices answer, in their own formats, as facts; a fact that isn't told is None with the reason."""

from __future__ import annotations

import importlib.resources
import re

import pytest

from tests.devices.answers import LINUX, props, read
from workbench.devices.probe import Cores, facts
from workbench.devices.target import missing

ANDROID = props(ro_build_version_release="11", ro_product_model="P", ro_product_cpu_abilist="arm64-v8a,armeabi-v7a")


def test_a_board_with_linux():
    found = read()
    assert (found.system, found.version, found.abi) == ("linux", "Debian GNU/Linux 13 (trixie)", "arm64")
    assert found.classes == (Cores((0, 1, 2, 3), None),)
    assert (found.memory_bytes, found.memory_available_bytes) == (8192000000, 7168000000)
    assert found.space_bytes == 60000 * 1024
    assert not found.emulated and not found.root
    assert found.unknown["thermal_status"] == found.unknown["battery_percent"] == "dumpsys: not there"
    assert found.unknown["temperatures"] == "the device doesn't say"
    assert found.name == "Debian GNU/Linux 13 (trixie)"
    assert missing(found) != [] and "60000" not in missing(found)[0]  # 61 MB free: too little


def test_every_fact_that_is_not_known_has_its_reason():
    found = facts("S1", {"end": []})
    for name, value in found.as_json().items():
        if value in (None, (), {}) and name != "unknown":
            assert found.unknown[name], name


@pytest.mark.parametrize("name", [*LINUX, "cores", "clocks", "zones", "tools"])
@pytest.mark.parametrize("line", ["", "level: status: temperature:", "9" * 5000, "=0-99999999999", "a=b", "Features"])
def test_an_answer_that_makes_no_sense_is_unknown_and_no_crash(name, line):
    assert read(**{name: [line]}).serial == "S1"


def test_an_old_android_without_a_thermal_service():
    found = read(props=ANDROID, thermalservice=["Can't find service: thermalservice"])
    assert found.thermal_status is None
    assert found.unknown["thermal_status"] == "Can't find service: thermalservice"
    assert found.version == "Android 11"


def test_what_the_hardware_says_now_goes_before_what_is_cached():
    lines = [
        "Thermal Status: 2",
        "Cached temperatures:",
        "\tTemperature{mValue=84.2, mType=1, mName=GPU, mStatus=0}",
        "Current temperatures from HAL:",
    ]
    cached = read(props=ANDROID, thermalservice=lines)
    assert cached.temperatures == {"GPU": 84.2}, "the hardware doesn't answer: what is cached is all there is"
    now = read(props=ANDROID, thermalservice=[*lines, "\tTemperature{mValue=-3.5, mType=0, mName=CPU, mStatus=0}"])
    assert now.temperatures == {"CPU": -3.5}
    assert now.thermal_status == 2


def test_the_batterys_level_is_not_its_capacity_level():
    lines = ["Current Battery Service state:", "  status: 4", "  level: 80", "  temperature: 180"]
    found = read(props=ANDROID, battery=[*lines, "  Charging state: 4", "  Capacity level: 3"])
    assert (found.battery_percent, found.battery_charging, found.battery_celsius) == (80, False, 18.0)


@pytest.mark.parametrize(
    "lines",
    [
        ["Filesystem      1K-blocks     Used Available Use% Mounted on", "/dev/fuse 200 150 50 75% /storage/emulated"],
        ["Filesystem 1K-blocks Used Available Use% Mounted on", "/dev/block/by-name/userdata", " 200 150 50 75% /data"],
    ],
)  # fmt: skip
def test_free_space_in_toyboxs_and_busyboxs_words(lines):
    assert read(space=lines).space_bytes == 50 * 1024


def test_a_df_that_is_not_understood_is_unknown_not_zero():
    found = read(space=["df: /data/local/tmp: Permission denied"])
    assert found.space_bytes is None and found.unknown["space_bytes"] == "the device's answer isn't understood"


def test_zones_in_thousandths_in_tenths_and_in_degrees():
    zone = "/sys/class/thermal/thermal_zone"
    lines = [f"{zone}{i}/{kind}" for i, kind in enumerate(("type=cpu", "type=tenths", "type=whole", "type=off"))]
    values = [f"{zone}0/temp=41500", f"{zone}1/temp=415", f"{zone}2/temp=41"]
    assert read(zones=[*lines, *values]).temperatures == {"cpu": 41.5, "tenths": 41.5, "whole": 41.0}


def test_cores_by_speed_and_an_offline_one():
    at = "/sys/devices/system/cpu/cpu{}/cpufreq/cpuinfo_max_freq={}"
    cores = [at.format(i, khz) for i, khz in enumerate((1800000, 1800000, 2400000, 3000000))]
    found = read(online=["/sys/devices/system/cpu/online=0,2-3"], cores=cores)
    assert found.classes == (Cores((3,), 3000000), Cores((2,), 2400000), Cores((0,), 1800000))


def test_emulators_are_known():
    assert read(emulation=["/usr/bin/qemu-aarch64-static", "/bin/sh"]).emulated
    assert read(emulation=["ro.boot.qemu=1", "ro.kernel.qemu=", "sh"]).emulated
    assert not read(emulation=["ro.boot.qemu=", "ro.kernel.qemu=0", "sh"]).emulated


def test_a_32_bit_android_on_a_64_bit_processor_is_not_supported():
    found = read(props=props(ro_build_version_release="11", ro_product_cpu_abilist="armeabi-v7a,armeabi"))
    assert found.abi is None and "64-bit x86 and Arm are" in missing(found)[0]
    assert read(props=ANDROID).abi == "arm64"
    assert read(machine=["riscv64"]).abi is None


def test_the_script_defines_no_name_that_androids_shell_has_as_an_alias():
    script = (importlib.resources.files("workbench.devices") / "probe.sh").read_text()
    defined = re.findall(r"^(\w+)\(\)", script, re.MULTILINE)
    assert defined and not set(defined) & {"functions", "hash", "history", "local", "login", "r", "stop", "type"}
