"""Reads an ONNX file of any size without its weights: names, nodes, shapes and small constants.

A full-size U-Net has 1.3 GB of weights in the file itself, which ``onnx.load`` copies into memory twice. Here the file
is mapped, the payload of every large tensor is skipped, and the rest (about 1 MB) is parsed. Field numbers: onnx.proto3
of the ONNX project.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import InputError

if TYPE_CHECKING:
    import onnx

KEPT = 4096
"""Bytes up to which a tensor's payload is kept: shapes, scales and axes are needed, weights aren't."""

_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
    "tensor": {},
}
"""Message fields that contain tensors."""
_PAYLOAD = (4, 5, 6, 7, 9, 10, 11)
"""Fields of a tensor that hold its values: float_data, int32_data, string_data, int64_data, raw_data, …"""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_model(path: Path) -> onnx.ModelProto:
    """The model in an ONNX file; tensors of more than ``KEPT`` bytes have a type and a shape but no values.

    External data isn't read.

    Raises:
        InputError: there is no such file, or it isn't an ONNX file.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            text = b"".join(_light(mapped, "model", 0, len(mapped)))
        model = onnx.ModelProto.FromString(text)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: not an ONNX file but a folder") from None
    except (DecodeError, ValueError, IndexError) as error:
        raise InputError(f"{path}: not an ONNX file, or one that was cut off ({error})") from None
    if not model.HasField("graph"):
        raise InputError(f"{path}: not an ONNX file (there is no graph in it)")
    return model


def _light(data: mmap.mmap, kind: str, at: int, end: int) -> Iterator[bytes]:
    """The message at ``data[at:end]`` in pieces, without the payloads of large tensors."""
    inside = _INSIDE[kind]
    while at < end:
        start = at
        tag, at = _varint(data, at)
        field, wire = tag >> 3, tag & 7
        if wire == _BYTES:
            length, at = _varint(data, at)
            after = at + length
            if after > end:
                raise ValueError(f"it ends at byte {end}, within a part that goes on to {after}")
            if field in inside and length > KEPT:
                part = b"".join(_light(data, inside[field], at, after))
                yield _encoded(tag) + _encoded(len(part)) + part
            elif not (kind == "tensor" and field in _PAYLOAD and length > KEPT):
                yield data[start:after]
            at = after
            continue
        if wire == _VARINT:
            _, at = _varint(data, at)
        elif wire in (_FIXED32, _FIXED64):
            at += 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"byte {start} begins no field of a protobuf message")
        yield data[start:at]


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError(f"byte {at} is within no number of a protobuf message")


def _encoded(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*encoded, value))


def onnx_files(path: Path) -> list[Path]:
    """An ONNX file and its external data files, which are beside it under its name."""
    return [path, *sorted(path.parent.glob(f"{path.name}.data*"))]
