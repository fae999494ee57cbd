"""The runtime ``openvino``: what it takes, which files it reads, and that it runs and profiles them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from workbench.errors import InputError
from workbench.measure.counts import Count
from workbench.measure.layers import COLUMNS
from workbench.measure.network import Network
from workbench.runtimes.base import runtime
from workbench.runtimes.openvino.runtime import OpenVino


@pytest.fixture(scope="module")
def linear(tmp_path_factory) -> Path:
    """A linear layer whose number of rows is open, of weights that no one can mistake."""
    weight = helper.make_tensor("fc.weight", TensorProto.FLOAT, [64, 32], np.eye(64, 32, dtype=np.float32).ravel())
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "fc.weight"], ["y"], name="fc/MatMul")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 32])],
        [weight],
    )
    path = tmp_path_factory.mktemp("linear") / "linear.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)
    return path


def network(file: Path | None, **feed: np.ndarray) -> Network:
    return Network("linear", "model", "fp32", feed, file)


def test_it_is_found_by_its_name():
    assert isinstance(runtime("openvino"), OpenVino) and runtime("openvino").target == "host-openvino"


def test_it_refuses_what_has_no_file_that_it_reads():
    place = runtime("openvino")
    assert place.refuses(network(Path("m.onnx"))) is None and place.refuses(network(Path("m.xml"))) is None
    assert "no ONNX file" in (place.refuses(network(None)) or "")
    assert ".tflite" in (place.refuses(network(Path("m.tflite"))) or "")


def test_a_loaded_network_computes(linear):
    x = np.arange(256, dtype=np.float32).reshape(4, 64)
    [y] = runtime("openvino").load(network(linear, x=x), 1)()
    assert np.array_equal(y, x[:, :32])


def test_an_open_side_is_the_inputs_and_the_layer_is_found(linear):
    x = np.zeros((4096, 64), np.float32)
    found = runtime("openvino").layers(network(linear, x=x), Count((), {}), 1, 2, 3)
    row = found.table.set_index("layer").loc["fc"]
    assert set(COLUMNS) - {"component", "runtime_bytes"} <= set(found.table.columns)
    assert row["op"] in ("FullyConnected", "MatMul") and row["calls"] == 1 and row["latency_ms"] > 0
    assert row["weight_bytes"] == 64 * 32 * 4 and row["activation_bytes"] == 4096 * 32 * 4
    assert found.live_peak_bytes == 4096 * 32 * 4 and found.live_peak_at == "fc"


def test_an_input_that_does_not_fit_is_one_sentence(linear):
    with pytest.raises(InputError, match=r"linear\.onnx: OpenVINO can't load it") as caught:
        runtime("openvino").layers(network(linear, x=np.zeros((4, 63), np.float32)), Count((), {}), 1, 1, 1)
    assert "\n" not in caught.value.message


def test_both_formats_name_their_files(linear, tmp_path):
    (tmp_path / "m.xml").touch()
    (tmp_path / "m.bin").touch()
    assert [f.name for f in runtime("openvino").files(network(tmp_path / "m.xml"))] == ["m.xml", "m.bin"]
    assert runtime("openvino").files(network(linear)) == [linear]
