"""What the layers of the parent cost: parameters and MACs counted, time measured once for all layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workbench.compress.registry import StepContext
from workbench.compress.remove_blocks.search.units import Amounts
from workbench.measure.clock import Stats
from workbench.measure.layers import OUTSIDE
from workbench.measure.network import Network
from workbench.runtimes.onnxruntime.layers import profile_layers
from workbench.store.processor import default_threads

WARMUP, ITERATIONS = 3, 20
Times = Mapping[str, Sequence[float]]
"""Layer to its kernel time in ms, pass by pass."""


def measured_times(ctx: StepContext) -> dict[str, list[float]]:
    """Kernel times of the parent's U-Net by layer: its ONNX export on this machine, float32, batch 1.

    What belongs to no layer is in ``(unmapped)``; what the runtime spends outside kernels is left out.
    """

    unet = ctx.parent.denoiser.name
    feed, file = ctx.parent.spec(unet).seeded(), ctx.export(ctx.parent, unet)
    network = Network(ctx.parent.name, unet, "fp32", feed, file)
    layers = profile_layers(network, default_threads(), WARMUP, ITERATIONS)
    return {layer: list(times) for layer, times in layers.samples.items() if layer != OUTSIDE}


def layers_of(times: Times, tokens: int) -> Callable[[Mapping[str, Any]], dict[str, Amounts]]:
    """For a ``Ledger``: the amounts of every layer of a U-Net's config; its time where ``times`` knows the layer."""
    from workbench.runtimes.torch.counting import count_unet

    medians = {layer: Stats(tuple(samples)).median for layer, samples in times.items()}

    def amounts(config: Mapping[str, Any]) -> dict[str, Amounts]:
        counted = {layer.layer: layer for layer in count_unet(config, tokens=tokens).layers}
        by_layer: dict[str, Amounts] = {}
        for name in [*counted, *(layer for layer in medians if layer not in counted)]:
            layer = counted.get(name)
            by_layer[name] = {
                "params": float(layer.params if layer else 0),
                "macs": float(layer.macs + layer.attention_macs if layer else 0),
                "latency": medians.get(name, 0.0),
            }
        return by_layer

    return amounts


def passes_of(times: Times, inside: Callable[[str], bool]) -> Stats:
    """The time in ms of the layers ``inside``, added up pass by pass."""

    inner = [samples for layer, samples in times.items() if inside(layer)]
    return Stats(tuple(sum(samples) for samples in zip(*inner, strict=True)) or (0.0,) * ITERATIONS)


def time_of(times: Times, inside: Callable[[str], bool]) -> dict[str, Any]:
    """The time in ms of the layers ``inside``: the sum of their medians, the spread of their sums, and n.

    A disturbance hits one layer of a pass, so that sums of medians stay where medians of sums don't.
    """

    medians = [Stats(tuple(samples)).median for layer, samples in times.items() if inside(layer)]
    sums = passes_of(times, inside)
    return {"value": sum(medians), "iqr": sums.iqr, "n": sums.n}
