"""Kinds of work: what an executed operator does, by its name in ONNX Runtime, OpenVINO or PyTorch."""

from __future__ import annotations

INT8, FLOAT, CONVERSION, MOVE, REST = "int8 products", "float products", "conversions", "moves", "everything else"
KINDS = (INT8, FLOAT, CONVERSION, MOVE, REST)
"""``conversions`` turn one number format into another; ``moves`` change place, order or shape and no number;
``everything else``: norms, softmax, activations, sums."""

_INTEGER = (
    "QLinearConv", "QLinearMatMul", "QGemm", "MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul", "QAttention",
)  # fmt: skip
_PRODUCTS = (
    "Conv", "ConvTranspose", "FusedConv", "NhwcFusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul", "MatMulNBits",
    "Attention", "MultiHeadAttention", "Einsum",
    "Convolution", "GroupConvolution", "Deconvolution", "FullyConnected", "ScaledDotProductAttention", "MHA",
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose2d", "Linear", "CLIPAttention", "MultiheadAttention",
)  # fmt: skip
_FLOATS = ("fp32", "fp16", "bf16", "")
_CONVERSIONS = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast", "FakeQuantize", "Convert")
VIEWS = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity")
"""Moves that leave the numbers where they are: what they take is the profiler's time, not theirs."""
_MOVES = (
    *VIEWS, "ReorderInput", "ReorderOutput", "Reorder", "Transpose", "Concat", "Split", "Slice", "StridedSlice", "Pad",
    "VariadicSplit", "Expand", "Tile", "Gather", "Broadcast", "DepthToSpace", "SpaceToDepth", "Dropout",
)  # fmt: skip


def computes_integers(op: str, scheme: str = "fp32", runtime: str = "onnxruntime") -> bool:
    """Whether a layer multiplies integers.

    Args:
        op: its main operator; in ONNX Runtime the name tells it (``QLinearConv``, ``MatMulIntegerToFloat``, …).
        scheme: in what its products are stored, which decides it on OpenVINO.
        runtime: that which ran it.
    """
    if runtime == "openvino":
        return scheme not in _FLOATS
    return op.startswith(_INTEGER)


def kind_of(op: str, scheme: str = "fp32", runtime: str = "onnxruntime") -> str:
    """The kind of an operator, one of ``KINDS``; arguments as for ``computes_integers``."""
    if op in _PRODUCTS or op.startswith(_INTEGER):
        return INT8 if computes_integers(op, scheme, runtime) else FLOAT
    if op in _CONVERSIONS:
        return CONVERSION
    return MOVE if op in _MOVES else REST
