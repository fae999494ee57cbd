"""Weights on their grid, written into a named graph in one of three forms.

``dequantize``: DequantizeLinear, the standard form, which NPUs' compilers read; ONNX Runtime runs it in every pass.
``unpacked``: Cast and Mul of the packed integers, which every runtime folds into float weights when it loads the file
(one 3×3 convolution of 128 channels, int4: 0.39 ms as float, 0.39 unpacked at load, 0.75 ms dequantized in each pass).
``packed``: MatMulNBits, ONNX Runtime's product with 4-bit weights, which stay packed in memory; linears only.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.compress.quantize.onnx.write_activations import on_grid
from workbench.compress.quantize.weights.grid import Rounded
from workbench.graphs.edit import add_initializer, reshape
from workbench.graphs.external import unmapped
from workbench.graphs.names import layer_of, name_new

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

PACKED_BLOCKS = (16, 32, 64, 128, 256)
"""Group sizes that MatMulNBits takes."""
MICROSOFT = "com.microsoft"
_LARGEST = (1 << 31) - 1


def matrix_of(node: ir.Node) -> np.ndarray:
    """The node's constant weight as float32 [N, K]: N outputs, K inputs (a convolution's channels × kernel)."""
    import numpy as np

    value = node.inputs[1]
    assert value is not None and value.const_value is not None
    weight = unmapped(value.const_value).astype(np.float32, copy=False)
    if node.op_type == "Conv":
        return weight.reshape(weight.shape[0], -1)
    return np.ascontiguousarray(weight if _transposed(node) else weight.T)


def row_width(node: ir.Node) -> int:
    """K of ``matrix_of``, without reading the weight."""
    value = node.inputs[1]
    assert value is not None and value.const_value is not None
    shape = value.const_value.shape.numpy()
    return math.prod(shape[1:]) if node.op_type == "Conv" or _transposed(node) else int(shape[0])


def drop_known_types(model: ir.Model) -> None:
    """Drops the types and shapes of constants, which the file has a second time: 100 bytes each."""
    for value in model.graph.initializers.values():
        value.type = value.shape = None


def output_axis(node: ir.Node) -> int:
    """The axis of the node's stored weight that runs over its outputs."""
    return 0 if node.op_type == "Conv" or _transposed(node) else 1


def put_float(model: ir.Model, node: ir.Node, matrix: np.ndarray) -> ir.Value:
    """Replaces the node's weight by ``matrix`` [N, K], float32, and returns the new one."""
    value = add_initializer(model, f"{node.name}:weight", _as_stored(node, matrix))
    _use(model, node, value)
    return value


def put_eight_bits(model: ir.Model, node: ir.Node, rounded: Rounded) -> None:
    """The ``dequantize`` form of a node whose input is on a grid, with its bias as int32 on the product of both scales,
    as the int8 kernels add it."""
    import dataclasses

    import numpy as np
    import onnx_ir as ir

    data = node.inputs[0]
    assert data is not None
    scale = on_grid(data)
    assert scale is not None
    added = node.inputs[2] if len(node.inputs) > 2 else None
    bias = added.const_value.numpy() if added is not None and added.const_value is not None else None
    if bias is not None:
        # A channel whose weights are next to nothing has a scale on which its bias needs more than 31 bits.
        least = np.abs(bias).max() if rounded.grid.per_tensor else np.abs(bias).reshape(-1, 1)
        wider = np.maximum(rounded.scales, (least / (scale * _LARGEST)).astype(np.float32))
        if (wider != rounded.scales).any():
            integers = np.rint(rounded.weights() / wider).astype(np.int8)
            rounded = dataclasses.replace(rounded, integers=integers, scales=wider)
    put_dequantized(model, node, rounded)
    if bias is None:
        return
    scales = (np.float32(scale) * rounded.scales).reshape(() if rounded.grid.per_tensor else -1)
    integers = np.rint(bias / scales.astype(np.float64)).astype(np.int32)
    parts = {"bias": integers, "bias_scale": scales, "bias_zero": np.zeros(scales.shape, np.int32)}
    stored = [add_initializer(model, f"{node.name}:{name}", array) for name, array in parts.items()]
    back = ir.node("DequantizeLinear", stored, attributes={"axis": 0})
    _insert_before(model, node, [back])
    node.replace_input_with(2, back.outputs[0])


def put_dequantized(model: ir.Model, node: ir.Node, rounded: Rounded) -> None:
    """The ``dequantize`` form; scales lie in the file as float16 where groups share them, else as float32."""
    import numpy as np
    import onnx_ir as ir

    if rounded.grid.group is None or rounded.grid.per_tensor:
        stored = _integers(model, node, _as_stored(node, rounded.integers), rounded.grid.bits)
        flat = rounded.scales.reshape(-1) if not rounded.grid.per_tensor else rounded.scales.reshape(())
        scales = add_initializer(model, f"{node.name}:scale", flat)
        # Zeros, which the standard would let one leave out: where ONNX Runtime takes int8 weights as uint8 (x86 without
        # VNNI) it puts in one zero point where there was none, also where there are scales for every channel.
        zeros = _integers(model, node, np.zeros(flat.shape), rounded.grid.bits, "zero")
        made = [ir.node("DequantizeLinear", [stored, scales, zeros], attributes={"axis": output_axis(node)})]
    else:
        stored = _integers(model, node, rounded.integers, rounded.grid.bits)
        scales, cast = _half_scales(model, node, rounded.scales)
        blocks = {"axis": 1, "block_size": rounded.grid.group}
        made = [cast, ir.node("DequantizeLinear", [stored, scales], attributes=blocks)]
        made += _back(model, node, made[-1])
    _insert(model, node, made)


def put_unpacked(model: ir.Model, node: ir.Node, rounded: Rounded) -> None:
    """The ``unpacked`` form; the integers lie as the node takes its weight, so that nothing has to be turned."""
    import onnx_ir as ir

    rows, width = rounded.integers.shape
    columns = width if rounded.grid.per_tensor else rounded.grid.columns(width)
    integers, scales = rounded.integers.reshape(rows, width // columns, columns), rounded.scales
    if output_axis(node) == 0:
        scales = scales.reshape(*scales.shape, 1)
    else:
        integers, scales = integers.transpose(1, 2, 0), scales.T.reshape(scales.shape[1], 1, scales.shape[0])
    stored = _integers(model, node, integers, rounded.grid.bits)
    wide, cast = _half_scales(model, node, scales)
    floats = ir.node("Cast", [stored], attributes={"to": int(ir.DataType.FLOAT)})
    product = ir.node("Mul", [floats.outputs[0], wide])
    _insert(model, node, [cast, floats, product, _shaped(model, node, product)])


def put_packed(model: ir.Model, node: ir.Node, rounded: Rounded) -> None:
    """The ``packed`` form, in place of a MatMul or Gemm; Gemm's bias is added by a node of its own.

    MatMulNBits: B uint8 [N, blocks, block_size / 2], two weights a byte, lower first, stored with 8 added.
    """
    import numpy as np
    import onnx_ir as ir

    rows, width = rounded.integers.shape
    block = rounded.grid.columns(width)
    raised = (rounded.integers.astype(np.int16) + 8).astype(np.uint8).reshape(rows, width // block, block)
    packed = add_initializer(model, f"{node.name}:packed", raised[..., 0::2] | (raised[..., 1::2] << 4))
    scales, cast = _half_scales(model, node, rounded.scales.reshape(-1))
    settings = {"K": width, "N": rows, "bits": 4, "block_size": block}
    product = ir.node("MatMulNBits", [node.inputs[0], packed, scales], domain=MICROSOFT, attributes=settings)
    model.opset_imports.setdefault(MICROSOFT, 1)
    _like(product.outputs[0], node.outputs[0])
    made, last = [cast, product], product
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None:
        last = ir.node("Add", [product.outputs[0], bias])
        _like(last.outputs[0], node.outputs[0])
        made.append(last)
    _insert_before(model, node, made)
    ir.convenience.replace_all_uses_with(node.outputs[0], last.outputs[0], replace_graph_outputs=True)
    model.graph.remove([node], safe=True)


def halve_rest(model: ir.Model) -> None:
    """Stores the float32 weights that are left, matrices and larger, as float16 that are widened at load."""
    import numpy as np
    import onnx_ir as ir

    for value in list(model.graph.initializers.values()):
        users, tensor = list(value.uses()), value.const_value
        if tensor is None or tensor.dtype != ir.DataType.FLOAT or len(tensor.shape) < 2 or not users:
            continue
        array = unmapped(tensor)
        if not array.size or np.abs(array).max() > np.finfo(np.float16).max:
            continue  # an attention mask's largest negative number, which half precision doesn't have
        half = add_initializer(model, f"{value.name}:half", array.astype(np.float16))
        cast = ir.node("Cast", [half], attributes={"to": int(ir.DataType.FLOAT)})
        _like(cast.outputs[0], value)
        first = next(node for node in model.graph if any(node is user.node for user in users))
        _insert_before(model, first, [cast])
        for user in users:
            user.node.replace_input_with(user.idx, cast.outputs[0])


def drop_unused(model: ir.Model) -> None:
    """Drops the initializers that nothing uses any more; tied weights stay as long as one user is left."""
    outputs = set(model.graph.outputs)
    for name, value in list(model.graph.initializers.items()):
        if not value.uses() and value not in outputs:
            model.graph.initializers.pop(name)


def _transposed(node: ir.Node) -> bool:
    flag = node.attributes.get("transB")
    return node.op_type == "Gemm" and flag is not None and flag.as_int() == 1


def _as_stored(node: ir.Node, matrix: np.ndarray) -> np.ndarray:
    """[N, K] in the shape in which the node takes its weight."""
    import numpy as np

    value = node.inputs[1]
    assert value is not None and value.shape is not None
    if node.op_type == "Conv":
        return matrix.reshape(value.shape.numpy())
    return matrix if _transposed(node) else np.ascontiguousarray(matrix.T)


def _back(model: ir.Model, node: ir.Node, last: ir.Node) -> list[ir.Node]:
    """Nodes that bring float weights [N, K] into the shape in which the node takes them."""
    import onnx_ir as ir

    if output_axis(node) == 0:
        return [_shaped(model, node, last)]
    return [ir.node("Transpose", [last.outputs[0]], attributes={"perm": [1, 0]})]


def _shaped(model: ir.Model, node: ir.Node, last: ir.Node) -> ir.Node:
    """The Reshape to the shape of the node's weight."""
    value = node.inputs[1]
    assert value is not None and value.shape is not None
    return reshape(model, last.outputs[0], value.shape.numpy())


def _half_scales(model: ir.Model, node: ir.Node, scales: np.ndarray) -> tuple[ir.Value, ir.Node]:
    """Scales stored as float16, and the node that makes them float32 again."""
    import numpy as np
    import onnx_ir as ir

    stored = add_initializer(model, f"{node.name}:scale", scales.astype(np.float16))
    cast = ir.node("Cast", [stored], attributes={"to": int(ir.DataType.FLOAT)})
    return cast.outputs[0], cast


def _integers(model: ir.Model, node: ir.Node, integers: np.ndarray, bits: int, name: str = "weight") -> ir.Value:
    import ml_dtypes
    import numpy as np

    kind = ml_dtypes.int4 if bits == 4 else np.int8
    return add_initializer(model, f"{node.name}:{name}", np.ascontiguousarray(integers).astype(kind, copy=False))


def _insert(model: ir.Model, node: ir.Node, made: list[ir.Node]) -> None:
    _insert_before(model, node, made)
    _use(model, node, made[-1].outputs[0])


def _insert_before(model: ir.Model, node: ir.Node, made: list[ir.Node]) -> None:
    """New nodes, named by the layer of the node that they serve.

    What they hand to each other has short names: a runtime folds these nodes, so no layer is read from them, and with
    long ones a 4-bit file of 4 MB would be 3 % larger.
    """
    model.graph.insert_before(node, made)
    name_new(model, dict.fromkeys(made, layer_of(node.name or "")))
    count = len(model.graph.initializers)  # every call comes after constants of its own were added
    for i, inner in enumerate(made[:-1]):
        if inner.op_type != "MatMulNBits":
            inner.outputs[0].name = f"~{count}.{i}"


def _use(model: ir.Model, node: ir.Node, value: ir.Value) -> None:
    old = node.inputs[1]
    if old is not None and value.shape is None:
        _like(value, old)
    node.replace_input_with(1, value)


def _like(value: ir.Value, other: ir.Value) -> None:
    value.type, value.shape = other.type, other.shape
