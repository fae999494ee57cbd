"""Counts of ONNX graphs: what PyTorch counts, layer by layer; of files from elsewhere, what can be known of them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from tests.runtimes.torch.test_macs import Zoo
from workbench.errors import InputError
from workbench.graphs.macs import count_graph
from workbench.runtimes.torch.counting import count_component
from workbench.runtimes.torch.macs import count


def products(counted):
    return {x.layer: (x.macs, x.attention_macs) for x in counted.layers if x.macs or x.attention_macs}


def exported_model(module, example, path, **options):
    """A file of TorchScript's exporter, as most files from elsewhere are."""
    torch.onnx.export(module, example, path, dynamo=False, opset_version=17, **options)
    return path


def saved(text, path, **weights):
    """A model from its text; ``weights`` are arrays by name."""
    model = onnx.parser.parse_model(text)
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in weights.items())
    onnx.save(model, path)
    return path


def test_graph_and_module_agree_layer_by_layer(exported, quantized_unet, demo_candidate):
    for name, file in exported.items():
        part = demo_candidate.family.part(name)
        torch_count = count_component(part, demo_candidate.components[name].path, demo_candidate.spec(name).seeded())
        graph_count = count_graph(file).count
        assert products(graph_count) == products(torch_count)
        assert graph_count.params == torch_count.params and graph_count.uncounted == {}
        if name == "unet":
            quantized = count_graph(quantized_unet).count
            assert products(quantized) == products(torch_count) and quantized.params == torch_count.params


@pytest.mark.filterwarnings("ignore")
def test_every_kind_of_product_agrees_with_pytorch(tmp_path):
    """Grouped, transposed and 1-D convolutions, einsum, bmm, attention, LSTM, GRU and RNN."""
    module, example = Zoo().eval(), torch.zeros(1, 4, 4, 4)
    graph_count = count_graph(exported_model(module, (example,), tmp_path / "zoo.onnx")).count
    assert products(graph_count) == products(count(module, example))
    assert graph_count.uncounted == {}


@pytest.mark.filterwarnings("ignore")
def test_a_file_with_open_sides_is_counted_for_the_inputs_that_come(tmp_path):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.lin = nn.Conv2d(3, 8, 3, stride=2), nn.Linear(8, 5)

        def forward(self, x):
            y = self.conv(x)
            return self.lin(y.reshape(y.shape[0], 8, y.shape[2] * y.shape[3]).transpose(1, 2))

    module, sides = Net().eval(), {"x": {0: "n", 2: "h", 3: "w"}}
    path = exported_model(
        module, (torch.zeros(1, 3, 9, 9),), tmp_path / "net.onnx", input_names=["x"], dynamic_axes=sides
    )
    assert products(count_graph(path, {"x": (2, 3, 33, 17)}).count) == products(
        count(module, torch.zeros(2, 3, 33, 17))
    )
    assert sum(count_graph(path).count.uncounted.values()) == 2  # not known, and not zero


def test_element_operations_are_defined_as_for_pytorch(tmp_path):
    class Net(nn.Module):
        def forward(self, x):
            return torch.softmax(torch.sigmoid(x) * x, -1).mean(-1)

    example = torch.zeros(4, 6)
    path = saved(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[4, 6] x) => (float[4] y) {
          a = Sigmoid(x) b = Mul(a, x) c = Softmax(b) t = Transpose(c) r = Transpose(t)
          y = ReduceMean <axes = [-1], keepdims = 0> (r)
        }""",
        tmp_path / "net.onnx",
    )
    ours = sum(layer.element_ops for layer in count_graph(path).count.layers)
    assert ours == sum(layer.element_ops for layer in count(Net(), example).layers) == 4 * 24


def test_weights_are_counted_at_the_precision_that_is_stored(exported, quantized_unet):
    before, after = count_graph(exported["unet"]), count_graph(quantized_unet)
    layer = "down_blocks.0.resnets.0.conv1"
    assert before.weight_bytes[layer] == 4 * (64 * 64 * 9 + 64)
    weights, channels, activations = 64 * 64 * 9, 64, 2
    # int8 weights, their zero points, and as 4 bytes per channel: bias, its scale and zero point, the weights' scale.
    assert after.weight_bytes[layer] == weights + channels + 4 * 4 * channels + 5 * activations
    assert after.weight_bits[f"{layer}/Conv"] == 8 and before.weight_bits == {}


def test_packed_weights_count_by_what_they_hold(tmp_path):
    """``MatMulNBits`` packs two 4-bit numbers in a byte; an int4 tensor holds them as such."""
    node = helper.make_node(
        "MatMulNBits",
        ["x", "w", "s"],
        ["y"],
        "fc/MatMulNBits",
        domain="com.microsoft",
        K=64,
        N=16,
        bits=4,
        block_size=32,
    )
    scale, zero = np.ones(1, np.float32), helper.make_tensor("z", TensorProto.INT4, [], [0])
    values = helper.make_tensor("v", TensorProto.INT4, [16, 64], [1] * 1024)
    nodes = [
        node,
        helper.make_node("DequantizeLinear", ["v", "t", "z"], ["f"], "up/DequantizeLinear"),
        helper.make_node("Transpose", ["f"], ["ft"], "up/Transpose", perm=[1, 0]),
        helper.make_node("MatMul", ["x", "ft"], ["u"], "up/MatMul"),
    ]
    tensors = [numpy_helper.from_array(np.zeros((16, 2, 16), np.uint8), "w")]
    tensors += [numpy_helper.from_array(np.ones(32, np.float32), "s"), numpy_helper.from_array(scale.reshape(()), "t")]
    values = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
        for n, s in (("x", [3, 64]), ("y", [3, 16]), ("u", [3, 16]))
    ] + [values]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:3], [*tensors, values[3], zero])
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), tmp_path / "packed.onnx")
    found = count_graph(tmp_path / "packed.onnx")
    assert products(found.count) == {"fc": (3 * 64 * 16, 0), "up": (3 * 64 * 16, 0)}
    assert {x.layer: x.params for x in found.count.layers} == {"fc": 1024, "up": 1024}
    assert found.weight_bytes == {"fc": 512 + 4 * 32, "up": 512 + 4 + 1}
    assert found.weight_bits == {"fc/MatMulNBits": 4, "up/MatMul": 4}


def test_a_shared_weight_counts_once_and_small_equal_ones_for_each(tmp_path):
    path = saved(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[4, 64] x) => (float[4, 64] y) {
          [one] a = Gemm(x, w, b) [two] y = Gemm(a, w, b)
        }""",
        tmp_path / "tied.onnx",
        w=np.ones((64, 64), np.float32),
        b=np.zeros(64, np.float32),
    )
    found = count_graph(path)
    assert found.count.params == 64 * 64 + 2 * 64
    assert found.weight_bytes == {"one": 4 * (64 * 64 + 64), "two": 4 * 64}
    assert found.count.macs == 2 * 4 * 64 * 64


def test_what_cannot_be_counted_is_listed_by_name(tmp_path):
    path = saved(
        """<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
        g (float[4, 4] x, float[N, M] z, bool c) => (float[4, 4] y) {
          a = MatMul(z, z)
          d = Det(x)
          e = own.Special(x)
          y = If (c) <
            then_branch = t () => (float[4, 4] p) { q = MatMul(x, x) p = Relu(q) },
            else_branch = f () => (float[4, 4] r) { r = Identity(x) }
          >
        }""",
        tmp_path / "odd.onnx",
    )
    found = count_graph(path).count
    assert found.uncounted == {"Det": 1, "MatMul (of unknown shape)": 1, "Special": 1}
    assert found.macs_with_attention == 64
    assert found.notes == (
        "If(y): the data choose the branch; both are counted, 64 MACs in its then_branch and 0 MACs in its else_branch",
    )


def test_of_a_settled_branch_only_what_runs_counts(tmp_path):
    path = saved(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[N, 4] x) => (float[N, 4] y) <int64[1] two = {2}, float[4, 4] w> {
          s = Shape <end = 1> (x)
          few = Less(s, two)
          one = Squeeze(few)
          y = If (one) <
            then_branch = t () => (float[N, 4] a) { p = MatMul(x, w) a = MatMul(p, w) },
            else_branch = f () => (float[N, 4] b) { q = MatMul(x, w) b = Relu(q) }
          >
        }""".replace(", float[4, 4] w>", ">"),
        tmp_path / "if.onnx",
        w=np.ones((4, 4), np.float32),
    )  # fmt: skip
    for batch, macs in ((1, 2 * 16), (3, 3 * 16)):
        found = count_graph(path, {"x": (batch, 4)}).count
        assert (found.macs, found.uncounted) == (macs, {})
    assert count_graph(path).count.uncounted == {"MatMul (of unknown shape)": 3}


def test_a_functions_body_is_counted_where_it_is_called(tmp_path):
    path = tmp_path / "function.onnx"
    onnx.save(
        onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
        g (float[3, 4] x, float[4, 5] w) => (float[3, 5] y) { y = own.Twice(x, w) }
        <domain: "own", opset_import: ["" : 17]>
        Twice (a, b) => (c) { d = MatMul(a, b) c = Relu(d) }"""),
        path,
    )
    found = count_graph(path).count
    assert found.macs_with_attention == 60 and found.uncounted == {}


def test_nodes_without_outputs_or_with_unnamed_ones_do_no_harm(tmp_path):
    nodes = [
        helper.make_node("Dropout", ["x"], ["a", ""]),
        helper.make_node("Split", ["a"], ["", "b"], axis=0),
        helper.make_node("Relu", ["b"], ["y"]),
        helper.make_node("Sink", ["b"], [], domain="own"),
    ]
    values = [helper.make_tensor_value_info(*v) for v in (("x", 1, [4, 4]), ("y", 1, [2, 4]))]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:])
    onnx.save(helper.make_model(graph), tmp_path / "odd.onnx")
    found = count_graph(tmp_path / "odd.onnx")
    assert found.count.uncounted == {"Sink": 1}
    assert {x.layer for x in found.count.layers} == set(found.names.layers)


def test_inputs_that_do_not_fit_and_files_that_are_none_are_refused(exported, tmp_path):
    with pytest.raises(InputError, match="'sample': 1x4x8x8 doesn't fit, the graph takes 1x4x16x16"):
        count_graph(exported["unet"], {"sample": (1, 4, 8, 8)})
    (tmp_path / "model.onnx").write_bytes(b"no onnx at all")
    with pytest.raises(InputError, match="not an ONNX file"):
        count_graph(tmp_path / "model.onnx")
