"""The runtime's profile: whole passes, kernels in their order, and the time of what runs others without theirs."""

from __future__ import annotations

import json

import numpy as np
import onnx

from workbench.runtimes.onnxruntime.session import session
from workbench.runtimes.onnxruntime.trace import read_passes


def event(name, op, start, duration, **arguments):
    arguments = {"op_name": op, "node_index": "3", "output_size": "16"} | arguments
    return {"cat": "Node", "name": f"{name}_kernel_time", "ts": start, "dur": duration, "args": arguments}


def run(start, duration):
    return {"cat": "Session", "name": "model_run", "ts": start, "dur": duration, "args": {}}


def passes(tmp_path, *events):
    """The file as ONNX Runtime writes it: one event a line, kernels when they end."""
    file = tmp_path / "trace.json"
    file.write_text("[\n" + ",\n".join(json.dumps(e) for e in events) + "\n]\n")
    return read_passes(file)


def test_passes_end_with_their_run_and_begin_at_zero(tmp_path):
    shape = [{"float": [2, 2]}]
    first, second = passes(
        tmp_path,
        {"cat": "Session", "name": "session_initialization", "ts": 0, "dur": 50, "args": {}},
        event("a", "Relu", 105, 3, input_type_shape=shape, output_type_shape=[{"uint8": [2, 2]}]),
        {"cat": "Node", "name": "a_fence_after", "ts": 108, "dur": 0, "args": {"op_name": "Relu"}},
        run(100, 10),
        event("a", "Relu", 205, 4, mem_bytes_in_use="4096"),
        run(200, 11),
    )
    assert (first.wall, second.wall) == (10, 11)
    (kernel,) = first.kernels
    assert (kernel.node, kernel.op, kernel.index, kernel.start, kernel.microseconds) == ("a", "Relu", 3, 5, 3)
    assert (kernel.before, kernel.after, kernel.outputs, kernel.output_bytes) == ("float", "uint8", (4,), 16)
    assert kernel.held_bytes is None and second.kernels[0].held_bytes == 4096  # older versions don't tell


def test_what_runs_others_has_its_own_time_alone(tmp_path):
    (one,) = passes(
        tmp_path,
        event("zero", "Relu", 10, 0),
        event("inner", "Add", 12, 3),
        event("innermost", "Mul", 17, 2),
        event("nested", "If", 16, 4),
        event("outer", "Loop", 10, 12),
        event("after", "Relu", 22, 1),
        run(10, 14),
    )
    found = {kernel.node: (kernel.microseconds, kernel.outer) for kernel in one.kernels}
    order = [kernel.node for kernel in one.kernels]
    assert found["outer"] == (12 - 3 - 4, None) and found["nested"] == (2, order.index("outer"))
    assert found["innermost"] == (2, order.index("nested")) and found["after"] == (1, None)
    assert sum(own for own, _ in found.values()) == 13


def test_half_bytes_are_rounded_up_and_unknown_types_left_open(tmp_path):
    shapes = [{"int4": [3]}, {"string": [2]}, {"float16": [2, 3]}, {"float": []}]
    (one,) = passes(tmp_path, event("a", "Relu", 0, 1, output_type_shape=shapes), run(0, 1))
    assert one.kernels[0].outputs == (2, None, 12, 4)


def test_a_real_profile_has_every_node_in_every_pass(tmp_path):
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]>
    g (float[8, 8] x) => (float[8, 8] y) { a = MatMul(x, x) b = Softmax(a) y = MatMul(b, x) }""")
    onnx.save(model, tmp_path / "model.onnx")
    running = session(tmp_path / "model.onnx", 1, profile_prefix=tmp_path / "trace")
    for _ in range(3):
        running.run(None, {"x": np.zeros((8, 8), np.float32)})
    found = read_passes(tmp_path / running.end_profiling().rsplit("/", 1)[-1])
    assert [[kernel.op for kernel in one.kernels] for one in found] == [["MatMul", "Softmax", "MatMul"]] * 3
    assert all(sum(k.microseconds for k in one.kernels) <= one.wall for one in found)
    assert {kernel.outputs for one in found for kernel in one.kernels} == {(256,)}
