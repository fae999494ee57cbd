"""Element types of ONNX: bits per element, and the integer types of quantized weights."""

from __future__ import annotations


def bits_of(kind: int) -> int:
    """Bits of an element type (``TensorProto.DataType``); 32 for unknown types and for text."""
    import onnx_ir as ir

    try:
        return ir.DataType(kind).bitwidth
    except (TypeError, ValueError):
        return 32


def integers() -> set[int]:
    """The integer types of at most 16 bits, used for quantized weights and activations."""
    import onnx_ir as ir

    return {kind.value for kind in ir.DataType if kind.is_integer() and kind.bitwidth <= 16}
