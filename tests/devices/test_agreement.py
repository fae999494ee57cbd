"""A device whose outputs are another network's must not be quoted; rounding must not be taken for that."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.devices.agreement import agreement, least_db
from workbench.measure.network import Network
from workbench.runtimes.onnxruntime.session import session


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    weight = numpy_helper.from_array(rng.normal(0, 0.3, (4, 3, 3, 3)).astype("f4"), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"], "conv/Conv"),
        helper.make_node("ArgMax", ["y"], ["best"], "best/ArgMax", axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 6, 6]),
            helper.make_tensor_value_info("best", TensorProto.INT64, [1, 1, 6, 6]),
        ],
        [weight],
    )
    path = tmp_path_factory.mktemp("net") / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return Network("m", "model", "fp32", {"x": rng.standard_normal((1, 3, 8, 8)).astype("f4")}, path)


@pytest.fixture
def outputs(network):
    found = dict(zip(("y", "best"), session(network.file).run(["y", "best"], dict(network.feed)), strict=True))
    return {name: value.copy() for name, value in found.items()}


def noisy(outputs, db):
    y = outputs["y"]
    noise = np.random.default_rng(1).standard_normal(y.shape)
    noise *= np.sqrt((y.astype(float) ** 2).sum() / (noise**2).sum()) * 10 ** (-db / 20)
    return outputs | {"y": (y + noise).astype("f4")}


def quantized(network):
    return Network("m", "model", "w8a8", network.feed, network.file)


def test_the_same_outputs_agree(network, outputs):
    found = agreement(network, outputs)
    assert (found["sqnr_db"], found["max_abs_error"], found["agrees"]) == (200.0, 0.0, True)


@pytest.mark.parametrize(("db", "agrees"), [(65, True), (55, False)])
def test_float32_must_agree_to_60_db(network, outputs, db, agrees):
    found = agreement(network, noisy(outputs, db))
    assert found["sqnr_db"] == pytest.approx(db, abs=0.1)
    assert found["agrees"] is agrees and found["least_db"] == 60


def test_a_quantized_network_is_held_against_the_hosts_own_spread(network, outputs):
    found = agreement(quantized(network), noisy(outputs, 15))
    assert found["host_spread_db"] > 100, "in float32 the host agrees with itself"
    assert (found["agrees"], found["least_db"]) == (False, 20)
    assert agreement(quantized(network), noisy(outputs, 25))["agrees"]


def test_how_far_a_quantized_network_may_lie_below_that_spread():
    assert least_db("w8a8", None) == least_db("w8a8", 40.0) == 20
    assert least_db("w8a8", 18.0) == 12
    assert least_db("int8", 5.0) == 10, "below that it is another network, whatever the host does"
    assert least_db("fp32", 18.0) == 60


def test_a_choice_that_falls_otherwise_does_not_count(network, outputs):
    outputs["best"] = (outputs["best"] + 1) % 4
    assert agreement(network, outputs)["agrees"]


def test_another_shape_or_values_that_are_not_finite_are_wrong(network, outputs):
    assert "has shape [1, 4, 6]" in agreement(network, outputs | {"y": outputs["y"][..., 0]})["wrong"]
    bad = outputs["y"].copy()
    bad[0, 0, 0, 0] = np.nan
    found = agreement(network, outputs | {"y": bad})
    assert found["wrong"] == "output y isn't finite; the host's is" and not found["agrees"]
