"""Linears as Gemm, the one form in which ONNX Runtime's CPU kernels take int8 in, add the bias and give float out.

The exporter writes a linear as MatMul and Add. Quantized like that, the runtime either computes the bias in a separate
float pass after a requantization, or fuses MatMul and Add in float first and dequantizes the weights in every pass
(demo-size U-Net, one thread, everything quantized: 1.13 times the float model's time; as Gemm 0.71 times).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from workbench.graphs.edit import reshape
from workbench.graphs.names import layer_of, name_new

if TYPE_CHECKING:
    import onnx_ir as ir


def biased_linears_as_gemm(model: ir.Model, layers: Collection[str]) -> None:
    """In place, for the named layers: MatMul [1, T, K] × [K, N] + bias [N] becomes Reshape, Gemm, Reshape."""
    import onnx_ir as ir

    added: dict[ir.Node, str] = {}
    for matmul in list(model.graph):
        layer = layer_of(matmul.name or "")
        add = _bias_of(matmul) if matmul.op_type == "MatMul" and layer in layers else None
        if add is None:
            continue
        data, weight = matmul.inputs
        bias = next(value for value in add.inputs if value is not None and value is not matmul.outputs[0])
        assert data is not None and weight is not None and data.shape is not None and weight.shape is not None
        rows, (width, columns) = data.shape.numpy()[-2], weight.shape.numpy()
        flat = _typed(reshape(model, data, (rows, width)), (rows, width))
        gemm = _typed(ir.node("Gemm", [flat.outputs[0], weight, bias]), (rows, columns))
        back = _typed(reshape(model, gemm.outputs[0], (1, rows, columns)), (1, rows, columns))
        model.graph.insert_before(matmul, [flat, gemm, back])
        ir.convenience.replace_all_uses_with(add.outputs[0], back.outputs[0])
        model.graph.remove([add, matmul], safe=True)
        added.update({flat: layer, gemm: layer, back: layer})
    name_new(model, added)


def _bias_of(matmul: ir.Node) -> ir.Node | None:
    """The Add of a constant vector that is the only user of a batch-1 product with a constant matrix."""
    data, weight = matmul.inputs
    users = list(matmul.outputs[0].uses())
    if data is None or weight is None or weight.const_value is None or len(users) != 1 or data.shape is None:
        return None
    add = users[0].node
    if add.op_type != "Add" or add.outputs[0].is_graph_output() or len(data.shape) != 3 or data.shape[0] != 1:
        return None
    others = [v for v in add.inputs if v is not matmul.outputs[0]]
    constant = others[0].const_value if len(others) == 1 and others[0] is not None else None
    return add if constant is not None and len(constant.shape) == 1 else None


def _typed(node: ir.Node, shape: tuple[int, ...]) -> ir.Node:
    import onnx_ir as ir

    node.outputs[0].dtype, node.outputs[0].shape = ir.DataType.FLOAT, ir.Shape(shape)
    return node
