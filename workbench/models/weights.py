"""Weight files as they lie on disk: found, and read by their headers alone, without torch.

Format: https://huggingface.co/docs/safetensors — 8 bytes header length (little endian), JSON header, tensors.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import InputError

PICKLED = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
_LONGEST_HEADER = 100_000_000  # the limit of the safetensors library
_BITS = {"F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16, "U16": 16}
_TO_SAFETENSORS = (
    "convert it where you trust it: load it with diffusers or transformers, "
    "then save_pretrained(folder, safe_serialization=True)"
)


@dataclass(frozen=True)
class Tensors:
    """What a safetensors header tells: shapes by name, elements in all, bytes in all."""

    shapes: dict[str, tuple[int, ...]]
    params: int
    bytes: int


def read_header(file: Path) -> Tensors:
    """Shapes and sizes of the tensors in a safetensors file, checked against the file's length.

    Raises:
        InputError: the file isn't safetensors, is cut off, or is a Git LFS pointer; the message names it.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(8)
        if start == b"version ":
            raise InputError(f"{file}: found a Git LFS pointer, not the weights", hint="run: git lfs pull")
        if len(start) < 8:
            raise InputError(f"{file}: cut off after {size} bytes; download or copy it again")
        (length,) = struct.unpack("<Q", start)
        if length > _LONGEST_HEADER:
            raise InputError(f"{file}: not a safetensors file (its header would be {length} bytes long)")
        if length > size - 8:
            raise InputError(
                f"{file}: cut off: the header needs {8 + length} bytes, found {size}; download or copy it again"
            )
        raw = stream.read(length)
    try:
        header = json.loads(raw)
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        shapes = {name: tuple(int(n) for n in entry["shape"]) for name, entry in entries.items()}
        ends = [_end(name, entry) for name, entry in entries.items()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{file}: not a safetensors file (its header can't be read: {error})") from None
    wanted = 8 + length + max(ends, default=0)
    if wanted > size:
        raise InputError(
            f"{file}: cut off: its header promises {wanted} bytes, found {size}; download or copy it again"
        )
    return Tensors(shapes, sum(math.prod(s) for s in shapes.values()), max(ends, default=0))


def _end(name: str, entry: dict[str, Any]) -> int:
    """Where a tensor ends, in bytes after the header; ValueError when its shape and its place disagree."""
    begin, end = (int(n) for n in entry["data_offsets"])
    bits = math.prod(int(n) for n in entry["shape"]) * _BITS.get(entry["dtype"], 8)
    if begin < 0 or (entry["dtype"] in _BITS and (end - begin) * 8 != bits):
        raise ValueError(f"{name} has {entry['shape']} {entry['dtype']} in {end - begin} bytes")
    return end


def weight_files(folder: Path, stem: str) -> list[Path]:
    """The safetensors files of one network in ``folder``: ``stem.safetensors``, or the shards that its index lists.

    Raises:
        InputError: there are none, only pickled ones, or the index can't be read or lists a missing shard.
    """
    single, index = folder / f"{stem}.safetensors", folder / f"{stem}.safetensors.index.json"
    if single.is_file():
        return [single]
    if index.is_file():
        try:
            shards = sorted(set(json.loads(index.read_text())["weight_map"].values()))
            files = [folder / Path(shard).name for shard in shards]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{index}: can't be read as an index of shards ({error})") from None
        for file in files:
            if not file.is_file():
                raise InputError(f"{file}: missing; {index.name} lists it")
        return files
    pickled = sorted(f for f in folder.iterdir() if f.suffix in PICKLED)
    if pickled:
        raise InputError(
            f"{pickled[0]}: pickled weights can run code and aren't read; needs {single.name}", hint=_TO_SAFETENSORS
        )
    others = sorted(f.name for f in folder.glob("*.safetensors"))
    there = f"found {', '.join(others)}: rename it" if others else "no safetensors file there"
    raise InputError(f"{single}: missing; {there}")


def tensors_of(folder: Path, stem: str) -> Tensors:
    """The tensors of one network over all of its shards.

    Raises:
        InputError: as ``weight_files`` and ``read_header``.
    """
    parts = [read_header(file) for file in weight_files(folder, stem)]
    shapes = {name: shape for part in parts for name, shape in part.shapes.items()}
    return Tensors(shapes, sum(p.params for p in parts), sum(p.bytes for p in parts))
