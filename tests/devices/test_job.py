from __future__ import annotations

import json
import shutil

import pytest

from tests.devices.conftest import outcome
from workbench.devices.exits import about_model, how_it_ended
from workbench.devices.job import Job, ModelJob, Stream, failure
from workbench.devices.providers import Provider
from workbench.devices.result import read_result
from workbench.errors import InputError, RunError

START = '{"event":"start","ms":1,"library":{"version":"1.30.0","api":30,"providers":[]}}'
DONE = '{"event":"done","ms":9,"out":"r.json"}'


def stream_of(*lines):
    stream = Stream()
    for line in lines:
        stream.feed(line)
    return stream


def test_other_programs_lines_are_kept_apart():
    events = []
    stream = Stream(events.append)
    for line in ("WARNING: linker: x", START, "{ not json", '{"a":1}', "[1]", "", DONE):
        stream.feed(line + "\r\n")
    assert [event["event"] for event in events] == ["start", "done"]
    assert stream.other == ["WARNING: linker: x", "{ not json", '{"a":1}', "[1]"]
    assert stream.version == "1.30.0"


def test_exit_code_0_alone_is_no_success():
    with pytest.raises(RunError, match="the connection ended before the runner did"):
        outcome(stream_of(START), 0)
    with pytest.raises(RunError, match="crashed"):
        outcome(stream_of(START, DONE), 139)
    assert failure(stream_of(START, DONE), 0) is None


def test_the_runners_own_word_goes_before_the_code_that_adb_gives():
    error = '{"event":"error","ms":3,"code":72,"message":"the time limit of the runner is over"}'
    assert "time limit was reached" in str(failure(stream_of(START, error), 0))
    assert "raise the time limit" in str(failure(stream_of(START, error), 255))


def test_what_a_shell_said_stands_in_for_a_runner_that_never_spoke():
    told = str(failure(stream_of("/system/bin/sh: ./wbrun: not executable"), 126, "Permission denied\n"))
    assert "can't be started there" in told
    assert "not executable / Permission denied" in told


@pytest.mark.parametrize("code", [9, 11, 15])
def test_a_signal_reads_the_same_through_a_shell_and_without_one(code):
    assert how_it_ended(128 + code) == how_it_ended(-code)
    assert "ended early" in how_it_ended(-code)


def test_a_code_of_nobody_is_named():
    assert "exit code 3" in how_it_ended(3)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"opset": 99}, r"too new for ONNX Runtime 1\.\d+\.\d+: it has opset 99, \d+ is the newest"),
        ({"ir": 99}, r"too new for .*: it has IR version 99, \d+ is the newest"),
        ({"op": "Foo"}, "no operator Foo as the model uses it"),
        ({"op": "Foo", "domain": "my.ops"}, "no operator my.ops:Foo as the model uses it"),
        ({"cut": 40}, "cut off or no ONNX file"),
    ],
    ids=["opset", "ir", "op", "domain", "cut"],
)
def test_a_library_too_old_for_the_model_is_said_in_plain_words(changes, said, call, job, tmp_path):
    # The messages are the real library's: models it can't know are given to it.
    import onnx
    from onnx import TensorProto, helper

    sides = [1, 4]
    nodes = [helper.make_node(changes.get("op", "Relu"), ["x"], ["y"], "a/b", domain=changes.get("domain", ""))]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, sides) for name in "xy"]
    imports = [helper.make_opsetid("", changes.get("opset", 17)), helper.make_opsetid("my.ops", 1)]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:])
    data = helper.make_model(graph, opset_imports=imports, ir_version=changes.get("ir", 8)).SerializeToString()
    (tmp_path / "m.onnx").write_bytes(data[: changes.get("cut")])
    assert onnx.load_from_string(data).graph.node
    stream, done = call(job(models=(ModelJob(str(tmp_path / "m.onnx")),)))
    assert done.returncode == 66
    with pytest.raises(RunError, match=said):
        outcome(stream, done.returncode)


def test_a_missing_kernel_names_operator_and_node():
    message = "Could not find an implementation for ConvInteger(10) node with name 'mid.conv/Conv_quant'"
    assert "no operator ConvInteger as the model uses it (node mid.conv/Conv_quant)" in about_model(message, "1.21.0")
    assert about_model("something else") == "something else"


def test_a_job_that_no_file_can_carry_is_refused():
    with pytest.raises(InputError, match="line break"):
        Job("l", "o", (ModelJob("m", inputs={"a\nb": "f"}),), ("time",)).text()


def test_provider_names_are_checked_before_anything_is_pushed():
    with pytest.raises(InputError, match="'xnpack' is not known; did you mean xnnpack"):
        Provider("xnpack")
    asked = Job("l", "o", (ModelJob("m"),), ("time",), providers=(Provider("qnn", {"backend_path": "a b=c"}),))
    lines = asked.text().splitlines()
    assert lines[lines.index("--provider") :][:4] == ["--provider", "qnn", "--provider-option", "backend_path=a b=c"]


def test_a_result_of_another_version_is_refused():
    with pytest.raises(RunError, match="schema"):
        read_result(json.dumps({"runner": "wbrun", "schema": 2}))
    with pytest.raises(RunError, match="damaged"):
        read_result("[1]")
    with pytest.raises(RunError, match="damaged"):
        read_result('{"runner":"wbrun","schema":1,"library"')


def test_outputs_that_were_not_pulled_whole_are_refused(call, job, tmp_path):
    from workbench.devices.job import read_outputs

    folder = tmp_path / "o"
    folder.mkdir()
    asked = job(phases=("outputs",), outputs=str(folder))
    stream, done = call(asked)
    found = outcome(stream, done.returncode, tmp_path / "result.json")
    assert set(read_outputs(found, folder)) == {output.name for output in found.outputs}
    with (folder / "0.bin").open("r+b") as file:
        file.truncate(100)
    with pytest.raises(RunError, match=r"output y: 0\.bin is missing or has the wrong size"):
        read_outputs(found, folder)
    shutil.rmtree(folder)
    with pytest.raises(RunError, match=r"0\.bin is missing"):
        read_outputs(found, folder)
