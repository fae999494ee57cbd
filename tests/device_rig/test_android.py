"""The Android branch over a real adb daemon, with a phone's shell, tools, and formats of answers."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from tests import ROOT
from tests.device_rig.phone import plug_phone
from workbench.devices import conditions
from workbench.devices.adb import DeviceError
from workbench.devices.conditions import cool_down, fast_cores, fixed_performance, mask_of
from workbench.devices.folder import FOLDER, DeviceFolder, clean
from workbench.devices.listing import Listed
from workbench.devices.measure import Tools, conditions_of, measure_network, stored_result
from workbench.devices.probe import probe
from workbench.devices.profile import Work, profile_devices
from workbench.devices.target import Ready
from workbench.devices.toolchain.build import build_runner, target_of
from workbench.devices.toolchain.library import library_for
from workbench.errors import InputError
from workbench.profile.counts import count_networks
from workbench.progress import quiet

ON, OFF = (f"power set-fixed-performance-mode-enabled {word}" for word in ("true", "false"))


@pytest.fixture(scope="module")
def phone(up):
    """A phone, away again afterwards."""
    found = plug_phone(up)
    yield found
    up.unplug(found.device)
    up.adb("disconnect", found.device.serial)


@pytest.fixture
def device(phone, adb):
    """The phone as the package sees it; cool, and nothing was asked of it yet."""
    (phone.state / "looks").write_text("0\n")
    (phone.state / "refuse").unlink(missing_ok=True)
    phone.calls()
    return adb.on(Listed(phone.device.serial))


def test_a_phone_is_read_in_its_own_formats(device):
    facts = probe(device)
    assert (facts.system, facts.version, facts.abi) == ("android", "Android 14 (API 34)", "x86_64")
    assert (facts.model, facts.soc) == ("Acme Phone 9 Pro", "QTI SM8550")
    assert facts.fingerprint.startswith("acme/phone9/phone9:14/")
    assert [(cores.numbers, cores.max_khz) for cores in facts.classes] == [
        ((7,), 3187200),
        ((4, 5, 6), 2803200),
        ((0, 1, 2, 3), 2016000),
    ]
    assert mask_of(fast_cores(facts)) == "f0"
    assert facts.clocks_khz == {**dict.fromkeys(range(4), 2016000), **dict.fromkeys(range(4, 7), 2803200), 7: 3187200}
    assert facts.temperatures == {"CPU0": 41.5, "VIRTUAL-SKIN": 33.4, "USB": 0.0}, "no volts, no stale readings"
    assert (facts.thermal_status, facts.battery_percent, facts.battery_charging) == (0, 83, True)
    assert facts.battery_celsius == 28.7
    assert facts.space_bytes > 10e6
    assert not facts.emulated
    assert {"taskset", "timeout", "sha256sum", "df", "cmd", "kill"} <= set(facts.tools)


def test_the_mode_is_set_and_put_back_even_after_a_failure(phone, device):
    facts = probe(device)
    with fixed_performance(device, facts) as mode:
        assert (mode, phone.calls()) == ("on", [ON])
    assert phone.calls() == [OFF]
    with pytest.raises(ZeroDivisionError), fixed_performance(device, facts):
        raise ZeroDivisionError
    assert phone.calls() == [ON, OFF]


def test_a_phone_that_refuses_the_mode_is_measured_without_it(phone, device):
    (phone.state / "refuse").write_text("")
    with fixed_performance(device, probe(device)) as mode:
        assert mode == "refused: This is likely because Power HAL AIDL is not implemented on this device"
    assert phone.calls() == [ON]


def test_a_warm_phone_is_waited_for(phone, device, monkeypatch):
    monkeypatch.setattr(conditions, "LOOK_S", 0.1)
    (phone.state / "looks").write_text("3\n")
    said = []
    facts, waited = cool_down(device, probe(device), 60.0, said.append)
    assert said == ["cooling down (thermal status 2)"] * 3
    assert facts.thermal_status == 0 and 0.3 <= waited < 60


def test_a_phone_that_stays_warm_is_not_waited_for_for_ever(phone, device, monkeypatch):
    monkeypatch.setattr(conditions, "LOOK_S", 0.1)
    (phone.state / "looks").write_text("1000\n")
    facts, _ = cool_down(device, probe(device), 0.5, lambda _: None)
    assert facts.thermal_status == 2


def test_without_a_library_for_android_the_message_names_the_file(phone, device, network, settings, store, tmp_path):
    ready = Ready(device, probe(device))
    with pytest.raises(InputError) as caught:
        profile_devices([ready], Work([network], count_networks([network]), 0), settings, tmp_path, store, quiet)
    assert "no ONNX Runtime library for android-x86_64" in str(caught.value)
    assert "onnxruntime-android-" in str(caught.value) and "jni/x86_64/libonnxruntime.so" in str(caught.value)
    assert not list(phone.state.parent.glob("local/tmp/*")), "nothing was pushed"


def test_the_android_runner_on_a_device_without_androids_linker(device, store, tmp_path):
    """What a phone would start: here the linker is missing, which must be told, and nothing may stay."""
    from workbench.devices.job import Job, ModelJob

    there = DeviceFolder(device, None)
    runner = there.put([build_runner(target_of("android", "x86_64"), store.root / "devices")], ["wbrun"])[0]
    folder = there.job_folder("network")
    job = Job(
        f"{folder}/lib.so", f"{folder}/r.json", (ModelJob("m.onnx"),), ("time",), pid_file=f"{folder}/pid", timeout=5.0
    )
    with pytest.raises(DeviceError, match="isn't there, or the dynamic linker that it needs isn't"):
        there.run(runner, job, tmp_path)


def test_a_network_is_timed_on_the_fast_cores_and_its_clocks_are_sampled(
    phone, device, network, settings, store, tmp_path
):
    """The phone's facts with the runner for glibc, since the rig has no bionic: cores, mask, clocks, throttling."""
    phone.put_cores("0-1", {0: 2016000, 1: 2803200})
    facts = probe(device)
    target = target_of("linux", "x86_64")
    library = library_for(target, store.root / "devices")
    there = DeviceFolder(device, facts.space_bytes)
    tools = Tools(
        there,
        there.put([build_runner(target, store.root / "devices")], ["wbrun"])[0],
        there.put([library.path], ["libonnxruntime.so"])[0],
    )

    def slow(event):
        """Throttles the fast core once the timing has begun."""
        if event["event"] == "progress" and event["phase"] == "time" and event["done"]:
            (phone.cores / "cpu1/cpufreq/scaling_cur_freq").write_text("1401600\n")

    long = replace(settings, min_seconds=3.0)
    found = measure_network(tools, network, long, facts, tmp_path, slow)
    said = conditions_of(stored_result(tmp_path))
    assert said["cores"] == [1] and found["cores_missing"] == []
    assert said["clocks"]["khz_most"] == 2803200 and said["clocks"]["khz_least"] == 1401600
    assert said["clocks"]["throttled"] is True
    assert said["validity"]["min_duration_met"] is False
    assert found["agreement"]["agrees"]
    assert clean(device) and not list(phone.state.parent.glob("local/tmp/*"))


def test_the_listing_says_what_a_phone_lacks(up, phone, device):
    phone.put_cores("0-7", {7: 3187200})
    env = {**up.env, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    command = [sys.executable, "-m", "workbench.cli.main", "devices"]
    found = json.loads(subprocess.run([*command, "--json"], env=env, capture_output=True, check=True).stdout)
    entry = next(entry for entry in found if entry["serial"] == phone.device.serial)
    assert len(entry["missing"]) == 1 and "onnxruntime-android-" in entry["missing"][0]
    text = subprocess.run(command, env=env, capture_output=True, check=True, text=True).stdout
    assert "Acme Phone 9 Pro" in text and "83 %, charging" in text and FOLDER not in text
    assert max(map(len, text.splitlines())) <= 80
