"""The small networks by which a machine's ceilings are measured: products and moves of known amount, one kind each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import torch

Kind = Literal["fp32", "int8", "memory"]
_SCALE, _ZERO = 0.01, 128


@dataclass(frozen=True)
class Probe:
    """``repeats`` equal operators after one another.

    ``MatMul``: ``rows`` × ``width`` by a weight of ``width`` × ``width``; with one row all time goes into reading the
    weight. ``Conv``: 3 × 3, padded, ``width`` channels, ``rows`` × ``rows`` pixels. ``Add``: two vectors of ``width``.
    """

    kind: Kind
    op: Literal["MatMul", "Conv", "Add"]
    rows: int
    width: int
    repeats: int

    @property
    def words(self) -> str:
        """The probe for readers."""
        what = {
            "MatMul": f"{self.rows}×{self.width} by {self.width}×{self.width} matrix product",
            "Conv": f"3×3 convolution of {self.width} channels, {self.rows}×{self.rows}",
            "Add": f"sum of two vectors of {self.width:,}",
        }[self.op]
        return f"{what}, {self.repeats} in a row" if self.repeats > 1 else what

    @property
    def bytes_per_op(self) -> int:
        """What one operator of a memory probe reads and writes."""
        if self.op == "Add":
            return 3 * 4 * self.width
        return 4 * (self.width * self.width + 2 * self.rows * self.width)

    @property
    def work(self) -> int:
        """MACs of the whole network, or for a memory probe the bytes that it reads and writes."""
        if self.kind == "memory":
            return self.repeats * self.bytes_per_op
        macs = {"MatMul": self.rows * self.width**2, "Conv": 9 * self.rows**2 * self.width**2, "Add": 0}[self.op]
        return self.repeats * macs


PROBES = (
    Probe("fp32", "MatMul", 512, 512, 1),
    Probe("fp32", "MatMul", 1024, 1024, 1),
    Probe("fp32", "Conv", 64, 64, 2),
    Probe("fp32", "Conv", 32, 128, 2),
    Probe("fp32", "Conv", 16, 256, 2),
    Probe("int8", "MatMul", 512, 512, 4),
    Probe("int8", "MatMul", 1024, 1024, 2),
    Probe("int8", "Conv", 64, 64, 4),
    Probe("int8", "Conv", 32, 128, 4),
    Probe("int8", "Conv", 16, 256, 4),
    *(Probe("memory", "MatMul", 1, side, n) for side, n in ((256, 32), (512, 16), (1024, 4), (2048, 2), (4096, 1))),
    *(Probe("memory", "Add", 1, n, k) for n, k in ((1 << 14, 64), (1 << 16, 16), (1 << 18, 8), (1 << 20, 4))),
)
"""Shapes as the layers of diffusion U-Nets have them; the best of a kind is the ceiling."""


def onnx_network(probe: Probe) -> tuple[Any, dict[str, np.ndarray]]:
    """The probe as an ONNX ``ModelProto`` and its inputs; int8 ones are QDQ, 8-bit from input to output."""
    from onnx import TensorProto, helper

    integer = probe.kind == "int8"
    element = TensorProto.UINT8 if integer else TensorProto.FLOAT
    feed, weight = _values(probe)
    nodes: list[Any] = []
    value = "x"
    for i in range(probe.repeats):
        own = f"w{i}" if _one_each(probe) else "w"
        nodes += _quantized(probe.op, value, f"y{i}", i) if integer else [_node(probe.op, value, own, f"y{i}")]
        value = f"y{i}"
    shape = list(feed.shape)
    if probe.op == "Add":  # a whole vector as a result would be copied once more on its way out
        nodes.append(helper.make_node("ReduceMax", [value], ["result"], keepdims=0))
        value, shape = "result", []
    graph = helper.make_graph(
        nodes,
        "ceiling",
        [helper.make_tensor_value_info("x", element, list(feed.shape))],
        [helper.make_tensor_value_info(value, element, shape)],
        [*_constants(integer), *_weights(probe, weight)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), {"x": feed}


def torch_network(probe: Probe) -> tuple[torch.nn.Module, dict[str, np.ndarray]]:
    """The probe (of float32) as a torch module and its inputs."""
    import torch

    feed, weight = _values(probe)
    tensors = [torch.from_numpy(weight.copy()) for _ in range(probe.repeats if _one_each(probe) else 1)]

    class Chain(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for i in range(probe.repeats):
                tensor = tensors[i % len(tensors)]
                if probe.op == "Conv":
                    x = torch.nn.functional.conv2d(x, tensor, padding=1)
                else:
                    x = x @ tensor if probe.op == "MatMul" else x + tensor
            return x

    return Chain(), {"x": feed}


def _values(probe: Probe) -> tuple[np.ndarray, np.ndarray]:
    """Input and weight; constant, so that nothing overflows or becomes denormal however long the chain is."""
    import numpy as np

    w, r = probe.width, probe.rows
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...], int]] = {
        "MatMul": ((r, w), (w, w), w),
        "Conv": ((1, w, r, r), (w, w, 3, 3), 9 * w),
        "Add": ((w,), (w,), w),
    }
    x, weight, inputs = shapes[probe.op]
    if probe.kind == "int8":
        return np.full(x, _ZERO + 1, np.uint8), np.ones(weight, np.int8)
    return np.ones(x, np.float32), np.full(weight, 1 / inputs, np.float32)


def _one_each(probe: Probe) -> bool:
    """Whether every operator has a weight of its own: where reading it is what is measured."""
    return probe.kind == "memory" and probe.op == "MatMul"


def _weights(probe: Probe, weight: np.ndarray) -> list[Any]:
    from onnx import numpy_helper

    if _one_each(probe):
        return [numpy_helper.from_array(weight, f"w{i}") for i in range(probe.repeats)]
    return [numpy_helper.from_array(weight, "w")]


def _constants(integer: bool) -> list[Any]:
    import numpy as np
    from onnx import numpy_helper

    if not integer:
        return []
    values = {"scale": np.float32(_SCALE), "zero": np.uint8(_ZERO), "none": np.int8(0)}
    return [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]


def _node(op: str, value: str, weight: str, out: str) -> Any:
    from onnx import helper

    if op == "Conv":
        return helper.make_node("Conv", [value, weight], [out], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    return helper.make_node(op, [value, weight], [out])


def _quantized(op: str, value: str, out: str, i: int) -> list[Any]:
    """One product between DequantizeLinear and QuantizeLinear, as runtimes look for it to make an integer kernel."""
    from onnx import helper

    return [
        helper.make_node("DequantizeLinear", [value, "scale", "zero"], [f"float{i}"]),
        helper.make_node("DequantizeLinear", ["w", "scale", "none"], [f"weight{i}"]),
        _node(op, f"float{i}", f"weight{i}", f"product{i}"),
        helper.make_node("QuantizeLinear", [f"product{i}", "scale", "zero"], [out]),
    ]
