"""Shapes of a graph: worked out for the inputs that are given, and said clearly where those don't fit."""

from __future__ import annotations

import onnx
import pytest

from workbench.errors import InputError
from workbench.graphs.shapes import resolve

DYNAMIC = """<ir_version: 8, opset_import: ["" : 17]>
g (float[N, 3, "height", W] x, float[?, 4] z) => (float[N, K] y)
<int64[1] minus = {-1}, int64[1] none = {0}, int64[1] one = {1}>
{
  s = Shape(x)
  batch = Slice(s, none, one)
  filled = ConstantOfShape <value = float[1] {1.0}> (batch)
  sides = Concat <axis = 0> (batch, minus)
  flat = Reshape(x, sides)
  y = Identity(flat)
}"""


def test_a_shape_that_is_computed_in_the_graph_is_followed():
    found = resolve(onnx.parser.parse_model(DYNAMIC), {"x": (2, 3, 5, 7), "z": (1, 4)})
    assert found.shape["flat"] == found.shape["y"] == (2, 105)
    assert found.shape["filled"] == (2,)
    assert found.type["y"] == onnx.TensorProto.FLOAT


def test_without_the_inputs_shapes_it_is_not_known_rather_than_guessed():
    assert "flat" not in resolve(onnx.parser.parse_model(DYNAMIC)).shape


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"x": (2, 3, 5)}, r"'x': 2x3x5 has 3 axes, the graph takes 4"),
        ({"x": (2, 4, 5, 7)}, r"'x': 2x4x5x7 doesn't fit, the graph takes Nx3xheightxW"),
        ({"y": (1,)}, r"'y': the graph has none of that name"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(given, said):
    with pytest.raises(InputError, match=said):
        resolve(onnx.parser.parse_model(DYNAMIC), given)


def test_minus_one_is_no_side():
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]>
        g (float[2, 4] x) => (float[2, 4] y) { y = Relu(x) }""")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = -1
    assert "y" not in resolve(model).shape
    assert resolve(model, {"x": (3, 4)}).shape["y"] == (3, 4)
