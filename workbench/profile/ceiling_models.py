"""The small networks by which a machine's ceilings are measured: products and moves of known amount, one kind each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import onnx
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


def onnx_network(probe: Probe) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """The probe as an ONNX model and its inputs; int8 ones are QDQ, 8-bit from input to output."""
    import numpy as np
    import onnx

    (feed, weight), integer = _values(probe), probe.kind == "int8"
    kind = "uint8" if integer else "float"
    operator = "Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>" if probe.op == "Conv" else probe.op
    weights = [f"w{i}" for i in range(probe.repeats)] if _one_each(probe) else ["w"] * probe.repeats
    nodes, value = [], "x"
    for i, name in enumerate(weights):
        if integer:  # as runtimes look for it to make an integer kernel
            nodes += [
                f"float{i} = DequantizeLinear({value}, scale, zero)",
                f"weight{i} = DequantizeLinear({name}, scale, none)",
                f"product{i} = {operator}(float{i}, weight{i})",
                f"y{i} = QuantizeLinear(product{i}, scale, zero)",
            ]
        else:
            nodes.append(f"y{i} = {operator}({value}, {name})")
        value = f"y{i}"
    shape = f"[{','.join(map(str, feed.shape))}]"
    result = f"{kind}{shape} {value}"
    if probe.op == "Add":  # a whole vector as a result would be copied once more on its way out
        nodes.append(f"result = ReduceMax<keepdims = 0>({value})")
        result = f"{kind}[] result"
    graph = f"ceiling ({kind}{shape} x) => ({result}) {{ {' '.join(nodes)} }}"
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 21]> {graph}')
    constants: dict[str, Any] = dict.fromkeys(weights, weight)
    if integer:
        constants |= {"scale": np.float32(_SCALE), "zero": np.uint8(_ZERO), "none": np.int8(0)}
    model.graph.initializer.extend(onnx.numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items())
    return model, {"x": feed}


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
