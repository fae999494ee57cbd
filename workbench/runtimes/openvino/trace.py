"""What OpenVINO says of a compiled model: the graph that it executes, and how long each of its kernels took.

Its counters hold, for each kernel, the mean over all passes since the model was compiled, in whole µs. The time of one
pass is therefore a difference of sums, with an error of up to as many µs as passes were made: a model of short kernels
is recompiled after a few of them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import RunError
from workbench.runtimes.openvino.failures import reason

if TYPE_CHECKING:
    import numpy as np

LEAST_PASSES = 5
"""Passes that every compiled model makes after its warm-up."""
RESOLUTION = 0.05
"""Further ones are made while the counters are finer than this part of the mean kernel."""
_NOT_KERNELS = ("Const", "Input", "Output")


@dataclass(frozen=True)
class Node:
    """One node of the executed graph, in the order of execution; constants, and what is computed from them alone, are
    not among them: OpenVINO does that once.

    ``origins`` are the operations of the file that went into it, none for what the runtime inserted; ``inputs`` the
    nodes whose outputs it reads. ``computes`` is the precision that its kernel works in (``f32``, ``u8``, …),
    ``precision`` that of its first output, ``written`` the bytes of all outputs.
    """

    name: str
    kind: str
    origins: tuple[str, ...]
    inputs: tuple[str, ...]
    computes: str
    precision: str
    written: int

    @property
    def is_kernel(self) -> bool:
        """Whether it may take time: neither an input nor an output of the model."""
        return self.kind not in _NOT_KERNELS


@dataclass(frozen=True)
class Pass:
    """One pass: wall time in µs, and that of every kernel by its node's name (0: below the counter's 1 µs)."""

    wall: float
    kernels: Mapping[str, int]


def executed_nodes(compiled: Any) -> list[Node]:
    """The graph that a ``CompiledModel`` executes."""
    nodes: list[tuple[int, Node]] = []
    constants: set[str] = set()
    for op in compiled.get_runtime_model().get_ordered_ops():
        info = {key: value.astype(str) for key, value in op.get_rt_info().items()}
        name, kind = op.get_friendly_name(), info["layerType"]
        inputs = [value.get_node().get_friendly_name() for value in op.input_values()]
        if kind == "Const" or (kind != "Input" and constants.issuperset(inputs)):
            constants.add(name)
            continue
        node = Node(
            name=name,
            kind=kind,
            origins=tuple(origin for origin in info["originalLayersNames"].split(",") if origin),
            inputs=tuple(source for source in inputs if source not in constants),
            computes=info["runtimePrecision"],
            precision=info["outputPrecisions"].split(",")[0],
            written=sum(_bytes(port) for port in op.outputs()),
        )
        nodes.append((int(info["execOrder"]), node))
    return [node for _, node in sorted(nodes, key=lambda pair: pair[0])]


def record(
    compiled_anew: Callable[[], Any], feed: Mapping[str, np.ndarray], warmup: int, iterations: int
) -> tuple[list[Node], list[Pass]]:
    """The executed graph, and ``iterations`` passes of it.

    ``compiled_anew`` gives a ``CompiledModel`` whose counters are on and at zero. Each makes ``warmup`` passes that
    aren't counted, at least one, which prepares weights.

    Raises:
        RunError: the model can't be run on ``feed``.
    """
    nodes: list[Node] = []
    passes: list[Pass] = []
    while len(passes) < iterations:
        compiled = compiled_anew()
        executed = executed_nodes(compiled)
        nodes = nodes or executed
        names = _same(executed, nodes)
        request = compiled.create_infer_request()
        done, before = 0, dict[str, int]()
        for _ in range(max(warmup, 1)):
            before, _wall = _step(request, feed, done := done + 1)
        ran = [total / done for total in before.values() if total]
        enough = max(LEAST_PASSES, int(RESOLUTION * sum(ran) / max(len(ran), 1)) - done)
        for _ in range(min(enough, iterations - len(passes))):
            totals, wall = _step(request, feed, done := done + 1)
            took = {names.get(name, name): max(0, total - before.get(name, 0)) for name, total in totals.items()}
            passes.append(Pass(wall, took))
            before = totals
        del request, compiled
    return nodes, passes


def _same(again: list[Node], first: list[Node]) -> dict[str, str]:
    """Names of the nodes of a recompiled model to those of the first: what has no name in the file gets a new one
    each time, but the same place."""
    alike = [node.kind for node in again] == [node.kind for node in first]
    return {node.name: other.name for node, other in zip(again, first, strict=True)} if alike else {}


def _step(request: Any, feed: Mapping[str, np.ndarray], done: int) -> tuple[dict[str, int], float]:
    """One more pass, the ``done``-th: sums of all passes in µs by node, and the wall time of this one."""
    start = time.perf_counter()
    try:
        request.infer(dict(feed), share_inputs=True, share_outputs=True)
    except Exception as error:
        raise RunError(f"OpenVINO can't run the model: {reason(error)}") from error
    wall = (time.perf_counter() - start) * 1e6
    totals: dict[str, int] = {}
    for kernel in request.profiling_info:
        mean = round(kernel.real_time.total_seconds() * 1e6)
        totals[kernel.node_name] = totals.get(kernel.node_name, 0) + mean * done
    return totals, wall


def _bytes(port: Any) -> int:
    shape = port.get_partial_shape()
    return 0 if shape.is_dynamic else math.ceil(math.prod(shape.to_shape()) * port.get_element_type().bitwidth / 8)
