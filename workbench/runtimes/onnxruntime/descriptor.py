"""ONNX Runtime without its library."""

from __future__ import annotations

from workbench.measure.kinds import MOVES, Kernels
from workbench.runtimes.descriptor import Descriptor

RUNTIME = Descriptor(
    name="onnxruntime",
    title="ONNX Runtime",
    target="host",
    order=1,
    distribution="onnxruntime",
    install="onnxruntime",
    cls="OnnxRuntime",
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
    format="onnx",
    suffix=".onnx",
    by_default=True,
    profiler="in kernels",
)  # fmt: skip
