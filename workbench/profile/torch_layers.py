"""The per-layer pass on PyTorch: hooks on every module, each credited with its own time and not its submodules'.

What a module does itself stays on it: attention products on the ``Attention`` module, residual sums on the block.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workbench.profile.attribution import RUNTIME, UNMAPPED
from workbench.profile.clock import Stats
from workbench.profile.layers import Layers, with_shares
from workbench.profile.macs import ROOT, Count

if TYPE_CHECKING:
    import torch


def profile_modules(
    module: torch.nn.Module, call: Callable[[], object], counted: Count, warmup: int, iterations: int, wrapper: str = ""
) -> Layers:
    """Runs ``call`` (which runs ``module``) with hooks and puts its time on modules.

    Times are of the host's clock between a module's begin and end, so Python's part is in them; on a CPU the work is
    done when the module returns. ``(unmapped)`` is what ran inside ``call`` and outside the component.

    Args:
        module: the component, or a wrapper that holds it in the attribute ``wrapper``.
        call: one forward pass.
        counted: MACs and parameters of the component's layers.
        warmup: passes that are not counted.
        iterations: passes that are.
        wrapper: name of the attribute that holds the component; "" when ``module`` is the component.
    """
    import pandas as pd

    for _ in range(warmup):
        call()
    recorded = _Recorded()
    walls: list[float] = []
    with _hooked(module, wrapper, recorded):
        for _ in range(iterations):
            recorded.begin_pass()
            start = time.perf_counter()
            call()
            walls.append((time.perf_counter() - start) * 1e3)
    counts = {layer.layer: layer for layer in counted.layers}
    kinds = {_name(name, wrapper): part for name, part in module.named_modules()}
    rows = [_row(layer, recorded, iterations, counts, kinds) for layer in recorded.times]
    outside = Stats(tuple(max(0.0, wall - inside) for wall, inside in zip(walls, recorded.inside, strict=True)))
    rows.append({"layer": UNMAPPED, "latency_ms": outside.median, "latency_iqr_ms": outside.iqr} | _EMPTY)
    rows.append({"layer": RUNTIME, "latency_ms": 0.0, "latency_iqr_ms": 0.0} | _EMPTY)
    op_times = _by_op(recorded, iterations, kinds)
    return Layers(
        table=with_shares(pd.DataFrame(rows)),
        wall_ms=Stats(tuple(walls)).median,
        kernel_ms=None,
        unmapped_share=sum(outside.samples) / max(sum(walls), 1e-9),
        op_ms=op_times,
        passes=iterations,
    )


_EMPTY: dict[str, Any] = {"op": "", "scheme": "", "calls": 1}


class _Recorded:
    """Own time of each layer per pass in ms, calls, and bytes of what leaf modules returned in the last pass."""

    def __init__(self) -> None:
        self.times: defaultdict[str, dict[int, float]] = defaultdict(dict)
        self.calls: defaultdict[str, int] = defaultdict(int)
        self.written: defaultdict[str, int] = defaultdict(int)
        self.inside: list[float] = []
        self.stack: list[list[float]] = []

    def begin_pass(self) -> None:
        self.inside.append(0.0)
        self.written.clear()

    def enter(self) -> None:
        self.stack.append([time.perf_counter(), 0.0])

    def leave(self, layer: str) -> None:
        begin, below = self.stack.pop()
        whole = (time.perf_counter() - begin) * 1e3
        index = len(self.inside) - 1
        self.times[layer][index] = self.times[layer].get(index, 0.0) + max(0.0, whole - below)
        self.calls[layer] += 1
        if self.stack:
            self.stack[-1][1] += whole
        else:
            self.inside[index] += whole


def _name(name: str, wrapper: str) -> str:
    if wrapper:
        name = "" if name == wrapper else name.removeprefix(f"{wrapper}.")
    return name or ROOT


@contextmanager
def _hooked(module: torch.nn.Module, wrapper: str, recorded: _Recorded) -> Iterator[None]:
    import torch

    handles = []
    for name, part in module.named_modules():
        if wrapper and not name:
            continue
        leaf = next(part.children(), None) is None
        layer = _name(name, wrapper)

        def leave(_m: Any, _inputs: Any, output: Any, layer: str = layer, leaf: bool = leaf) -> None:
            recorded.leave(layer)
            if leaf and isinstance(output, torch.Tensor):
                recorded.written[layer] += output.numel() * output.element_size()

        handles.append(part.register_forward_pre_hook(lambda _m, _inputs: recorded.enter()))
        handles.append(part.register_forward_hook(leave))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _row(
    layer: str, recorded: _Recorded, passes: int, counts: Mapping[str, Any], modules: Mapping[str, torch.nn.Module]
) -> dict[str, Any]:
    times = Stats(tuple(recorded.times[layer].get(i, 0.0) for i in range(passes)))
    counted, part = counts.get(layer), modules[layer]
    return {
        "layer": layer,
        "op": type(part).__name__,
        "scheme": "fp32",
        "calls": recorded.calls[layer] // passes,
        "latency_ms": times.median,
        "latency_iqr_ms": times.iqr,
        "macs": counted.macs if counted else 0,
        "params": counted.params if counted else 0,
        "weight_bytes": sum(p.numel() * p.element_size() for p in part.parameters(recurse=False)),
        "activation_bytes": recorded.written.get(layer),
        "attention_macs": counted.attention_macs if counted else 0,
        "element_ops": counted.element_ops if counted else 0,
    }


def _by_op(recorded: _Recorded, passes: int, modules: Mapping[str, torch.nn.Module]) -> dict[str, float]:
    sums: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * passes)
    for layer, times in recorded.times.items():
        for index, milliseconds in times.items():
            sums[type(modules[layer]).__name__][index] += milliseconds
    return dict(sorted(((op, Stats(tuple(t)).median) for op, t in sums.items()), key=lambda item: -item[1]))
