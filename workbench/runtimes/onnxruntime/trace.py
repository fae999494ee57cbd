"""ONNX Runtime's profile, read event by event: kernels with their times, sizes and types, and whole passes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KERNEL = "_kernel_time"
PRECISIONS = {
    "float": "fp32", "double": "fp64", "float16": "fp16", "bfloat16": "bf16", "int8": "int8", "uint8": "uint8",
    "int16": "int16", "uint16": "uint16", "int4": "int4", "uint4": "uint4", "int2": "int2", "uint2": "uint2",
    "float8e4m3fn": "fp8", "float8e4m3fnuz": "fp8", "float8e5m2": "fp8", "float8e5m2fnuz": "fp8",
}  # fmt: skip
"""Element types, as the runtime writes them, that a layer's numbers can have; int32 and int64 are indices and sums."""
_BITS = {"float": 32, "double": 64, "bool": 8}
_NUMBER = re.compile(r"(?:b?float|u?int|complex)(\d+)")
"""Other element types have their bits in their name."""

_RUNS_OTHERS = {"If", "Loop", "Scan", "SequenceMap", "BeamSearch", "GreedySearch", "Sampling", "WhisperBeamSearch"}


@dataclass(frozen=True)
class Kernel:
    """One execution of one node.

    ``microseconds`` is its own time: that of kernels inside it (an If, Loop or Scan runs others) is taken off;
    ``start`` (since its pass began) and ``whole`` are as the runtime says, in µs. ``outer`` is the index in its pass of
    the kernel that it runs inside. ``output_bytes`` is what it wrote, ``outputs`` that of each output (None:
    unknown); ``before`` and ``after`` are the element types of its first input and output; ``held_bytes`` is what the
    runtime says that its arena holds after it (None: this version doesn't tell).
    """

    node: str
    op: str
    index: int
    start: int
    whole: int
    microseconds: int
    output_bytes: int
    outputs: tuple[int | None, ...]
    before: str = ""
    after: str = ""
    held_bytes: int | None = None
    outer: int | None = None


@dataclass
class Pass:
    """One run of the whole graph: wall time in µs and its kernels in the order in which they began."""

    wall: int = 0
    kernels: list[Kernel] = field(default_factory=list)


def read_passes(file: Path) -> list[Pass]:
    """The passes in a profile, in order. Node events come before the ``model_run`` event that ends their pass."""
    passes: list[Pass] = []
    events: list[dict[str, Any]] = []
    for event in _events(file):
        name = event.get("name", "")
        if event.get("cat") == "Node" and name.endswith(KERNEL):
            events.append(event)
        elif name == "model_run":
            passes.append(Pass(int(event["dur"]), _kernels(events, int(event["ts"]))))
            events = []
    return passes


def _kernels(events: list[dict[str, Any]], begin: int) -> list[Kernel]:
    """Kernels of one pass in the order in which they began, those inside others recognised by their times."""
    events.sort(key=lambda event: (event["ts"], not _runs_others(event)))  # the file has them by their ends
    times = [int(event["dur"]) for event in events]
    outer: list[int | None] = [None] * len(events)
    running: list[int] = []
    for i, event in enumerate(events):
        while running and events[running[-1]]["ts"] + events[running[-1]]["dur"] <= event["ts"]:
            running.pop()
        if running:
            outer[i] = running[-1]
            times[running[-1]] = max(0, times[running[-1]] - int(event["dur"]))
        if _runs_others(event):
            running.append(i)
    return [_kernel(event, begin, times[i], outer[i]) for i, event in enumerate(events)]


def _runs_others(event: Mapping[str, Any]) -> bool:
    return event.get("args", {}).get("op_name") in _RUNS_OTHERS


def _kernel(event: Mapping[str, Any], begin: int, microseconds: int, outer: int | None) -> Kernel:
    arguments = event.get("args", {})
    inputs, outputs = arguments.get("input_type_shape", ()), arguments.get("output_type_shape", ())
    held = arguments.get("mem_bytes_in_use")
    return Kernel(
        node=event["name"].removesuffix(KERNEL),
        op=arguments.get("op_name", ""),
        index=int(arguments.get("node_index", -1)),
        start=int(event["ts"]) - begin,
        whole=int(event["dur"]),
        microseconds=microseconds,
        output_bytes=int(arguments.get("output_size", 0)),
        outputs=tuple(_size(shape) for shape in outputs),
        before=next(iter(inputs[0]), "") if inputs else "",
        after=next(iter(outputs[0]), "") if outputs else "",
        held_bytes=int(held) if held is not None else None,
        outer=outer,
    )


def _events(file: Path) -> Iterator[dict[str, Any]]:
    """One event per line, as the runtime writes them: a profile of many passes is never in memory as a whole."""
    with file.open() as lines:
        for line in lines:
            text = line.strip().rstrip(",")
            if text.startswith("{"):
                yield json.loads(text)


def _size(shape: Mapping[str, list[int]]) -> int | None:
    (kind, sides), *_ = shape.items()
    number = _NUMBER.match(kind)
    bits = int(number[1]) if number else _BITS.get(kind)
    return None if bits is None else math.ceil(math.prod(sides) * bits / 8)
