"""Element types of ONNX: bits per element, and the integer types of quantized weights."""

from __future__ import annotations


def bits_of(kind: int) -> int:
    """Bits of an element type (``TensorProto.DataType``); 32 for unknown types and for text."""
    import onnx

    types = onnx.TensorProto
    if kind in (types.INT4, types.UINT4, types.FLOAT4E2M1):
        return 4
    if kind in (types.INT2, types.UINT2):
        return 2
    if kind not in types.DataType.values() or kind in (types.UNDEFINED, types.STRING):
        return 32
    return 8 * int(onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize)


def integers() -> set[int]:
    """The integer types of at most 16 bits, used for quantized weights and activations."""
    import onnx

    types = onnx.TensorProto
    return {types.INT8, types.UINT8, types.INT4, types.UINT4, types.INT2, types.UINT2, types.INT16, types.UINT16}
