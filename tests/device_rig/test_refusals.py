"""What a device refuses, and what goes wrong in the runner there: storage, machine, memory, model, library."""

from __future__ import annotations

import resource
from dataclasses import replace

import pytest

from tests.device_rig.provoke import little_memory, mounted
from workbench.devices.adb import DeviceError
from workbench.devices.folder import FOLDER
from workbench.devices.target import devices_of
from workbench.devices.toolchain.build import build_runner, target_of
from workbench.errors import InputError


def test_no_space_is_found_before_the_push(up, amd64, ready, job, told):
    full = replace(ready, facts=replace(ready.facts, space_bytes=20_000_000))
    with pytest.raises(DeviceError) as caught:
        job(ready=full)
    text = told("too little space, told before", caught.value, amd64)
    assert "needs 35 MB more" in text and "20 MB are free" in text and "workbench devices clean" in text
    assert "libonnxruntime" not in up.adb("-s", amd64.serial, "shell", f"find {FOLDER}").stdout


def test_no_space_during_the_push(up, amd64, job, told):
    with mounted(up, amd64, "size=8M"), pytest.raises(DeviceError) as caught:
        job()
    text = told("no space, push", caught.value, amd64)
    assert "libonnxruntime.so.part: No space left on device" in text and "make room" in text


def test_no_space_for_the_result(up, amd64, job, told):
    with mounted(up, amd64, "size=16k", f"{FOLDER}/jobs"), pytest.raises(DeviceError) as caught:
        job(iterations=5000)
    assert "a result can't be written" in told("no space, result", caught.value, amd64)


def test_a_read_only_folder(up, amd64, job, told):
    with mounted(up, amd64, "size=200M,ro"), pytest.raises(DeviceError) as caught:
        job()
    assert "can't write to" in told("read-only storage", caught.value, amd64)


def test_a_folder_that_forbids_programs(up, amd64, job, told):
    with mounted(up, amd64, "size=200M,noexec"), pytest.raises(DeviceError) as caught:
        job()
    assert "the folder forbids programs" in told("noexec storage", caught.value, amd64)


def test_a_runner_for_another_machine(failed, store, tmp_path):
    own = build_runner(target_of("linux", "x86_64"), store.root / "devices").read_bytes()
    other = tmp_path / "wbrun"
    other.write_bytes(own[:18] + (22).to_bytes(2, "little") + own[20:])  # e_machine: s390
    text = failed("runner for another machine", runner=other)
    assert "the file is for another machine" in text


def test_a_library_for_another_machine_is_refused_before_any_push(up, adb, amd64, told):
    other = next((up.devices["arm64"].root / "usr/lib/aarch64-linux-gnu").glob("libstdc++.so.6.*"))
    with pytest.raises(InputError) as caught:
        devices_of([f"adb:{amd64.serial}"], other, adb)
    assert FOLDER not in up.adb("-s", amd64.serial, "shell", f"ls -d {FOLDER}").stdout
    text = told("library for another machine", caught.value, amd64)
    assert amd64.serial in text and "a library for" in text and "the device is linux-x86_64" in text


def test_a_crash(failed):
    assert "it crashed (SIGSEGV)" in failed("runner crashes", faults={"crash": "1"})


def test_a_hang_is_ended_by_the_runner_itself(failed):
    assert "the time limit was reached" in failed("runner hangs", faults={"hang": "60"}, timeout=2.0)


def test_the_kernel_kills_for_memory(up, amd64, failed):
    with little_memory(up, amd64, 250) as limited:
        if not limited:
            pytest.skip("no memory cgroup on this machine")
        text = failed("killed for memory (cgroup)", faults={"oom-mb": "400"})
    assert "killed, most likely because memory ran out" in text


def test_memory_that_is_refused(up, amd64, failed):
    resource.prlimit(up.daemon_pid(amd64), resource.RLIMIT_AS, (1 << 30, 1 << 30))
    assert "memory ran out" in failed("memory refused (ulimit)", faults={"oom-mb": "2000"})
    up.unplug(amd64)


def test_a_truncated_model(failed, network, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(network.file.read_bytes()[:2000])
    assert "the file is cut off or no ONNX file" in failed("truncated model", network=replace(network, file=broken))


def test_a_model_with_an_unknown_operator(failed, network, tmp_path):
    import onnx

    model = onnx.load(network.file)
    model.graph.node[1].op_type, model.graph.node[1].domain = "Swirl", "com.example"
    model.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    onnx.save(model, tmp_path / "op.onnx")
    text = failed("operator that the library lacks", network=replace(network, file=tmp_path / "op.onnx"))
    assert "ONNX Runtime 1." in text and "has no operator com.example:Swirl" in text


def test_a_model_that_is_newer_than_the_library(failed, network, tmp_path):
    import onnx

    model = onnx.load(network.file)
    model.opset_import[0].version = 99
    onnx.save(model, tmp_path / "new.onnx")
    text = failed("opset newer than the library", network=replace(network, file=tmp_path / "new.onnx"))
    assert "the model is too new for ONNX Runtime 1." in text and "opset 99" in text


def test_a_missing_library(failed):
    text = failed("missing library", library=f"{FOLDER}/none.so")
    assert "the ONNX Runtime library can't be used" in text and "--ort-library" in text
