"""ONNX Runtime's profile, read event by event: kernels with their times, sizes and shapes, and whole passes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KERNEL = "_kernel_time"
_BYTES = {
    "float": 4, "double": 8, "float16": 2, "bfloat16": 2, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4,
    "uint32": 4, "int64": 8, "uint64": 8, "bool": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Kernel:
    """One execution of one node: µs, what it wrote in bytes, bytes of each output (None: not told)."""

    node: str
    op: str
    microseconds: int
    output_bytes: int
    outputs: tuple[int | None, ...]


@dataclass
class Pass:
    """One run of the whole graph: wall time in µs and its kernels in the order of execution."""

    wall: int = 0
    kernels: list[Kernel] = field(default_factory=list)


def read_passes(file: Path) -> list[Pass]:
    """The passes in a profile, in order. Node events come before the ``model_run`` event that ends their pass."""
    passes: list[Pass] = []
    current = Pass()
    for event in _events(file):
        name, arguments = event.get("name", ""), event.get("args", {})
        if event.get("cat") == "Node" and name.endswith(KERNEL):
            current.kernels.append(
                Kernel(
                    node=name.removesuffix(KERNEL),
                    op=arguments.get("op_name", ""),
                    microseconds=int(event["dur"]),
                    output_bytes=int(arguments.get("output_size", 0)),
                    outputs=tuple(_size(shape) for shape in arguments.get("output_type_shape", ())),
                )
            )
        elif name == "model_run":
            current.wall = int(event["dur"])
            passes.append(current)
            current = Pass()
    return passes


def _events(file: Path) -> Iterator[dict[str, Any]]:
    """One event per line, as the runtime writes them: a profile of many passes is never in memory as a whole."""
    with file.open() as lines:
        for line in lines:
            text = line.strip().rstrip(",")
            if text.startswith("{"):
                yield json.loads(text)


def _size(shape: dict[str, list[int]]) -> int | None:
    (kind, sides), *_ = shape.items()
    if kind not in _BYTES:
        return None
    count = 1
    for side in sides:
        count *= side
    return count * _BYTES[kind]
