"""A device from probe to profile, by an ``adb`` whose device is this computer: all of our code, no radio."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from workbench.devices.adb import Adb
from workbench.devices.folder import FOLDER
from workbench.devices.measure import DeviceSettings
from workbench.devices.profile import Work, profile_devices
from workbench.devices.target import Ready, devices_of
from workbench.errors import RunError
from workbench.measure.network import Network
from workbench.profile.counts import count_networks
from workbench.progress import quiet
from workbench.store.store import Store

ADB = """#!/bin/sh
there() {{ printf %s "$1" | sed "s#{folder}#{here}#g"; }}
[ "$1" = devices ] && {{ printf 'List of devices attached\\nhere device model:Board\\n'; exit; }}
shift 2
case "$1" in
  shell) exec sh -c "$(there "$2")" ;;
  push) case "$3" in
    */job.txt) sed "s#{folder}#{here}#g" "$2" > "$(there "$3")" ;;
    *) cp "$2" "$(there "$3")" ;;
  esac ;;
  pull) cp "$(there "$2")" "$3" ;;
esac
"""
SETTINGS = DeviceSettings(threads=1, iterations=3, min_seconds=0.0, warmup=1, cool_down_s=0.0)


@pytest.fixture
def adb(tmp_path: Path) -> Path:
    """The command; its device keeps our folder below the test's."""
    path = tmp_path / "adb"
    (tmp_path / "device").mkdir()
    path.write_text(ADB.format(folder=FOLDER, here=tmp_path / "device" / "edge-workbench"))
    path.chmod(0o755)
    return path


@pytest.fixture
def ready(adb: Path) -> Ready:
    (found,) = devices_of(["adb"], adb=Adb(adb))
    return found


@pytest.fixture
def network(model: Path) -> Network:
    shapes: Mapping[str, tuple[tuple[int, ...], str]] = {
        "x": ((2, 3, 16, 16), "f4"), "h": ((2, 5), "f2"), "d": ((7,), "f8"), "id's =1": ((1, 9), "i8"),
        "i32": ((4,), "i4"), "u8": ((11,), "u1"), "flag": ((6,), "?"),
    }  # fmt: skip
    rng = np.random.default_rng(0)
    feed = {name: rng.integers(0, 2, shape).astype(kind) for name, (shape, kind) in shapes.items()}
    return Network("own", "model", "fp32", feed, model)


def test_what_is_measured_there_is_written_as_here_and_not_measured_again(ready, network, adb, tmp_path):
    asked = (Work([network], count_networks([network]), 0), SETTINGS, tmp_path, Store(tmp_path / "store"), quiet)
    summary = profile_devices([ready], *asked)["adb:here"]["own"]
    component, said = summary["components"]["model"], summary["device"]["components"]["model"]
    assert said["agreement"]["agrees"] and said["kernels_per_pass"].keys() == {"CPUExecutionProvider"}
    assert {"down.conv", "up.conv"} <= component["layer_samples_ms"].keys() and component["latency_ms"]["n"] == 3
    assert (summary["runtime"], summary["threads"], summary["emulated"]) == ("onnxruntime", 1, False)
    assert summary["peak_rss_bytes"] > 1e6 and component["size_bytes"] == network.file.stat().st_size
    written = json.loads((tmp_path / "own@adb-here.json").read_text())
    assert written == json.loads(json.dumps(summary))

    adb.unlink()
    shutil.rmtree(tmp_path / "device")
    again = profile_devices([ready], *asked)["adb:here"]["own"]
    assert again["components"] == summary["components"] and again["device"] == summary["device"]


def test_a_device_that_is_gone_leaves_what_was_finished(ready, network, adb, tmp_path):
    adb.unlink()
    store = Store(tmp_path / "store")
    with pytest.raises(RunError, match="adb"):
        profile_devices([ready], Work([network], count_networks([network]), 0), SETTINGS, tmp_path, store, quiet)
    assert not list(tmp_path.glob("own@*"))
