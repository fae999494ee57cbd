"""The per-layer pass on ONNX Runtime: a session of its own with the runtime's profiling on; nothing is timed here."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import RunError
from workbench.graphs.macs import GraphCount, count_graph
from workbench.graphs.read import read_model
from workbench.measure.clock import Stats
from workbench.measure.counts import Count
from workbench.measure.layers import UNMAPPED, Event, Layers
from workbench.measure.network import Network
from workbench.runtimes.onnxruntime.alignment import align
from workbench.runtimes.onnxruntime.attribution import attribute
from workbench.runtimes.onnxruntime.liveness import live_bytes
from workbench.runtimes.onnxruntime.passes import one_pass
from workbench.runtimes.onnxruntime.rows import Rows, Run
from workbench.runtimes.onnxruntime.session import session
from workbench.runtimes.onnxruntime.trace import Pass, read_passes
from workbench.runtimes.onnxruntime.transitions import transitions

if TYPE_CHECKING:
    pass


def profile_layers(
    network: Network, threads: int, warmup: int, iterations: int, counted: Count | None = None
) -> Layers:
    """Runs an ONNX file ``warmup`` + ``iterations`` times with profiling on and puts every kernel on its layer.

    Args:
        network: with an ONNX file, from whatever exporter; its scheme is what integer layers are called in the column
            ``scheme`` (``w8a8`` unless it differs).
        threads: threads inside an operator.
        warmup: passes that are not counted.
        iterations: passes that are.
        counted: MACs and parameters of the layers where they are known better than from the graph.

    Raises:
        RunError: the file can't be loaded or run, or the runtime wrote no profile.
    """
    path, feed = network.file, dict(network.feed)
    assert path is not None, "there is no file"
    exported = count_graph(path, {name: value.shape for name, value in feed.items()})
    with tempfile.TemporaryDirectory(prefix="workbench-profile-") as scratch:
        executed_file = Path(scratch) / "executed.onnx"
        run = session(path, threads, profile_prefix=Path(scratch) / "trace", optimized_path=executed_file)
        call = one_pass(run, feed, path)
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
        scheme: what integer layers are called.
        counted: MACs and parameters of the layers where they are known better than from the graph.
        first: the first pass of all, where it isn't among ``passes``. Only there does ONNX Runtime take memory value by
            value, and tells how much it holds; from the second pass on it takes all at once.
    """
    traced = attribute(exported.names, executed, exported.macs)
    runs = [Run(one, align(one.kernels, traced.nodes)) for one in passes]
    rows = Rows(exported, traced, runs, scheme, counted or exported.count)
    live = live_bytes(executed, traced.nodes, passes[0].kernels, runs[0].nodes)
    rows.note("peak_bytes", runs[0], live)
    begin = first or passes[0]
    rows.note("runtime_bytes", Run(begin, align(begin.kernels, traced.nodes)), [k.held_bytes for k in begin.kernels])
    peak = max(range(len(live)), key=live.__getitem__)
    kernel = [sum(k.microseconds for k in one.kernels) / 1e3 for one in passes]
    return Layers(
        rows=(*rows.layers(), rows.unmapped(), rows.runtime()),
        wall_ms=Stats(tuple(one.wall / 1e3 for one in passes)).median,
        kernel_ms=Stats(tuple(kernel)).median,
        unmapped_share=sum(rows.times[UNMAPPED]) / max(sum(kernel), 1e-9),
        op_ms=_by_op(passes),
        passes=len(passes),
        integer=rows.integer(),
        samples=rows.samples(),
        events=_events(rows, runs[kernel.index(sorted(kernel)[(len(kernel) - 1) // 2])]),
        transitions=transitions(passes),
        live_peak_bytes=live[peak],
        live_peak_at=rows.layer_at(runs[0], peak),
    )


def _events(rows: Rows, run: Run) -> tuple[Event, ...]:
    return tuple(
        Event(kernel.node, rows.layer_at(run, k), kernel.op, kernel.start, kernel.whole)
        for k, kernel in enumerate(run.recorded.kernels)
    )


def _by_op(passes: Sequence[Pass]) -> dict[str, float]:
    per_pass = [Counter[str]() for _ in passes]
    for counter, one in zip(per_pass, passes, strict=True):
        for kernel in one.kernels:
            counter[kernel.op] += kernel.microseconds
    ops = dict.fromkeys(op for counter in per_pass for op in counter)
    by_op = {op: Stats(tuple(counter[op] / 1e3 for counter in per_pass)).median for op in ops}
    return dict(sorted(by_op.items(), key=lambda item: -item[1]))
