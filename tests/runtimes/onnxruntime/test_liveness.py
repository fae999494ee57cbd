"""Bytes of live values, by hand on a graph that is run as it is written."""

from __future__ import annotations

import numpy as np
import onnx

from workbench.graphs.layer_names import nodes_of
from workbench.runtimes.onnxruntime.attribution import match_kernels
from workbench.runtimes.onnxruntime.liveness import live_bytes
from workbench.runtimes.onnxruntime.session import session
from workbench.runtimes.onnxruntime.trace import read_passes

KB = 4 * 256  # bytes of one [256] float value


def live(text, feed, tmp_path):
    """By operator, bytes that live while it runs, with the runtime's optimizations off."""
    model = onnx.parser.parse_model(text)
    onnx.save(model, tmp_path / "model.onnx")
    running = session(tmp_path / "model.onnx", 1, profile_prefix=tmp_path / "trace", optimization="none")
    running.run(None, feed)
    (one,) = read_passes(tmp_path / running.end_profiling().rsplit("/", 1)[-1])
    nodes = nodes_of(model.graph)
    found = live_bytes(model.graph, nodes, one.kernels, match_kernels(one.kernels, nodes))
    return {kernel.op: bytes_ for kernel, bytes_ in zip(one.kernels, found, strict=True)}


def test_a_value_lives_from_its_maker_to_its_last_user(tmp_path):
    found = live(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[256] x) => (float[16, 16] y) <int64[2] sides = {16, 16}> {
          a = Relu(x)
          b = Exp(a)
          c = Reshape(b, sides)
          d = Neg(c)
          e = Sigmoid(d)
          y = Sub(d, e)
        }""",
        {"x": np.ones(256, np.float32)},
        tmp_path,
    )
    assert found == {
        "Relu": KB,  # a; the input is the caller's
        "Exp": 2 * KB,  # a, b
        "Reshape": KB,  # c is b's memory
        "Neg": 2 * KB,  # b, d
        "Sigmoid": 2 * KB,  # d, e
        "Sub": 3 * KB,  # d, e, y
    }


def test_what_a_branch_takes_from_outside_lives_on_until_it_ran(tmp_path):
    found = live(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[256] x, bool c) => (float[256] y) {
          a = Relu(x)
          b = Exp(a)
          y = If (c) <
            then_branch = t () => (float[256] p) { p = Add(a, b) },
            else_branch = e () => (float[256] q) { q = Neg(b) }
          >
        }""",
        {"x": np.ones(256, np.float32), "c": np.array(True)},
        tmp_path,
    )
    assert found == {"Relu": KB, "Exp": 2 * KB, "If": 3 * KB, "Add": 3 * KB}
