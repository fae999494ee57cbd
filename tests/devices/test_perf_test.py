from __future__ import annotations

import pytest

from workbench.devices.perf_test import PerfTestCall, read_perf_test
from workbench.devices.providers import Provider
from workbench.errors import InputError, RunError
from workbench.runtimes.onnxruntime.session import machine_config

CSV = """model, v2,0.0521,91336704,62,0
model, v2,0.0519,91336704,62,1
model, v2,0.00720383,91336704,98,0
model, v2,0.00727787,91336704,98,1
model, v2,1.2e-05,91336704,98,2

Min Latency is 0.0072sec
P50 Latency is 0.0073sec
"""
STDOUT = """Setting intra_op_num_threads to 1
Session creation time cost: 0.169475 s
First inference time cost: 109 ms
Total inference time cost: 0.0727021 s
Total inference requests: 3
Average inference time cost total: 7.270205 ms
Avg CPU usage: 98 %
Peak working set size: 91336704 bytes
"""


def test_the_last_call_in_the_result_file_counts():
    found = read_perf_test(CSV, STDOUT)
    assert found.stats.samples == pytest.approx((7.20383, 7.27787, 0.012))
    assert (found.peak_bytes, found.cpu_percent) == (91336704, 98)
    assert found.load_ms == pytest.approx(169.475)
    assert found.first_call_ms == 109


def test_what_it_did_not_print_is_unknown_not_zero():
    found = read_perf_test("m,0.5,0,10,0\n")
    assert (found.peak_bytes, found.load_ms, found.first_call_ms) == (None, None, None)


@pytest.mark.parametrize("text", ["", "failed to open result file", "m,abc,1,2,0\n"])
def test_a_file_without_passes_is_an_error(text):
    with pytest.raises(RunError, match="no measured pass"):
        read_perf_test(text)


def test_the_session_is_set_as_the_runners():
    provider = Provider("qnn", {"a": "1", "b": "2"})
    command = PerfTestCall("./pt", "m.onnx", "r.csv", 4, 50, provider, "p", "e.onnx", ("avx2",)).command()
    assert command[0] == "./pt"
    assert command[-2:] == ["m.onnx", "r.csv"]
    pairs = {word: command[i + 1] for i, word in enumerate(command[:-1]) if word.startswith("-")}
    entries = dict(entry.split("|") for entry in pairs["-C"].split(" "))
    assert entries == machine_config(("avx2",)) and entries["session.intra_op.allow_spinning"] == "1"
    assert (pairs["-x"], pairs["-y"], pairs["-r"], pairs["-o"], pairs["-e"]) == ("4", "1", "50", "99", "qnn")
    assert (pairs["-i"], pairs["-p"], pairs["-u"]) == ("a|1 b|2", "p", "e.onnx")


def test_an_option_that_its_syntax_cannot_carry_is_refused():
    with pytest.raises(InputError, match="can't be passed to onnxruntime_perf_test"):
        PerfTestCall("./pt", "m", "r", 1, 1, Provider("qnn", {"backend_path": "/a b"})).command()
