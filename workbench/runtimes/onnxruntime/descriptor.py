"""ONNX Runtime as others see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.measure.kinds import MOVES, Kernels
from workbench.runtimes.descriptor import Descriptor
from workbench.runtimes.onnxruntime.format import FORMAT

if TYPE_CHECKING:
    from workbench.runtimes.base import Runtime


def _make() -> Runtime:
    from workbench.runtimes.onnxruntime.runtime import OnnxRuntime

    return OnnxRuntime(RUNTIME)


RUNTIME = Descriptor(
    name="onnxruntime",
    title="ONNX Runtime",
    target="host",
    order=1,
    distribution="onnxruntime",
    install="onnxruntime",
    make=_make,
    kernels=Kernels(
        products=(
            "Conv", "ConvTranspose", "FusedConv", "NhwcFusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul",
            "MatMulNBits", "Attention", "MultiHeadAttention", "Einsum",
        ),
        integers=(
            "QLinearConv", "QLinearMatMul", "QGemm", "MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul",
            "QAttention",
        ),
        conversions=("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast"),
        moves=(*MOVES, "ReorderInput", "ReorderOutput"),
        wrapped="Skip|Fused|QLinear|Q(?=Gemm)",
    ),
    reads=(".onnx",),
    format=FORMAT,
    by_default=True,
    profiler="in kernels",
)  # fmt: skip
