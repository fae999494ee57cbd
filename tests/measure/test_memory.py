"""Peak memory comes from a process of its own, and a failure of that process is a reason, not a crash."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from workbench.measure.memory import onnx_size, peak_memory
from workbench.measure.network import Network, network_of


def test_the_probe_sees_what_the_model_needs(exported, demo_candidate):
    networks = [network_of(demo_candidate, name, path, 0) for name, path in exported.items()]
    found = peak_memory("onnxruntime", networks, 1)
    assert found.peak is not None and found.before is not None
    assert found.peak - found.before > sum(onnx_size(path) for path in exported.values()) * 0.9
    assert found.running is not None and found.before < found.running <= found.peak


def test_an_unreadable_model_gives_a_reason(tmp_path):
    broken = tmp_path / "model.onnx"
    broken.write_bytes(b"no onnx")
    found = peak_memory("onnxruntime", [Network("own", "model", "fp32", {}, broken)], 1)
    assert found.peak is None and "model.onnx" in (found.reason or "")


def test_size_is_that_of_all_files_that_are_deployed(tmp_path):
    weight = helper.make_tensor("w", TensorProto.FLOAT, [64, 64], bytes(4 * 64 * 64), raw=True)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 64]) for n in "xy"]
    model = helper.make_model(helper.make_graph([node], "g", value[:1], value[1:], [weight]))
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    assert onnx_size(path) == path.stat().st_size + 4 * 64 * 64
