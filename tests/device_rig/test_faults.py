"""Every fault of a device ends in one clear error that names it, leaves no runner there, and can be resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from tests import ROOT
from tests.device_rig.provoke import (
    HANG,
    during,
    gate,
    job_on,
    kill_clients,
    profiled,
    signal_runner,
)
from workbench.devices import folder as device_folder
from workbench.devices.adb import Adb, DeviceError, find_adb
from workbench.devices.folder import FOLDER, DeviceFolder
from workbench.devices.listing import Listed
from workbench.devices.profile import Work, profile_devices
from workbench.devices.target import devices_of
from workbench.errors import InputError, RunError
from workbench.profile.counts import count_networks
from workbench.progress import quiet
from workbench.recipe.schema import AdbTarget
from workbench.verbs.devices import listing


def test_unplugged_in_mid_run_then_replugged_goes_on(up, amd64, failed, ready, network, settings, store, tmp_path):
    with during(lambda: up.unplug(amd64), up, amd64):
        text = failed("unplugged in mid-run", **HANG)
    assert "the connection ended before the runner did" in text
    assert "reconnect the device" in text and "what is finished is kept" in text
    assert profiled(ready, network, settings, store, tmp_path / "out")["components"]["model"]["latency_ms"]["n"] == 3


def test_finished_pairs_are_not_measured_again(up, amd64, ready, network, settings, store, tmp_path):
    first = profiled(ready, network, replace(settings, iterations=4), store, tmp_path / "a")
    up.unplug(amd64)  # nothing may be asked of the device any more
    again = profiled(ready, network, replace(settings, iterations=4), store, tmp_path / "b")
    assert again["components"] == first["components"]


def test_an_offline_device(up, adb, amd64, told):
    up.unplug(amd64)
    for _ in range(100):
        if adb.on(Listed(amd64.serial)).state() == "offline":
            break
        time.sleep(0.05)
    with pytest.raises(RunError, match="offline"):
        adb.on(Listed(amd64.serial)).shell("true")
    with pytest.raises(InputError) as caught:
        devices_of([f"adb:{amd64.serial}"], adb=adb)
    assert "is offline: reconnect the device" in told("offline", caught.value, amd64)


def test_a_frozen_device_is_given_up(up, amd64, ready, told):
    up.signal(amd64, signal.SIGSTOP)
    try:
        with pytest.raises(DeviceError) as caught:
            DeviceFolder(ready.device, None)
    finally:
        up.signal(amd64, signal.SIGCONT)
    assert "no answer to adb shell in 10 s" in told("daemon frozen", caught.value, amd64)


def test_a_device_that_freezes_in_mid_run_is_given_up(up, amd64, job, told, monkeypatch):
    monkeypatch.setattr(device_folder, "GRACE_S", 2.0)
    with during(lambda: up.signal(amd64, signal.SIGSTOP), up, amd64), pytest.raises(DeviceError) as caught:
        job(faults={"hang": "20"}, timeout=2.0)
    up.signal(amd64, signal.SIGCONT)
    assert "not done in 4 s" in told("daemon frozen in mid-run", caught.value, amd64)


def test_a_stopped_runner_is_killed_at_its_deadline(up, amd64, failed, monkeypatch):
    monkeypatch.setattr(device_folder, "GRACE_S", 2.0)
    with during(lambda: signal_runner(up, amd64, signal.SIGSTOP), up, amd64):
        text = failed("runner stopped (its watchdog, too)", faults={"hang": "20"}, timeout=2.0)
    assert "not done in 4 s" in text


def test_a_killed_runner_says_so(up, amd64, failed):
    with during(lambda: signal_runner(up, amd64, signal.SIGKILL), up, amd64):
        assert "it was killed" in failed("runner killed", **HANG)


def test_a_short_break_of_the_link_is_survived(up, amd64, job):
    def cut():
        for state in ("down", "up"):
            subprocess.run(up.inside("ip", "link", "set", "lo", state), check=True)
            time.sleep(4.0 if state == "down" else 0)

    with during(cut, up, amd64):
        job(faults={"hang": "6"}, timeout=60.0)


def test_a_killed_client_leaves_no_runner(up, amd64, failed):
    with during(kill_clients, up, amd64):
        text = failed("adb client killed", **HANG)
    assert "adb was killed on this computer" in text


def test_ctrl_c_leaves_no_runner(up, amd64, job):
    # A shell's background jobs ignore the signal; here it must arrive, however the tests were started.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with during(lambda: os.kill(os.getpid(), signal.SIGINT), up, amd64), pytest.raises(KeyboardInterrupt):
        job(**HANG)
    signal.signal(signal.SIGINT, before)
    assert not up.processes(amd64)


def test_a_second_workbench_on_the_same_device_is_refused(
    up, amd64, job, told, ready, network, settings, store, tmp_path
):
    refused = []

    def second():
        try:
            job_on(ready, network, settings, store, tmp_path)
        except DeviceError as error:
            refused.append(error)

    with during(second, up, amd64):
        job(faults={"hang": "3"})
    assert "in use by another workbench" in told("two workbenches, one device", refused[0], amd64)


def test_a_server_killed_in_mid_run(up, amd64, job, told):
    with during(up.start_server, up, amd64), pytest.raises(DeviceError) as caught:
        job(**HANG)
    for device in up.devices.values():
        up.connect(device)
    text = told("adb server killed in mid-run", caught.value, amd64, later=True)
    assert amd64.serial in text and "the connection ended before the runner did (adb says: absent)" in text


def test_an_unauthorized_device(up, adb, amd64, told):
    with gate(up, "unauth", 15610), pytest.raises(InputError) as caught:
        entry = next(entry for entry in listing(adb) if entry["serial"] == "127.0.0.1:15610")
        assert (entry["state"], entry["facts"]) == ("unauthorized", None)
        assert "accept this computer's key" in entry["missing"][0]
        devices_of(["adb:127.0.0.1:15610"], adb=adb)
    assert "127.0.0.1:15610 is not authorized: unlock the phone and accept" in told("unauthorized", caught.value, amd64)


def test_a_slow_cable_is_waited_for(up, adb, network, settings, store, tmp_path, amd64):
    with gate(up, "relay", 15612, amd64.port, 0, 20_000_000):
        slow = devices_of(["adb:127.0.0.1:15612"], adb=adb)[0]
        assert profiled(slow, network, settings, store, tmp_path)["target"] == "adb:127.0.0.1:15612"


def test_a_cable_cut_during_the_push(up, adb, network, settings, store, tmp_path, amd64, told):
    with gate(up, "relay", 15614, amd64.port, 20_000_000, 0):
        cut = devices_of(["adb:127.0.0.1:15614"], adb=adb)[0]
        with pytest.raises(RunError) as caught:
            profiled(cut, network, settings, store, tmp_path)
    text = told("cable cut during the push", caught.value, amd64)
    assert "device 127.0.0.1:15614: can't write" in text and "reconnect the device" in text
    listed = up.adb("-s", amd64.serial, "shell", f"find {FOLDER}/files -name '*.so'").stdout
    assert "libonnxruntime.so" not in listed, "a name that is there means that all of the content is"


def test_a_cable_cut_in_mid_run(up, adb, network, settings, store, tmp_path, amd64, told):
    with gate(up, "relay", 15618, amd64.port, 0, 0) as cable:
        cut = devices_of(["adb:127.0.0.1:15618"], adb=adb)[0]
        with during(cable.kill, up, amd64), pytest.raises(DeviceError) as caught:
            job_on(cut, network, settings, store, tmp_path, **HANG)
    text = told("cable cut in mid-run", caught.value, amd64, later=True)
    assert "device 127.0.0.1:15618: the connection ended before the runner did" in text


def test_a_server_of_another_version(up, amd64, told):
    """With an adb of its own port: the one found there is version 40, and this adb replaces it."""
    code = (
        "from workbench.devices.adb import Adb, find_adb\nfrom workbench.errors import RunError\n"
        "try:\n    print('FOUND', Adb(find_adb()).devices())\n"
        "except RunError as error:\n    print(error.message, error.hint, sep='|')\n"
    )
    env = {key: value for key, value in os.environ.items() if key != "ADB_SERVER_SOCKET"}
    env |= {"ANDROID_ADB_SERVER_PORT": "15616", "PYTHONPATH": str(ROOT), "ADB_MDNS": "0"}
    with gate(up, "badserver", 15616, 40, connect=False):
        try:
            found = subprocess.run(
                up.inside(sys.executable, "-c", code), env=env, capture_output=True, text=True, timeout=60, check=False
            )
        finally:
            subprocess.run(up.inside("adb", "kill-server"), env=env, capture_output=True, check=False, timeout=20)
    message, _, hint = found.stdout.strip().partition("|")
    text = told("adb server of another version", RunError(message, hint=hint), amd64)
    assert "adb server version (40) doesn't match this client (41)" in text, found.stdout + found.stderr
    assert "use one adb for all tools" in text


def test_no_device_at_all(up, amd64, told, monkeypatch):
    socket = f"localfilesystem:{up.run}/empty.sock"
    server = subprocess.Popen(up.inside("adb", "-L", socket, "server", "nodaemon"), stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if (up.run / "empty.sock").exists():
                break
            time.sleep(0.05)
        with monkeypatch.context() as changed, pytest.raises(InputError) as caught:
            changed.setenv("ADB_SERVER_SOCKET", socket)
            devices_of(["adb"])
    finally:
        server.kill()
        server.wait()
    text = told("no device attached", caught.value, amd64)
    assert "no device is ready" in text and "attach one with USB debugging on" in text


def test_names_that_no_device_has(up, adb, amd64, told):
    for serial, said in (("; rm -rf /", "no device '; rm -rf /'"), ("127.0.0.1:1560", "did you mean 127.0.0.1:1560")):
        with pytest.raises(InputError) as caught:
            devices_of([f"adb:{serial}"], adb=adb)
        assert said in told(f"serial {serial!r}", caught.value, amd64)
    with pytest.raises(InputError, match="no ready device whose model holds 'pixel'"):
        devices_of([AdbTarget(adb={"model": "pixel"})], adb=adb)


def test_without_adb(amd64, told, monkeypatch, tmp_path):
    with monkeypatch.context() as changed, pytest.raises(InputError) as caught:
        for variable in ("WORKBENCH_ADB", "ANDROID_HOME", "ANDROID_SDK_ROOT"):
            changed.delenv(variable, raising=False)
        changed.setenv("PATH", str(tmp_path))
        devices_of(["adb"])
    assert "apt install adb" in told("no adb program", caught.value, amd64)


def test_no_server_where_one_is_named(monkeypatch, amd64, told):
    with monkeypatch.context() as changed, pytest.raises(RunError) as caught:
        changed.setenv("ADB_SERVER_SOCKET", "localfilesystem:/nowhere/adb.sock")
        Adb(find_adb(), answer_s=10.0).devices()
    text = told("no adb server", caught.value, amd64)
    assert (
        "cannot connect to daemon" in text and "is ADB_SERVER_SOCKET (localfilesystem:/nowhere/adb.sock) right?" in text
    )


def test_one_devices_failure_keeps_what_the_others_gave(up, amd64, network, settings, store, tmp_path, told):
    # With the usual patience, unlike that of the fixture: the other device is emulated and slow on a busy machine.
    both = devices_of([f"adb:{d.serial}" for d in (amd64, up.devices["arm64"])])
    fresh = replace(settings, iterations=5)

    def profile():
        return profile_devices(both, Work([network], count_networks([network]), 0), fresh, tmp_path, store, quiet)

    up.unplug(amd64)
    with pytest.raises(RunError) as caught:
        profile()
    text = told("one of two devices away", caught.value, amd64)
    assert "1 of 2 devices failed; finished: adb:127.0.0.1:15602" in text
    found = profile()
    assert list(found) == ["adb:127.0.0.1:15600", "adb:127.0.0.1:15602"]


def test_cleaning_leaves_nothing(up, amd64, ready, job):
    job()
    assert device_folder.clean(ready.device)
    assert "No such file" in up.adb("-s", amd64.serial, "shell", f"ls {FOLDER}").stderr
