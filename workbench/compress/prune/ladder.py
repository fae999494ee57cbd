"""What a plan for pruning would leave: widths, counts, latency, without cutting anything."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.compress.prune.plan import Width
from workbench.compress.registry import StepContext
from workbench.models.unet import meta_unet, save_unet
from workbench.models.widths import Widths, channels_of, is_norm

if TYPE_CHECKING:
    from workbench.measure.clock import Stats

WARMUP, ITERATIONS, LEAST_SECONDS = 5, 30, 1.0


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

        old, new = (count_unet(self._config, tokens=self._tokens, widths=w) for w in (self._before, after))
        return {
            "params": {"before": old.params, "after": new.params},
            "macs": {"before": old.macs, "after": new.macs},
            "macs_with_attention": {"before": old.macs_with_attention, "after": new.macs_with_attention},
        }

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
