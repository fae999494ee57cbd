"""ONNX graphs that are slower by a known piece of real work and compute the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

BALLAST = "ballast"
SIDE = 48
"""Side of the square products of the ballast: 0.1 M multiplications each, a few microseconds."""


def with_ballast(path: Path, out: Path, products: int) -> Path:
    """Writes the graph of ``path`` with a chain of ``products`` matrix products on the side, in the layer ``ballast``.

    The chain starts from an input and ends in an output of its own, so no runtime can fold or drop it.
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    model = _read(path)
    graph = model.graph
    matrix = np.linalg.qr(np.random.default_rng(0).standard_normal((SIDE, SIDE)))[0].astype(np.float32)
    graph.initializer.append(numpy_helper.from_array(matrix, f"{BALLAST}.weight"))
    first = graph.input[0].name
    graph.node.extend(
        [
            helper.make_node("Cast", [first], [f"{BALLAST}/Cast:0"], name=f"{BALLAST}/Cast", to=TensorProto.FLOAT),
            helper.make_node(
                "ReduceMean", [f"{BALLAST}/Cast:0"], [f"{BALLAST}/Mean:0"], name=f"{BALLAST}/ReduceMean", keepdims=0
            ),
            helper.make_node(
                "Add", [f"{BALLAST}/Mean:0", f"{BALLAST}.weight"], [f"{BALLAST}/Chain:0"], name=f"{BALLAST}/Add"
            ),
        ]
    )
    for i in range(products):
        names = [f"{BALLAST}/Chain:{i}", f"{BALLAST}.weight"], [f"{BALLAST}/Chain:{i + 1}"]
        graph.node.append(helper.make_node("MatMul", *names, name=f"{BALLAST}/MatMul#{i}"))
    graph.output.append(helper.make_tensor_value_info(f"{BALLAST}/Chain:{products}", TensorProto.FLOAT, [SIDE, SIDE]))
    return _write(model, out)


def with_wider_kernel(path: Path, out: Path, layer: str, columns: int) -> Path:
    """Writes the graph with zero columns added to the kernel of the convolution ``layer``: more work, same numbers.

    One more column on a 3×3 kernel is a third more multiplications; the padding grows with it.

    Raises:
        ValueError: there is no convolution of that layer with its own weights and explicit padding.
    """
    import numpy as np
    from onnx import numpy_helper

    model = _read(path)
    conv = next((n for n in model.graph.node if n.op_type == "Conv" and n.name.rsplit("/", 1)[0] == layer), None)
    weight = next((t for t in model.graph.initializer if conv and t.name == conv.input[1]), None)
    attributes: dict[str, Any] = {a.name: a for a in conv.attribute} if conv else {}
    if weight is None or "pads" not in attributes:
        raise ValueError(f"{path}: no convolution named {layer}")
    kernel = numpy_helper.to_array(weight)
    wider = np.pad(kernel, ((0, 0), (0, 0), (0, 0), (0, columns)))
    weight.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(wider), weight.name))
    attributes["pads"].ints[3] += columns
    if "kernel_shape" in attributes:
        attributes["kernel_shape"].ints[1] += columns
    return _write(model, out)


def _read(path: Path) -> Any:
    import onnx

    return onnx.load(path)


def _write(model: Any, out: Path) -> Path:
    import onnx

    out.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, out)
    return out
