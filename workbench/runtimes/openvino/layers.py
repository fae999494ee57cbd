"""The per-layer pass on OpenVINO: a compiled model of its own with counters on; nothing is timed here.

Counters have a resolution of 1 µs; a layer whose kernels all stay below it keeps its counts, with no time. How kernels
come to layers: ``kernels``.
"""

from __future__ import annotations

from collections.abc import Sequence

from workbench.errors import RunError
from workbench.measure.clock import Stats
from workbench.measure.counts import Count
from workbench.measure.layers import OUTSIDE, UNMAPPED, Layers, counted_columns, row
from workbench.measure.network import Network
from workbench.runtimes.openvino.file import File
from workbench.runtimes.openvino.kernels import Kernels
from workbench.runtimes.openvino.session import compile_model, read_model
from workbench.runtimes.openvino.trace import Node, Pass, record


def profile_openvino(network: Network, counted: Count, threads: int, warmup: int, iterations: int) -> Layers:
    """Runs a network's ``.onnx`` or ``.xml`` file with counters on and puts every kernel on its layer.

    The network's scheme is what integer layers are called in the column ``scheme`` (``w8a8`` unless it differs).
    ``counted`` has MACs and parameters of the layers.

    Raises:
        InputError: OpenVINO isn't installed.
        RunError: the file can't be loaded or run.
    """
    path, feed, scheme = network.path, network.feed, network.scheme
    model = read_model(path, {name: value.shape for name, value in feed.items()})
    file = File(path, model)
    nodes, passes = record(lambda: compile_model(model, path, threads, count=True), feed, warmup, iterations)
    if not any(recorded.kernels for recorded in passes):
        raise RunError(f"{path}: OpenVINO reported no kernel times")
    return assemble(file, nodes, passes, "w8a8" if scheme == "fp32" else scheme, counted)


def assemble(file: File, nodes: Sequence[Node], passes: Sequence[Pass], scheme: str, counted: Count) -> Layers:
    """The layers of recorded passes."""
    run = Kernels(file, nodes, passes)
    counts = {layer.layer: layer for layer in counted.layers}
    silent = [layer for layer, count in counts.items() if count.is_counted and layer not in run.samples]
    fused = [layer for layer in run.fused_into if layer not in run.samples and layer not in silent]
    kernel = [sum(recorded.kernels.values()) / 1e3 for recorded in passes]
    outside = tuple(max(0.0, recorded.wall / 1e3 - inside) for recorded, inside in zip(passes, kernel, strict=True))
    unmapped = tuple(run.samples.pop(UNMAPPED, [0.0] * len(passes)))
    rows = [
        row(
            layer,
            unmapped if layer == UNMAPPED else run.samples.get(layer, (0.0,)),
            op=run.op(layer),
            scheme=run.scheme(layer, scheme),
            calls=len(run.kernels[layer]),
            weight_bytes=file.weight_bytes.get(layer, 0),
            activation_bytes=sum(node.written for node in run.kernels[layer]),
            peak_bytes=run.peak(layer),
            fused_into="" if layer in run.samples else run.fused_into.get(layer, ""),
            **counted_columns(counts.get(layer)),
        )
        for layer in (*run.samples, *silent, *fused, UNMAPPED)
    ]
    rows.append(row(OUTSIDE, outside, op="", scheme="", calls=1, fused_into=""))
    at = max(run.live, key=lambda name: run.live[name], default=None)
    return Layers(
        rows=tuple(rows),
        wall_ms=Stats(tuple(recorded.wall / 1e3 for recorded in passes)).median,
        kernel_ms=Stats(tuple(kernel)).median,
        unmapped_share=sum(unmapped) / max(sum(kernel), 1e-9),
        op_ms=run.by_op(),
        passes=len(passes),
        integer=run.integer(),
        samples={layer: tuple(times) for layer, times in run.samples.items()} | {UNMAPPED: unmapped, OUTSIDE: outside},
        events=run.events(kernel),
        transitions=run.transitions(),
        live_peak_bytes=run.live[at] if at else None,
        live_peak_at=run.layer[at] if at else None,
    )
