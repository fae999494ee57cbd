"""The whole path through the command line: probe, build, push, run, pull, check against the host, files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import ROOT
from tests.device_rig.nets import small_network
from workbench.devices.folder import FOLDER

X86, ARM = "adb:127.0.0.1:15600", "adb:127.0.0.1:15602"
FEW = ("--iterations", "3", "--min-seconds", "0", "--warmup", "1", "--threads", "1")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A network in float32, and quantized to 8 bits by ONNX Runtime's own tool; a path with a space and a quote."""
    import numpy as np
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    folder = tmp_path_factory.mktemp("it's a path")
    network = small_network(folder / "small.onnx", side=48, depth=6)

    class Feed(CalibrationDataReader):
        rng = np.random.default_rng(1)
        left = 4

        def get_next(self):
            self.left -= 1
            return {"x": self.rng.standard_normal((1, 3, 48, 48)).astype("f4")} if self.left >= 0 else None

    types = {"weight_type": QuantType.QInt8, "activation_type": QuantType.QUInt8, "per_channel": True}
    quantize_static(network.file, folder / "small8.onnx", Feed(), **types)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """One store for all calls."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def start(up, place):
    """Starts the command line, in a process of its own."""

    def begin(*words):
        env = {**up.env, "WORKBENCH_STORE": str(place), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "workbench.cli.main", *words]
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return begin


@pytest.fixture
def call(start):
    """The finished command line: exit code, output, errors."""

    def run(*words, code=0):
        process = start(*words)
        out, err = process.communicate(timeout=300)
        assert process.returncode == code, f"{words}: {process.returncode}\n{out[-2000:]}\n{err[-2000:]}"
        return out, err

    return run


def summaries(out):
    return {profile["target"]: profile for profile in json.loads(out)["profiles"]}


def test_devices_are_listed_with_their_facts(call):
    found = {entry["serial"]: entry for entry in json.loads(call("devices", "--json")[0])}
    assert list(found) == ["127.0.0.1:15600", "127.0.0.1:15602"]
    x86, arm = (entry["facts"] for entry in found.values())
    assert [entry["state"] for entry in found.values()] == ["device", "device"]
    assert [entry["missing"] for entry in found.values()] == [[], []]
    assert (x86["abi"], x86["emulated"], arm["abi"], arm["emulated"]) == ("x86_64", False, "arm64", True)
    assert x86["system"] == "linux" and x86["version"].startswith("Debian GNU/Linux 13")
    assert x86["memory_bytes"] == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert arm["unknown"]["thermal_status"] == "dumpsys: not there"
    text = call("devices")[0]
    assert "arm64 (emulated)" in text and max(map(len, text.splitlines())) <= 80


def test_a_device_that_is_not_there_is_named(call):
    _, err = call("profile", "demo", "--target", "adb:127.0.0.1:1560x", code=2)
    assert "there is no device '127.0.0.1:1560x'" in err and "did you mean 127.0.0.1:1560" in err
    assert "Traceback" not in err


def test_both_devices_profile_a_network_layer_by_layer(call, models, tmp_path):
    found = summaries(call("profile", str(models / "small.onnx"), "--target", "host", "--target", "adb", *FEW,
                           "--json", "--out", str(tmp_path / "out"))[0])  # fmt: skip
    assert list(found) == ["host", X86, ARM]
    assert [profile["emulated"] for profile in found.values()] == [False, False, True]
    assert f"{ARM}: emulated: its times say nothing about a device of this kind" in found[ARM]["warnings"]
    layers = {target: set(profile["components"]["model"]["layer_samples_ms"]) for target, profile in found.items()}
    assert layers["host"] == layers[X86] == layers[ARM], "layers must join across targets"
    for target in (X86, ARM):
        component = found[target]["components"]["model"]
        said = found[target]["device"]["components"]["model"]
        assert component["unmapped_share"] <= 0.02
        assert component["latency_ms"]["n"] == 3
        assert said["agreement"]["agrees"] and said["agreement"]["sqnr_db"] >= 80
        assert said["kernels_per_pass"].keys() == {"CPUExecutionProvider"}
        written = json.loads(next((tmp_path / "out").glob(f"*{target[-5:]}.json")).read_text())
        assert written["emulated"] is found[target]["emulated"]
        assert written["environment"]["machine"] == {X86: "x86_64", ARM: "aarch64"}[target]


def test_a_quantized_network_agrees_with_the_host(call, models, tmp_path):
    found = summaries(call("profile", str(models / "small8.onnx"), "--target", "adb", "--parallel", *FEW,
                           "--json", "--out", str(tmp_path / "out"))[0])  # fmt: skip
    for target in (X86, ARM):
        said = found[target]["device"]["components"]["model"]["agreement"]
        assert found[target]["components"]["model"]["scheme"] == "int8"
        assert said["agrees"] and said["sqnr_db"] >= 20, said
        assert found[target]["components"]["model"]["unmapped_share"] <= 0.02


def test_unchanged_files_are_not_pushed_again(call, up, models, tmp_path):
    words = ("profile", str(models / "small.onnx"), "--target", X86, "--out", str(tmp_path / "o"), "--json")

    def there():
        script = f"find {FOLDER}/files -type f -exec stat -c '%n %i %Z' {{}} +"
        return sorted(up.adb("-s", X86.removeprefix("adb:"), "shell", script).stdout.splitlines())

    first = summaries(call(*words, *FEW)[0])[X86]
    files = there()
    assert [Path(line.split()[0]).name for line in files].count("libonnxruntime.so") == 1
    again = summaries(call(*words, "--iterations", "4", *FEW[2:])[0])[X86]
    n = [profile["components"]["model"]["latency_ms"]["n"] for profile in (first, again)]
    assert n == [3, 4], "it was measured again"
    assert there() == files


def test_a_daemon_killed_in_mid_run_then_the_same_command_goes_on(call, start, up, place, tmp_path):
    device = up.devices["amd64"]
    words = ("profile", "demo", "--target", X86, "--iterations", "20", "--min-seconds", "3", "--json")
    words += ("--out", str(tmp_path / "out"))
    up.heal(device)
    before = set(place.glob("results/*/device.json"))

    def finished():
        return set(place.glob("results/*/device.json")) - before

    process = start(*words)
    for _ in range(6000):
        if process.poll() is not None or (len(finished()) == 1 and up.processes(device)):
            break
        time.sleep(0.05)
    up.unplug(device)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1 and out == "", out + err
    assert "\nerror: device 127.0.0.1:15600: " in f"\n{err}" and "what is finished is kept" in err
    assert "Traceback" not in err
    kept = {file: file.stat().st_mtime_ns for file in finished()}
    assert len(kept) == 1
    up.heal(device)
    found = summaries(call(*words)[0])[X86]
    assert set(found["components"]) == {"text_encoder", "unet", "vae_decoder"}
    assert found["pipeline"] is not None
    assert len(finished()) == 4, "three networks and the pipeline's memory"
    assert {file: file.stat().st_mtime_ns for file in kept} == kept, "what was finished is not measured again"


RECIPE = """
version: 1
name: rigged
model: demo
steps: []
evaluate: {pictures: 2, steps: 1}
profile:
  targets: [host, {adb: {model: MODEL}}]
  runtimes: [onnxruntime]
  iterations: 3
  min_seconds: 0
  warmup: 1
rank: {maximize: speed, targets: ["adb:127.0.0.1:15600"]}
"""


def test_a_recipe_chooses_by_a_devices_latency(call, up, tmp_path):
    x86 = json.loads(call("devices", "--json")[0])[0]["facts"]["model"]
    (tmp_path / "r.yaml").write_text(RECIPE.replace("MODEL", json.dumps(x86)))
    call("run", str(tmp_path / "r.yaml"), "--out", str(tmp_path))
    page = next((tmp_path / "reports").rglob("*.html")).read_text()
    assert X86 in page
    read = {}
    for file in (tmp_path / "profiles").rglob("*.json"):
        found = json.loads(file.read_text())
        if "components" in found:
            read[found["candidate"], found["target"]] = found
    assert {target for _, target in read} == {"host", X86}
    for (_, target), found in read.items():
        assert found["pipeline"] is not None, target


def test_clean_removes_our_folder_from_every_device(call, up):
    up.heal(up.devices["amd64"])
    out, _ = call("devices", "clean", "--json")
    assert json.loads(out) == {"cleaned": ["127.0.0.1:15600", "127.0.0.1:15602"]}
    for device in up.devices.values():
        assert "No such file" in up.adb("-s", device.serial, "shell", f"ls {FOLDER}").stderr
