from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from tests.devices.conftest import outcome
from tests.devices.seeded import seeded
from workbench.devices.exits import RUNNER
from workbench.devices.job import ModelJob, raw_inputs, read_outputs
from workbench.devices.providers import CPU, Provider, placement
from workbench.devices.toolchain.build import SOURCES
from workbench.errors import RunError
from workbench.measure.sqnr import sqnr_db
from workbench.runtimes.onnxruntime.session import session
from workbench.runtimes.onnxruntime.trace import read_passes

TYPES = {
    "tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64", "tensor(int64)": "int64",
    "tensor(int32)": "int32", "tensor(uint8)": "uint8", "tensor(bool)": "bool",
}  # fmt: skip


def feed_of(model, seed, batch=2):
    wanted = session(model, 1).get_inputs()
    shapes = [[batch if isinstance(side, str) else side for side in i.shape] for i in wanted]
    return {i.name: seeded(s, TYPES[i.type], seed, k) for k, (i, s) in enumerate(zip(wanted, shapes, strict=True))}


def result_of(call, job):
    stream, done = call(job)
    return outcome(stream, done.returncode, Path(job.out), done.stderr)


def test_seeded_inputs_are_bit_for_bit_those_of_the_host(call, job, model, tmp_path):
    (tmp_path / "o").mkdir()
    found = result_of(call, job(phases=("outputs",), outputs=str(tmp_path / "o"), seed=11))
    outputs, feed = read_outputs(found, tmp_path / "o"), feed_of(model, 11)
    assert len(feed) == 7
    for name, value in feed.items():
        if name != "x":
            np.testing.assert_array_equal(outputs[f"same {name}"], value, strict=True)
    assert {i.name: i.shape for i in found.inputs} == {name: value.shape for name, value in feed.items()}
    assert all(i.seeded for i in found.inputs)
    assert not np.array_equal(feed["x"], feed_of(model, 12)["x"])


def test_outputs_agree_with_the_host_for_inputs_from_files(call, job, model, tmp_path):
    (tmp_path / "o").mkdir()
    feed = feed_of(model, 3)
    files = {}
    for i, (name, data) in enumerate(raw_inputs(feed).items()):
        files[name] = str(tmp_path / f"in {i}.bin")
        Path(files[name]).write_bytes(data)
    models = (ModelJob(str(model), inputs=files, shapes={"x": feed["x"].shape}),)
    found = result_of(call, job(phases=("outputs",), outputs=str(tmp_path / "o"), models=models))
    found.check_fed(feed)
    with pytest.raises(RunError, match="inputs aren't those of the host"):
        found.check_fed(feed | {"i32": feed["i32"].view("f4")})
    outputs = read_outputs(found, tmp_path / "o")
    host = dict(zip(outputs, session(model, 1).run(None, feed), strict=True))
    assert sqnr_db(host["y"], outputs["y"]) > 120
    np.testing.assert_array_equal(outputs["same id's =1"], feed["id's =1"], strict=True)


def test_times_every_pass_with_profiling_off(call, job, library):
    stream, done = call(job(iterations=7, warmup=2, threads=2))
    found = outcome(stream, done.returncode, Path(job().out))
    assert found.times.stats.n == 7
    assert not found.times.cut
    assert found.times.warmup == 2
    assert min(*found.times.stats.samples, found.times.load_cold_ms, found.times.load_warm_ms) > 0
    assert found.recorded is None
    assert found.threads == 2
    assert library.name.endswith(found.version)
    library_there = stream.events["start"]["library"]
    assert library_there["version"] == stream.version == found.version
    assert f"1.{library_there['api']}." in found.version
    assert done.stderr == ""  # no complaint of the library, and no word of its uploads


def test_measures_for_the_least_time_and_no_longer_than_the_most(call, job):
    least = result_of(call, job(iterations=1, min_seconds=0.1)).times
    assert least.stats.n > 1
    assert sum(least.stats.samples) >= 100
    most = result_of(call, job(iterations=10_000_000, max_seconds=0.1)).times
    assert most.cut
    assert 1 <= most.stats.n < 10_000_000


def test_tells_how_far_it_is_and_reads_clocks(call, job):
    stream, done = call(job(iterations=3000, progress_ms=1, cpu_mask=hex(1 << min(os.sched_getaffinity(0)))[2:]))
    found = outcome(stream, done.returncode, Path(job().out))
    assert found.cpus == (min(os.sched_getaffinity(0)),)
    assert len(found.readings) > 2
    assert all(len(reading.khz) == 1 for reading in found.readings)
    assert all(len(reading.celsius) == len(stream.events["start"]["thermal_zones"]) for reading in found.readings)
    clock = Path(f"/sys/devices/system/cpu/cpu{found.cpus[0]}/cpufreq/scaling_cur_freq")
    assert (found.readings[0].khz[0] is None) == (not clock.exists())
    assert stream.events["progress"]["done"] == 3000


def test_the_profile_is_read_like_the_hosts_and_names_the_executed_graph(call, job, model, tmp_path):
    import onnx

    changes = {"profile_prefix": str(tmp_path / "trace"), "executed": str(tmp_path / "executed.onnx")}
    found = result_of(call, job(phases=("profile",), profile_warmup=1, profile_passes=4, **changes))
    assert found.times is None
    passes = read_passes(Path(found.recorded.file))
    assert len(passes) == 5
    names = {node.name for node in onnx.load(found.recorded.executed).graph.node}
    assert {kernel.node for one in passes for kernel in one.kernels} <= names
    session(model, 1, optimized_path=tmp_path / "host.onnx")
    assert names == {node.name for node in onnx.load(tmp_path / "host.onnx").graph.node}
    ran = placement(Path(found.recorded.file))
    assert set(ran) == {CPU}
    assert sum(ran[CPU].values()) == sum(len(one.kernels) for one in passes)
    assert ran[CPU]["Conv"] == 5 * 2


def test_memory_is_measured_in_a_process_of_its_own_over_all_models(call, job, model):
    one = ModelJob(str(model), shapes={"x": (64, 3, 16, 16)})
    single = result_of(call, job(phases=("memory",), models=(one,))).memory
    both = result_of(call, job(phases=("memory",), models=(one, one))).memory
    assert 0 < single.start < single.library < single.loaded <= single.peak
    assert single.end <= single.peak
    assert both.loaded > single.loaded


def test_a_session_is_set_as_the_hosts(model, job):
    asked, options = job().config, session(model, 1).get_session_options()
    assert asked and {key: options.get_session_config_entry(key) for key in asked} == asked
    assert options.inter_op_num_threads == 1


def test_exit_codes_are_documented_in_both_languages():
    codes = {int(code) for code in re.findall(r"EXIT_\w+ = (\d+)", (SOURCES / "say.h").read_text())}
    assert codes == {0, *RUNNER}


FAILURES = {
    "library missing": ({"library": "/nowhere/lib.so"}, 65, "ONNX Runtime library can't be used: /nowhere/lib.so"),
    "not the library": ({"library": "libm.so.6"}, 65, "not an ONNX Runtime library"),
    "model missing": ({"models": (ModelJob("/nowhere/m.onnx"),)}, 66, "refuses the model: .*File doesn't exist"),
    "shape left open": ({"models": "open"}, 71, "input x: its shape is open"),
    "wrong shape": ({"models": "wrong"}, 71, "shape 2x4x16x16 isn't one that the model takes"),
    "too large a shape": ({"models": "endless"}, 71, "x: its shape has more elements than memory can hold"),
    "a side beyond 64 bits": ({"models": "beyond"}, 64, "is not like 1x4x8"),
    "unknown input": ({"models": "unknown"}, 71, "the model has no input q"),
    "input of wrong size": ({"models": "short"}, 71, "has 3 bytes, its shape and type .float32. need 6144"),
    "provider missing": ({"providers": (Provider("xnnpack"),)}, 69, "xnnpack is not in this library"),
    "folder missing": ({"out": "/nowhere/r.json"}, 68, "can't be written"),
    "no such core": ({"cpu_mask": "8" + "0" * 200}, 74, "aren't available"),
    "bad mask": ({"cpu_mask": "0xff"}, 64, "not a hexadecimal mask"),
    "bad level": ({"optimization": "most"}, 64, "not none, basic or all"),
    "bad phase": ({"phases": ("time", "memory")}, 64, "memory must be alone"),
    "time limit": ({"timeout": 0.5, "faults": {"hang": "30"}}, 72, "time limit was reached"),
}


@pytest.mark.parametrize("changes, code, said", FAILURES.values(), ids=FAILURES)
def test_every_failure_has_its_code_and_its_sentence(changes, code, said, call, job, model, tmp_path):
    (tmp_path / "short.bin").write_bytes(b"abc")
    models = {
        "open": ModelJob(str(model)),
        "wrong": ModelJob(str(model), shapes={"x": (2, 4, 16, 16)}),
        "endless": ModelJob(str(model), shapes={"x": (2**62 + 1, 3, 16, 16)}),
        "beyond": ModelJob(str(model), shapes={"x": (10**20, 3, 16, 16)}),
        "unknown": ModelJob(str(model), shapes={"x": (2, 3, 16, 16), "q": (1,)}),
        "short": ModelJob(str(model), shapes={"x": (2, 3, 16, 16)}, inputs={"x": str(tmp_path / "short.bin")}),
    }
    if isinstance(changes.get("models"), str):
        changes = changes | {"models": (models[changes["models"]],)}
    asked = job(**changes)
    stream, done = call(asked)
    assert done.returncode == code
    with pytest.raises(RunError, match=said):
        outcome(stream, done.returncode, None, done.stderr)
    assert not Path(asked.out).exists()


def test_a_command_line_that_is_wrong_is_refused(runner, tmp_path):
    (tmp_path / "job").write_text("--lib\nx\n--out\n")
    (tmp_path / "endless").write_text(f"--job\n{tmp_path / 'endless'}\n")
    wrong = {
        "option --iteration is not known": ["--iteration", "3"],
        "option --lib has no value": ["--lib"],
        "option --out has no value": ["--job", tmp_path / "job"],
        "--threads: 'two' is not a whole number from 1 to": ["--threads", "two"],
        "--threads: '4294967297' is not a whole number": ["--threads", "4294967297"],
        "--timeout: '1e300' is not a number of seconds": ["--timeout", "1e300"],
        "a job file can't name another": ["--job", tmp_path / "endless"],
        "it must follow a --model": ["--input", "x=y"],
        "--lib is missing": ["--threads", "1"],
    }
    for said, arguments in wrong.items():
        done = subprocess.run([runner, *arguments], capture_output=True, text=True)
        assert (done.returncode, said in done.stdout) == (64, True), done.stdout


def test_a_crash_and_running_out_of_memory_are_told_apart(call, job):
    stream, done = call(job(faults={"crash": "1"}))
    with pytest.raises(RunError, match="it crashed"):
        outcome(stream, done.returncode)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))

    stream, done = call(job(faults={"oom-mb": "8000"}), preexec_fn=limit)
    assert done.returncode == 67
    with pytest.raises(RunError, match="memory ran out"):
        outcome(stream, done.returncode)


def test_a_result_that_does_not_fit_leaves_nothing_behind(call, job, tmp_path):
    def little_space():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    (tmp_path / "out").mkdir()
    out = tmp_path / "out" / "r.json"
    out.write_text("an older result")
    stream, done = call(job(out=str(out)), preexec_fn=little_space, restore_signals=False)
    assert done.returncode == 68
    assert "done" not in stream.events
    assert list(out.parent.iterdir()) == []


def test_no_runner_stays_when_nobody_reads_any_more(runner, job, tmp_path):
    asked = job(iterations=10_000_000, progress_ms=10, pid_file=str(tmp_path / "pid"), timeout=30)
    process = subprocess.Popen([runner, *asked.arguments()], stdout=subprocess.PIPE)
    process.stdout.readline()
    assert int((tmp_path / "pid").read_text()) == process.pid
    process.stdout.close()
    assert process.wait(timeout=10) == 73
    assert not (tmp_path / "pid").exists()


def test_a_reader_that_stops_reading_does_not_stop_the_watchdog(runner, job):
    asked = job(iterations=10_000_000, progress_ms=1, timeout=2, min_seconds=100)
    process = subprocess.Popen([runner, *asked.arguments()], stdout=subprocess.PIPE)
    start = time.monotonic()
    try:
        assert process.wait(timeout=20) == 72  # its lines fill the pipe and it waits there
        assert time.monotonic() - start >= 1
    finally:
        process.kill()
        process.stdout.close()


def test_a_runner_that_is_told_to_end_takes_its_pid_file_along(runner, job, tmp_path):
    asked = job(iterations=10_000_000, pid_file=str(tmp_path / "pid"), timeout=30)
    process = subprocess.Popen([runner, *asked.arguments()], stdout=subprocess.PIPE)
    process.stdout.readline()
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
    assert process.wait(timeout=10) == 143
    process.stdout.close()
    assert not (tmp_path / "pid").exists()
    assert not Path(asked.out).exists()


def test_external_data_is_found_beside_the_model(call, job, model, tmp_path):
    import onnx

    onnx.save(
        onnx.load(model), tmp_path / "m.onnx", save_as_external_data=True, location="m.onnx.data", size_threshold=0
    )
    asked = ModelJob(str(tmp_path / "m.onnx"), data=(str(tmp_path / "m.onnx.data"),), shapes={"x": (1, 3, 16, 16)})
    assert result_of(call, job(models=(asked,))).times.cache_dropped
    missing = ModelJob(asked.file, data=(str(tmp_path / "none"),), shapes=asked.shapes)
    assert not result_of(call, job(models=(missing,))).times.cache_dropped


def test_paths_with_spaces_and_quotes_pass_through_the_job_file(call, job, model, tmp_path):
    odd = tmp_path / "a 'b' \"c\" $d;e"
    odd.mkdir()
    shutil.copy(model, odd / "m.onnx")
    asked = ModelJob(str(odd / "m.onnx"), shapes={"x": (1, 3, 16, 16), "id's =1": (1, 9)})
    assert result_of(call, job(models=(asked,), out=str(odd / "r.json"))).times.stats.n == 3
