"""The per-layer pass on PyTorch: hooks on every module, each credited with its own time and not its submodules'.

What a module does itself stays on it: attention products on the ``Attention`` module, residual sums on the block.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from workbench.measure.clock import Stats
from workbench.measure.counts import Count, LayerCount
from workbench.measure.layers import OUTSIDE, UNMAPPED, Event, Layers, counted_columns, median_index, medians, row
from workbench.runtimes.torch.liveness import live_bytes
from workbench.runtimes.torch.modules import modules_by_layer, watched

if TYPE_CHECKING:
    import torch


def profile_modules(
    module: torch.nn.Module, call: Callable[[], object], counted: Count, warmup: int, iterations: int, wrapper: str = ""
) -> Layers:
    """Runs ``call`` (which runs ``module``) with hooks and puts its time on modules.

    Times are of the host's clock between a module's begin and end, so Python's part is in them; on a CPU the work is
    done when the module returns. ``(unmapped)`` is what ran inside ``call`` and outside the component. An event is a
    stretch in which one module, and none of its submodules, was at work. Bytes come from one more pass, untimed.

    ``counted`` has MACs and parameters of the layers; after ``warmup`` passes come ``iterations`` that are recorded.
    ``wrapper``: see ``modules``.
    """
    for _ in range(warmup):
        call()
    recorded = _Recorded()
    walls: list[float] = []
    with watched(module, wrapper, recorded.enter, recorded.leave):
        for _ in range(iterations):
            recorded.begin_pass()
            start = time.perf_counter()
            call()
            walls.append((time.perf_counter() - start) * 1e3)
    live = live_bytes(module, call, wrapper)
    modules = modules_by_layer(module, wrapper)
    counts = {layer.layer: layer for layer in counted.layers}
    samples = recorded.samples()
    inside = [sum(seconds) for seconds in zip(*samples.values(), strict=True)] or [0.0] * iterations
    samples[UNMAPPED] = tuple(max(0.0, wall - part) for wall, part in zip(walls, inside, strict=True))
    samples[OUTSIDE] = (0.0,) * iterations
    rows, kinds = [], defaultdict[str, list[tuple[float, ...]]](list)
    for layer, times in samples.items():
        columns: dict[str, Any] = {"op": "", "scheme": "", "calls": 1}
        if layer in modules:
            kinds[type(modules[layer]).__name__].append(times)
            columns = module_columns(modules[layer], counts.get(layer)) | {
                "calls": recorded.calls[layer],
                "activation_bytes": live.written[layer],
                "peak_bytes": live.alive.get(layer),
            }
        rows.append(row(layer, times, **columns))
    return Layers(
        rows=tuple(rows),
        wall_ms=Stats(tuple(walls)).median,
        kernel_ms=None,
        unmapped_share=sum(samples[UNMAPPED]) / max(sum(walls), 1e-9),
        op_ms=medians({kind: [sum(taken) for taken in zip(*layers, strict=True)] for kind, layers in kinds.items()}),
        passes=iterations,
        samples=samples,
        events=recorded.events(median_index(walls), modules),
        live_peak_bytes=live.peak,
        live_peak_at=live.peak_at,
    )


class _Recorded:
    """Per pass, the stretches of time (layer, begin, end in seconds) in which a layer itself was at work."""

    def __init__(self) -> None:
        self.passes: list[list[tuple[str, float, float]]] = []
        self.calls: Counter[str] = Counter()  # of one pass
        self._stack: list[str] = []
        self._since = 0.0

    def begin_pass(self) -> None:
        self.passes.append([])
        self.calls.clear()
        self._stack.clear()

    def enter(self, layer: str) -> None:
        self._close()
        self._stack.append(layer)
        self.calls[layer] += 1
        self._since = time.perf_counter()

    def leave(self) -> None:
        self._close()
        self._stack.pop()
        self._since = time.perf_counter()

    def _close(self) -> None:
        if self._stack:
            self.passes[-1].append((self._stack[-1], self._since, time.perf_counter()))

    def samples(self) -> dict[str, tuple[float, ...]]:
        """Own time of every layer in ms, pass by pass."""
        times: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * len(self.passes))
        for index, stretches in enumerate(self.passes):
            for layer, begin, end in stretches:
                times[layer][index] += (end - begin) * 1e3
        return {layer: tuple(taken) for layer, taken in times.items()}

    def events(self, index: int, modules: Mapping[str, torch.nn.Module]) -> tuple[Event, ...]:
        stretches = self.passes[index]
        start = stretches[0][1] if stretches else 0.0
        return tuple(
            Event(layer, layer, type(modules[layer]).__name__, (begin - start) * 1e6, (end - begin) * 1e6)
            for layer, begin, end in stretches
        )


def module_columns(module: torch.nn.Module, count: LayerCount | None) -> dict[str, Any]:
    """What a module itself says of its layer."""
    return counted_columns(count) | {
        "op": type(module).__name__,
        "scheme": "fp32",
        "weight_bytes": sum(p.numel() * p.element_size() for p in module.parameters(recurse=False)),
    }
