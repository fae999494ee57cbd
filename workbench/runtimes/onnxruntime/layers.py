"""The per-layer pass on ONNX Runtime: a session of its own with the runtime's profiling on; nothing is timed here."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.errors import RunError
from workbench.graphs.macs import GraphCount, count_graph
from workbench.graphs.read import read_model
from workbench.measure.clock import Stats
from workbench.measure.counts import Count
from workbench.measure.layers import UNMAPPED, Event, Layers, Transition, median_index, medians
from workbench.measure.network import Network
from workbench.runtimes.onnxruntime.attribution import attribute, match_kernels
from workbench.runtimes.onnxruntime.liveness import live_bytes
from workbench.runtimes.onnxruntime.passes import one_pass
from workbench.runtimes.onnxruntime.rows import Rows, Run
from workbench.runtimes.onnxruntime.session import session
from workbench.runtimes.onnxruntime.trace import PRECISIONS, Pass, read_passes

CONVERSIONS = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast", "CastLike")
"""Operators that are there to change a precision. An integer product that writes floats is not one of them: its
conversion costs no time of its own."""


def profile_layers(
    network: Network, threads: int, warmup: int, iterations: int, counted: Count | None = None
) -> Layers:
    """Runs an ONNX file ``warmup`` + ``iterations`` times with profiling on and puts every kernel on its layer.

    The network's scheme is what integer layers are called in the column ``scheme`` (``w8a8`` unless it differs).
    ``counted`` has MACs and parameters of the layers where they are known better than from the graph.

    Raises:
        RunError: the file can't be loaded or run, or the runtime wrote no profile.
    """
    path, feed = network.path, dict(network.feed)
    exported = count_graph(path, {name: value.shape for name, value in feed.items()})
    with tempfile.TemporaryDirectory(prefix="workbench-profile-") as scratch:
        executed_file = Path(scratch) / "executed.onnx"
        run = session(path, threads, profile_prefix=Path(scratch) / "trace", optimized_path=executed_file)
        call = one_pass(run, feed)
        for _ in range(warmup + iterations):
            call()
        passes = read_passes(Path(run.end_profiling()))
        del run, call
        executed = read_model(executed_file).graph
    if len(passes) <= warmup or not passes[0].kernels:
        raise RunError(f"{path}: ONNX Runtime wrote no kernel times")
    return assemble(exported, executed, passes[warmup:], network.scheme, counted, passes[0])


def assemble(
    exported: GraphCount,
    executed: Any,
    passes: Sequence[Pass],
    scheme: str = "fp32",
    counted: Count | None = None,
    first: Pass | None = None,
) -> Layers:
    """The layers of recorded passes.

    Args:
        exported: the file, counted.
        executed: the graph that the runtime says it executed.
        passes: those that count.
        scheme, counted: as for ``profile_layers``.
        first: the first pass of all, where it isn't among ``passes``. Only there does ONNX Runtime take memory value by
            value and report how much it holds; from the second pass on it takes all at once.
    """
    traced = attribute(exported.names, executed, exported.macs)
    runs = [Run(recorded, match_kernels(recorded.kernels, traced.nodes)) for recorded in passes]
    rows = Rows(exported, traced, runs, scheme, counted or exported.count)
    live = live_bytes(executed, traced.nodes, passes[0].kernels, runs[0].nodes)
    rows.note("peak_bytes", runs[0], live)
    begin = first or passes[0]
    rows.note(
        "runtime_bytes",
        Run(begin, match_kernels(begin.kernels, traced.nodes)),
        [kernel.held_bytes for kernel in begin.kernels],
    )
    peak = max(range(len(live)), key=live.__getitem__)
    kernel_ms = [sum(kernel.microseconds for kernel in recorded.kernels) / 1e3 for recorded in passes]
    by_op: defaultdict[str, list[int]] = defaultdict(lambda: [0] * len(passes))
    for i, recorded in enumerate(passes):
        for kernel in recorded.kernels:
            by_op[kernel.op][i] += kernel.microseconds
    middle = runs[median_index(kernel_ms)]
    return Layers(
        rows=(*rows.layers(), rows.unmapped(), rows.runtime()),
        wall_ms=Stats(tuple(recorded.wall / 1e3 for recorded in passes)).median,
        kernel_ms=Stats(tuple(kernel_ms)).median,
        unmapped_share=sum(rows.times[UNMAPPED]) / max(sum(kernel_ms), 1e-9),
        op_ms=medians({op: [us / 1e3 for us in taken] for op, taken in by_op.items()}),
        passes=len(passes),
        integer=rows.integer(),
        samples=rows.samples(),
        events=tuple(
            Event(kernel.node, rows.layer_at(middle, k), kernel.op, kernel.start, kernel.whole)
            for k, kernel in enumerate(middle.recorded.kernels)
        ),
        transitions=transitions(passes),
        live_peak_bytes=live[peak],
        live_peak_at=rows.layer_at(runs[0], peak),
    )


def transitions(passes: Sequence[Pass]) -> tuple[Transition, ...]:
    """Kernels of ``CONVERSIONS`` by the precisions of their first input and output, the most time first.

    Indices (int64, int32) and booleans are no precision. ``count`` is of the first pass, ``ms`` the median over the
    passes.
    """
    by_pair: defaultdict[tuple[str, str], list[list[int]]] = defaultdict(lambda: [[] for _ in passes])
    for i, recorded in enumerate(passes):
        for kernel in recorded.kernels:
            before, after = PRECISIONS.get(kernel.before), PRECISIONS.get(kernel.after)
            if kernel.op in CONVERSIONS and before and after and before != after:
                by_pair[before, after][i].append(kernel.microseconds)
    rows = [
        Transition(before, after, len(times[0]), Stats(tuple(sum(taken) / 1e3 for taken in times)).median)
        for (before, after), times in by_pair.items()
    ]
    return tuple(sorted(rows, key=lambda transition: -transition.ms))
