"""What a plan for pruning would leave (widths, counts, latency) without cutting anything, and the plan for a target."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.compress.prune.plan import Width
from workbench.compress.registry import StepContext
from workbench.errors import RunError
from workbench.models.unet import meta_unet, save_unet
from workbench.models.widths import Widths
from workbench.models.widths.load_pruned import channels_of, is_norm

if TYPE_CHECKING:
    from workbench.measure.clock import Stats

WARMUP, ITERATIONS, LEAST_SECONDS = 5, 30, 1.0
MOST = 0.99
"""The largest ratio that is tried: with it nearly every width is at its least."""
COUNTED = ("macs_target", 12)
"""The target and the halvings of the ratio's range: to 1/4000 where a plan is counted."""
MEASURED = ("latency_target", 5)
"""The same, to 1/32 where a plan takes an export and its measurement."""


class Scale:
    """A U-Net before pruning and the widths in play. A plan: kept channels by the width's name."""

    def __init__(
        self,
        ctx: StepContext,
        unet: Any,
        config: Mapping[str, Any],
        tokens: int,
        in_play: Sequence[Width],
        before: Widths | None,
    ) -> None:
        """``unet`` with its ``config`` and, where it was pruned, its widths ``before``."""
        self._ctx, self._config, self._tokens = ctx, config, tokens
        self.in_play, self._before = in_play, before
        self._modules = dict(unet.named_modules())
        self._channels = {m.layer: channels_of(self._modules[m.layer]) for width in in_play for m in width.members}
        self._measured: dict[tuple[int, ...], Stats] = {}

    def widths(self, kept: Mapping[str, int]) -> Widths:
        """The manifest of what a plan leaves; which channels were kept is for the caller to add."""
        layers = dict(self._before.layers) if self._before else {}
        heads = dict(self._before.heads) if self._before else {}
        for width in self.in_play:
            gone = width.channels - kept[width.name]
            for member in width.members if gone else ():
                inside, outside = layers.get(member.layer) or self._channels[member.layer] or (0, 0)
                lost, both = gone * member.times, is_norm(self._modules[member.layer])
                layers[member.layer] = (
                    inside - lost if both or member.side == "in" else inside,
                    outside - lost if both or member.side == "out" else outside,
                )
            if width.whole and gone:
                heads[width.name] = kept[width.name] * width.parts // width.channels
        return Widths(layers, heads)

    def macs(self, kept: Mapping[str, int]) -> int:
        """Multiply-accumulates of one pass, attention's products included."""
        from workbench.runtimes.torch.counting import count_unet

        return count_unet(self._config, tokens=self._tokens, widths=self.widths(kept)).macs_with_attention

    def counts(self, after: Widths) -> dict[str, Any]:
        """Parameters and MACs before and after, for the report."""
        from workbench.runtimes.torch.counting import count_unet

        old, new = (count_unet(self._config, tokens=self._tokens, widths=widths) for widths in (self._before, after))
        return old.change_to(new)

    def measured(self, kept: Mapping[str, int]) -> Stats:
        """Latency in ms of one pass on this machine's ONNX Runtime, float32, batch 1; the weights are drawn.

        A plan is measured once.
        """
        key = tuple(kept.values())
        if key not in self._measured:
            self._ctx.state.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._ctx.state) as folder:
                self._measured[key] = self._measure(self.widths(kept), Path(folder))
        return self._measured[key]

    @property
    def all_measured(self) -> list[Stats]:
        """Every measurement so far, in order: a noisy one can send the search the wrong way."""
        return list(self._measured.values())

    def _measure(self, widths: Widths, folder: Path) -> Stats:
        from workbench.export.onnx import export_component
        from workbench.measure.clock import interleaved
        from workbench.runtimes.onnxruntime.session import session

        candidate = self._ctx.parent.with_denoiser(folder / "torch")
        name = candidate.denoiser.name
        save_unet(drawn(self._config, widths), candidate.denoiser.path, widths)
        export_component(candidate, name, folder / "onnx")
        loaded, feed = session(folder / "onnx" / "model.onnx"), candidate.spec(name).seeded()
        return interleaved({name: lambda: loaded.run(None, feed)}, WARMUP, ITERATIONS, LEAST_SECONDS)[name]


def drawn(config: Mapping[str, Any], widths: Widths) -> Any:
    """The U-Net with its layers' usual random weights, which leave the global generator as it was."""
    import torch

    unet = meta_unet(config, widths).to_empty(device="cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for module in unet.modules():
            reset = getattr(module, "reset_parameters", None)
            if reset is not None:
                reset()
    return unet


def smallest_ratio(
    plan_at: Callable[[float], Mapping[str, int]],
    cost: Callable[[Mapping[str, int]], float],
    limit: float,
    target: str,
    halvings: int,
) -> float:
    """The smallest ratio, to within 2^-halvings, whose plan costs at most ``limit``.

    Args:
        plan_at: the plan for a ratio, kept channels by width.
        cost: of a plan; equal plans are asked for once.
        limit: in the cost's unit.
        target: its key in the recipe, for the message.
        halvings: of the range of ratios.

    Raises:
        RunError: the target is met without pruning, or not even by the largest ratio.
    """
    known: dict[tuple[int, ...], float] = {}

    def at(ratio: float) -> float:
        kept = plan_at(ratio)
        key = tuple(kept.values())
        if key not in known:
            known[key] = cost(kept)
        return known[key]

    if (end := at(MOST)) > limit:
        raise RunError(f"prune.{target}: {limit:g} can't be reached: {end:.3g} with every width in scope at its least")
    if (start := at(0.0)) <= limit:
        raise RunError(f"prune.{target}: {limit:g} is met without pruning: {start:.3g}; ask for less or leave it out")
    low, high = 0.0, MOST
    for _ in range(halvings):
        middle = (low + high) / 2
        low, high = (low, middle) if at(middle) <= limit else (middle, high)
    return high
