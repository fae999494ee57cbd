"""The per-layer pass under ``torch.compile``: the times of Inductor's kernels, each on the module that it computes."""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.graphs.quiet import quiet
from workbench.measure.clock import Stats
from workbench.measure.counts import Count
from workbench.measure.layers import OUTSIDE, UNMAPPED, Event, Layers, median_index, medians, row
from workbench.runtimes.torch.layers import module_columns
from workbench.runtimes.torch.modules import modules_by_layer
from workbench.runtimes.torch_compile.inductor import Compiled
from workbench.runtimes.torch_compile.kernels import Graph, Kernel, Records

if TYPE_CHECKING:
    import torch

LOOP = "fused loop"
"""The kind of a kernel that Inductor wrote itself; a library's operator is named by the class of its module."""
_ONE = "workbench: one pass"


def profile_compiled(
    compiled: Compiled,
    one_pass: Callable[[Callable[..., object]], Callable[[], object]],
    counted: Count,
    warmup: int,
    iterations: int,
    wrapper: str = "",
) -> Layers:
    """Compiles a module with Inductor's records of where each kernel comes from, and times the kernels.

    The kernels are those of the timed pass, found in the same cache. A kernel that covers several modules gives its
    time to the one whose product it computes, else to the one for which it handles the most elements; the others are
    marked as fused into that one. ``(unmapped)`` are kernels whose module is unknown, and operators between graphs;
    ``(runtime)`` is what a pass takes beside kernels: guards, the generated Python, allocations. Sizes of values are
    not known: Inductor decides which of them ever exist.

    Args:
        compiled: not called yet.
        one_pass: makes a function without arguments from one that takes the inputs.
        counted, warmup, iterations, wrapper: as for ``profile_modules``.

    Raises:
        RunError: the module can't be compiled or run.
    """
    module = compiled.module
    modules = modules_by_layer(module, wrapper)
    with tempfile.TemporaryDirectory(prefix="workbench-compile-") as scratch, quiet():
        records = Records(Path(scratch))
        generated: list[Any] = []
        one_pass(lambda *inputs: generated.extend(compiled.compile(inputs, records.options)[1]))()
        graphs = records.graphs(generated, module, wrapper)
    for number, graph in enumerate(graphs):
        _announce(graph, number)
    call = one_pass(compiled)
    for _ in range(warmup):
        call()
    walls, launches = _record(call, iterations, graphs)
    return _assemble(modules, graphs, walls, launches, {layer.layer: layer for layer in counted.layers})


@dataclass(frozen=True)
class _Launch:
    """One kernel as it ran: start and duration in µs, since the start of its pass."""

    kernel: Kernel
    start: float
    duration: float


def _announce(graph: Graph, number: int) -> None:
    """Makes the graph's own kernels report their names to the profiler, which knows library operators anyway."""
    for name in {kernel.name for kernel in graph.kernels if not kernel.operator}:
        setattr(graph.module, name, _telling(getattr(graph.module, name), _own_name(name, number)))


def _telling(run: Callable[..., object], label: str) -> Callable[..., object]:
    from torch._C._profiler import _RecordFunctionFast

    def launch(*args: Any) -> object:
        with _RecordFunctionFast(label):
            return run(*args)

    return launch


def _own_name(kernel: str, graph: int) -> str:
    return f"graph {graph}: {kernel}"


def _event_name(kernel: Kernel, graph: int) -> str:
    """How the profiler calls a kernel."""
    if not kernel.operator:
        return _own_name(kernel.name, graph)
    if kernel.name.startswith("extern_kernels."):
        return f"aten::{kernel.name.removeprefix('extern_kernels.')}"
    space, name = kernel.name.removeprefix("torch.ops.").split(".")[:2]
    return f"{space}::{name}"


def _record(
    call: Callable[[], object], iterations: int, graphs: Sequence[Graph]
) -> tuple[list[float], list[list[_Launch]]]:
    """Wall times in ms, and the launches, pass by pass."""
    import torch

    # Else its library reports every start and end on stderr.
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")
    walls = []
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        for _ in range(iterations):
            with torch.profiler.record_function(_ONE):
                start = time.perf_counter()
                call()
                walls.append((time.perf_counter() - start) * 1e3)
    expected = [(graph, [_event_name(k, number) for k in graph.kernels]) for number, graph in enumerate(graphs)]
    passes = [event for event in profiler.events() if event.name == _ONE]
    return walls, [_launches(event, event.time_range.start, expected) for event in passes]


def _launches(event: Any, origin: float, expected: Sequence[tuple[Graph, list[str]]]) -> list[_Launch]:
    """The kernels below an event of the profiler; known where names and order are exactly those of one graph."""
    ran = [child for child in event.cpu_children if _is_kernel(child.name)]
    same = [graph for graph, names in expected if names == [child.name for child in ran]]
    kernels = same[0].kernels if len(same) == 1 else tuple(Kernel(child.name, True, None) for child in ran)
    launches = [
        _Launch(kernel, child.time_range.start - origin, child.time_range.elapsed_us())
        for kernel, child in zip(kernels, ran, strict=True)
    ]
    for child in event.cpu_children:
        if not _is_kernel(child.name):
            launches += _launches(child, origin, expected)
    return launches


def _is_kernel(name: str) -> bool:
    return "::" in name or name.startswith("graph ")


def _assemble(
    modules: Mapping[str, torch.nn.Module],
    graphs: Sequence[Graph],
    walls: Sequence[float],
    launches: Sequence[Sequence[_Launch]],
    counts: Mapping[str, Any],
) -> Layers:
    times: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * len(walls))
    ops: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * len(walls))
    calls: Counter[str] = Counter()
    for index, launched in enumerate(launches):
        for launch in launched:
            layer = launch.kernel.layer or UNMAPPED
            times[layer][index] += launch.duration / 1e3
            ops[_kind(launch.kernel, modules)][index] += launch.duration / 1e3
    for launch in launches[0]:
        calls[launch.kernel.layer or UNMAPPED] += 1
    kernel_ms = [sum(launch.duration for launch in launched) / 1e3 for launched in launches]
    times[OUTSIDE] = [max(0.0, wall - kernel) for wall, kernel in zip(walls, kernel_ms, strict=True)]
    unmapped = times.setdefault(UNMAPPED, [0.0] * len(walls))
    into = _fused_into([kernel for graph in graphs for kernel in graph.kernels], times)
    traced = {layer for graph in graphs for layer in graph.layers}
    known = [layer for layer in modules if layer in times or layer in traced or layer in counts]
    samples = {layer: tuple(times.get(layer, [0.0] * len(walls))) for layer in (*known, UNMAPPED, OUTSIDE)}
    rows = []
    for layer, taken in samples.items():
        columns = module_columns(modules[layer], counts.get(layer)) if layer in modules else {"op": "", "scheme": ""}
        rows.append(row(layer, taken, **columns, calls=calls[layer], fused_into=into.get(layer, "")))
    return Layers(
        rows=tuple(rows),
        wall_ms=Stats(tuple(walls)).median,
        kernel_ms=Stats(tuple(kernel_ms)).median,
        unmapped_share=sum(unmapped) / max(sum(kernel_ms), 1e-9),
        op_ms=medians(ops),
        passes=len(walls),
        samples=samples,
        events=tuple(_event(launch, modules) for launch in launches[median_index(kernel_ms)]),
    )


def _fused_into(kernels: Sequence[Kernel], times: Mapping[str, Any]) -> dict[str, str]:
    """For layers without a kernel of their own: the layer whose kernel does the most of their work."""
    most: dict[str, tuple[int, str]] = {}
    for kernel in kernels:
        for layer, elements in kernel.shares.items():
            if kernel.layer and layer not in times and elements > most.get(layer, (-1, ""))[0]:
                most[layer] = (elements, kernel.layer)
    return {layer: into for layer, (_, into) in most.items()}


def _kind(kernel: Kernel, modules: Mapping[str, torch.nn.Module]) -> str:
    if not kernel.operator:
        return LOOP
    return type(modules[kernel.layer]).__name__ if kernel.layer else kernel.name


def _event(launch: _Launch, modules: Mapping[str, torch.nn.Module]) -> Event:
    kernel = launch.kernel
    return Event(kernel.name, kernel.layer or UNMAPPED, _kind(kernel, modules), launch.start, launch.duration)
