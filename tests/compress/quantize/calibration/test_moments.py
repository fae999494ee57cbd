"""Second moments of layers' inputs: against what PyTorch's own unfolding of the same inputs gives."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from tests.compress.quantize.calibration.observing import folding, nodes
from workbench.compress.quantize.calibration.moments import Moments
from workbench.runtimes.onnxruntime.session import session

CONVS = {
    "plain": {"kernel": (3, 3), "strides": (1, 1), "dilations": (1, 1), "pads": (1, 1, 1, 1)},
    "downsampling": {"kernel": (3, 3), "strides": (2, 2), "dilations": (1, 1), "pads": (0, 0, 1, 1)},
    "uneven": {"kernel": (3, 2), "strides": (2, 1), "dilations": (1, 3), "pads": (2, 0, 1, 4)},
    "point": {"kernel": (1, 1), "strides": (1, 1), "dilations": (1, 1), "pads": (0, 0, 0, 0)},
}
CHANNELS, SIDE = 6, 9


def _const(name: str, shape: tuple[int, ...]) -> onnx.TensorProto:
    values = np.random.default_rng(len(name)).standard_normal(shape).astype(np.float32)
    return onnx.numpy_helper.from_array(values, name)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of layer on the same two inputs, behind a Relu so that the tensors are inside the graph."""
    nodes = [helper.make_node("Relu", ["image"], ["x"], "relu"), helper.make_node("Relu", ["tokens"], ["t"], "relu2")]
    weights, outputs = [], []
    for name, how in CONVS.items():
        weights.append(_const(f"{name}.w", (5, CHANNELS, *how["kernel"])))
        given = {key: list(how[key]) for key in ("strides", "dilations", "pads")}
        nodes.append(helper.make_node("Conv", ["x", f"{name}.w"], [f"{name}.y"], f"{name}/Conv", **given))
        outputs.append(f"{name}.y")
    weights += [_const("grouped.w", (CHANNELS, 1, 3, 3)), _const("q.w", (8, 4)), _const("k.w", (8, 3))]
    weights += [_const("g.w", (7, 8)), _const("shape", (2,)), _const("same.w", (5, CHANNELS, 3, 3))]
    weights[-2] = onnx.numpy_helper.from_array(np.array([10, 8]), "shape")
    nodes += [
        helper.make_node("Conv", ["x", "grouped.w"], ["grouped.y"], "grouped/Conv", group=CHANNELS),
        helper.make_node("Conv", ["x", "same.w"], ["same.y"], "same/Conv", auto_pad="SAME_UPPER"),
        helper.make_node("MatMul", ["t", "q.w"], ["q.y"], "q/MatMul"),
        helper.make_node("MatMul", ["t", "k.w"], ["k.y"], "k/MatMul"),
        helper.make_node("Reshape", ["t", "shape"], ["flat"], "flat"),
        helper.make_node("Gemm", ["flat", "g.w"], ["g.y"], "g/Gemm", transB=1),
    ]
    outputs += ["grouped.y", "same.y", "q.y", "k.y", "g.y"]
    graph = helper.make_graph(
        nodes,
        "layers",
        [
            helper.make_tensor_value_info("image", TensorProto.FLOAT, [2, CHANNELS, SIDE, SIDE]),
            helper.make_tensor_value_info("tokens", TensorProto.FLOAT, [2, 5, 8]),
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        weights,
    )
    path = tmp_path_factory.mktemp("layers") / "model.onnx"
    made = helper.make_model(onnx.shape_inference.infer_shapes(helper.make_model(graph)).graph, ir_version=10)
    made.opset_import[0].version = 20
    onnx.save(made, path)
    return path


def _inputs(seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "image": random.standard_normal((2, CHANNELS, SIDE, SIDE), np.float32),
        "tokens": random.standard_normal((2, 5, 8), np.float32),
    }


def _mean(rows: np.ndarray) -> np.ndarray:
    return rows.T @ rows / len(rows)


@pytest.mark.parametrize("name", CONVS)
def test_a_convolutions_moments_are_those_of_its_patches_in_the_weights_order(model, name):
    moments = Moments(nodes(model, [f"{name}/Conv"]), rows=10_000)
    run = folding(moments, model)
    how, rows = CONVS[name], []
    top, left, bottom, right = how["pads"]
    weight = torch.from_numpy(onnx.numpy_helper.to_array(_const(f"{name}.w", (5, CHANNELS, *how["kernel"]))).copy())
    for seed in range(3):
        inputs = _inputs(seed)
        run(inputs)
        x = torch.nn.functional.pad(torch.from_numpy(inputs["image"]).relu(), (left, right, top, bottom))
        unfolded = torch.nn.functional.unfold(x, how["kernel"], how["dilations"], 0, how["strides"])
        rows.append(unfolded.permute(0, 2, 1).reshape(-1, unfolded.shape[1]))
        expected = torch.nn.functional.conv2d(x, weight, None, how["strides"], 0, how["dilations"])
        assert torch.allclose(
            rows[-1] @ weight.reshape(5, -1).T, expected.permute(0, 2, 3, 1).reshape(-1, 5), atol=1e-4
        )
    assert np.allclose(moments.result()[f"{name}/Conv"], _mean(torch.cat(rows).numpy()), atol=1e-4)


def test_a_linears_moments_are_those_of_its_rows_and_shared_where_the_input_is(model):
    moments = Moments(nodes(model, ["q/MatMul", "k/MatMul", "g/Gemm"]))
    run = folding(moments, model)
    for seed in range(3):
        run(_inputs(seed))
        found = moments.result()  # looked at in between, which must not disturb what follows
    rows = np.concatenate([np.maximum(_inputs(seed)["tokens"], 0).reshape(-1, 8) for seed in range(3)])
    for name in ("q/MatMul", "g/Gemm"):
        assert np.allclose(found[name], _mean(rows), atol=1e-5)
        assert found[name].dtype == np.float32 and found[name].flags.c_contiguous
    assert found["q/MatMul"] is found["k/MatMul"]


def test_a_part_of_the_rows_gives_nearly_the_same_and_the_seed_decides_which(model):
    name, passes = "plain/Conv", range(60)
    found = []
    for rows, seed in ((10_000, 0), (16, 0), (16, 0), (16, 1)):
        moments = Moments(nodes(model, [name]), rows=rows, seed=seed)
        run = folding(moments, model)
        for each in passes:
            run(_inputs(each))
        found.append(moments.result()[name].copy())
    every, some, again, others = found
    assert np.array_equal(some, again) and not np.array_equal(some, others)
    assert np.linalg.norm(some - every) < 0.15 * np.linalg.norm(every)


def test_what_can_not_be_gathered_is_listed_with_the_reason(model):
    names = ["plain/Conv", "point/Conv", "grouped/Conv", "same/Conv", "q/MatMul"]
    moments = Moments(nodes(model, names), max_columns=9 * CHANNELS - 1)
    run = folding(moments, model)
    assert moments.skipped == {
        "plain/Conv": "54 columns, more than 53",
        "grouped/Conv": "a convolution in groups",
        "same/Conv": "padding left to the runtime",
    }
    run(_inputs(0))
    assert set(moments.result()) == {"point/Conv", "q/MatMul"}


def test_passes_give_the_models_own_output(model):
    moments = Moments(nodes(model, ["q/MatMul"]))
    run = folding(moments, model)
    assert dict(moments.result()) == {} and moments.passes == 0
    expected = session(model, 1).run(None, _inputs(5))[0]
    assert np.allclose(run(_inputs(5)), expected, atol=1e-5)
    assert moments.passes == 1


def test_memory_stays_within_what_is_said_beforehand_however_many_passes(model):
    moments = Moments(nodes(model, [f"{name}/Conv" for name in CONVS]), rows=64)
    run = folding(moments, model)
    inputs = _inputs(0)
    run(inputs)
    tracemalloc.start()
    for _ in range(100):
        run(inputs)
    moments.result()
    now, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert now < moments.bytes
