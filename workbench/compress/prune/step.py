"""Step ``prune``: takes channels and heads out of the U-Net, all layers that share a width together.

Which layers share one is found by torch-pruning (DepGraph, arXiv 2301.12900); the widths that are left are written
beside the config, since a diffusers config can't say them. Train it after: ``distill``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from workbench.compress.prune.config_widths import config_widths
from workbench.compress.prune.graph import Criterion, WidthGraph, lowest, scorer
from workbench.compress.prune.ladder import COUNTED, MEASURED, MOST, Scale, smallest_ratio
from workbench.compress.prune.plan import SCOPES, NothingLeft, Scope, Width, plan
from workbench.compress.prune.verify import verify
from workbench.compress.registry import StepConfig, StepContext, StepResult, step
from workbench.errors import InputError, nearest
from workbench.models.patterns import Pattern, matching
from workbench.models.read_json import read_object
from workbench.models.unet import CLASS as UNET
from workbench.models.unet import load_unet, save_unet
from workbench.models.widths import PRUNED, Widths, read_widths
from workbench.training.batches import Batches
from workbench.training.loop import step_rng

if TYPE_CHECKING:
    from workbench.forecast.cost import Cost, Facts


class PruneConfig(StepConfig):
    """Makes the U-Net narrower by a ratio of its widths, or by what is to be left of MACs or latency."""

    ratio: float | None = Field(None, gt=0, lt=1, description="Share of every width that goes; MACs fall faster.")
    macs_target: float | None = Field(
        None, gt=0, lt=1, description="Share of the U-Net's MACs (attention's included) that is left at most."
    )
    latency_target: float | None = Field(
        None, gt=0, description="ms of one U-Net pass on this machine's ONNX Runtime (fp32, batch 1), at most."
    )
    criterion: Criterion = Field(
        "taylor", description="What says which channels go; taylor reads the data, the others don't."
    )
    scope: list[Scope] = Field(
        [s for s in SCOPES if s != "time_embedding"], min_length=1, description="Which widths may change."
    )
    exempt: list[Pattern] = Field(
        [], max_length=30, description="Patterns (regular expressions) of layers that keep their widths."
    )
    per_block: dict[Pattern, Annotated[float, Field(ge=0, lt=1)]] = Field(
        {},
        max_length=30,
        description="Pattern of layers to their own ratio, 0 to below 1; a shared width takes the smallest.",
    )
    heads: Literal["dims", "whole"] = Field(
        "dims", description="Attention gets narrower heads (dims) or fewer of them (whole)."
    )
    round_to: int = Field(8, ge=1, le=1024, description="Widths that are left are multiples of this.")
    batches: int = Field(8, ge=1, description="taylor: batches whose gradients are summed.")
    batch: int = Field(16, ge=1, le=4096, description="taylor: pictures per batch.")
    denoiser_class: ClassVar[str] = UNET

    @model_validator(mode="after")
    def _one_target(self) -> PruneConfig:
        given = [name for name in ("ratio", "macs_target", "latency_target") if getattr(self, name) is not None]
        if len(given) != 1:
            given_keys = " and ".join(given) or "none of them"
            raise ValueError(f"give one of ratio, macs_target and latency_target; found {given_keys}")
        return self

    def default_name(self) -> str:
        """``pruned``."""
        return "pruned"

    @property
    def reads_pictures(self) -> bool:
        """Only gradients need them."""
        return self.criterion == "taylor"

    @property
    def denoises(self) -> bool:
        """Gradients are those of the denoising task."""
        return self.criterion == "taylor"

    def cost(self, facts: Facts) -> Cost:
        """The U-Net and what is left of it; gradients, where they say which channels go."""
        from workbench.forecast.cost import FP32, Passes
        from workbench.forecast.shapes import weights

        before, pictures = facts.before, self.batches * self.batch
        left = self.macs_target or (0.5 if self.ratio is None else (1 - self.ratio) ** 2)
        made = before.scaled(left)
        held = weights([before, before, made], made)
        if self.criterion != "taylor":
            return replace(held, made={facts.denoiser: made})
        passes = Passes(before, 3 * pictures, "train"), Passes(facts.base[facts.encoder], pictures, "train")
        memory = held.memory + before.params * FP32 + self.batch * before.written
        return replace(held, passes=passes, memory=memory, made={facts.denoiser: made})

    @property
    def sizes(self) -> Mapping[str, int]:
        """Of the gradients."""
        return {"batches": self.batches} if self.criterion == "taylor" else {}

    def check(self, unet_config: Mapping[str, Any], _names: Sequence[str], /) -> Iterator[tuple[str, str]]:
        """Patterns that match no layer, and a ratio that leaves nothing, as far as the config shows."""
        widths = [] if PRUNED in unet_config else config_widths(unet_config, self.heads == "whole")
        if not widths:
            return
        bad = list(_unmatched(self, widths))
        yield from bad
        if not bad:
            in_play = _in_play(self, widths)
            try:
                kept = plan(in_play, self.ratio or 0.0, self.per_block, self.round_to)
            except NothingLeft as error:
                yield "ratio" if self.ratio else "per_block", str(error)
                return
            if not in_play:
                yield "exempt", f"exempts everything in scope ({', '.join(self.scope)}); nothing is left to prune"
            elif self.ratio and all(kept[w.name] == w.channels for w in in_play):
                yield "ratio", _nothing_goes(self, in_play)
            elif not self.ratio:
                least = plan(in_play, MOST, self.per_block, self.round_to, at_least_one=True)
                if least == {width.name: width.channels for width in in_play}:
                    yield "round_to", f"found {self.round_to}, with which every width in scope is at its least already"

    def unet_config_after(self, unet_config: Mapping[str, Any], /) -> Mapping[str, Any]:
        """The same config, marked: it no longer has the widths."""
        return {**unet_config, PRUNED: True}


def _unmatched(config: PruneConfig, widths: Sequence[Width]) -> Iterator[tuple[str, str]]:
    layers = sorted({layer for width in widths for layer in width.layers})
    for key, patterns in (("exempt", config.exempt), ("per_block", list(config.per_block))):
        for pattern in patterns:
            if not matching(pattern, layers):
                near = nearest(pattern, layers, however_far=True)
                meant = f"; the layer with the nearest path is {near}" if near else ""
                yield key, f"{pattern!r} matches none of the U-Net's {len(layers)} layers{meant}"


def _in_play(config: PruneConfig, widths: Sequence[Width]) -> list[Width]:
    in_scope = [width for width in widths if width.scope in config.scope]
    return [width for width in in_scope if not any(matching(pattern, width.layers) for pattern in config.exempt)]


def _nothing_goes(config: PruneConfig, widths: Sequence[Width]) -> str:
    finest = min(widths, key=lambda width: width.step(config.round_to) / width.channels)
    share = finest.step(config.round_to) / finest.channels
    return (
        f"{config.ratio:g} takes nothing: the finest step is {finest.step(config.round_to)} of {finest.channels} "
        f"channels ({share:.2g}) at {finest.name}; needs a larger ratio or a smaller round_to"
    )


@step("prune", PruneConfig)
def prune(ctx: StepContext, config: PruneConfig) -> StepResult:
    """Cuts the U-Net, verifies what is left, and reports every width, parameters and MACs before and after.

    Raises:
        InputError: a pattern matches no layer, or a width would have nothing left.
        RunError: a target can't be reached, or what is left can't be run, loaded again or exported.
    """
    parent = ctx.parent.denoiser
    unet, before = load_unet(parent.path), read_widths(parent.path)
    unet_config, tokens = read_object(parent.path / "config.json"), ctx.base.tokens
    graph = WidthGraph(unet, tokens, config.heads == "whole")
    for key, problem in _unmatched(config, graph.widths):
        raise InputError(f"prune.{key}: {problem}")
    in_play = _in_play(config, graph.widths)
    if not in_play:
        raise InputError(f"prune: nothing in scope ({', '.join(config.scope)}) is left to prune")
    scale = Scale(ctx, unet, unet_config, tokens, in_play, before)
    ratio, kept = _plan(config, scale)
    going = [width for width in in_play if kept[width.name] < width.channels]
    if not going:
        raise InputError(f"prune.ratio: {_nothing_goes(config, in_play)}")

    score = scorer(config.criterion, ctx.seed)
    if config.criterion == "taylor":
        _gradients(ctx, config, unet)
    chosen = {}
    with ctx.progress("prune", len(going)) as tick:
        for done, width in enumerate(going, 1):
            chosen[width.name] = lowest(graph.importance(width, score), width, kept[width.name])
            tick(done, width.name)
    widths = replace(scale.widths(kept), kept=_kept(going, chosen, before))
    graph.cut(chosen)
    pruned = ctx.parent.with_denoiser(ctx.out / parent.name)
    save_unet(unet.requires_grad_(False), pruned.denoiser.path, widths)
    verify(ctx, unet, pruned)
    report = {
        "ratio": ratio,
        "criterion": config.criterion,
        "channels_share": sum(kept[w.name] for w in in_play) / sum(w.channels for w in in_play),
        "widths": [
            {"name": w.name, "scope": w.scope, "before": w.channels, "after": kept[w.name], "layers": len(w.layers)}
            for w in going
        ],
        "stayed": [width.name for width in in_play if kept[width.name] == width.channels],
        "unknown": graph.unknown,
        **scale.counts(widths),
    }
    if config.latency_target:
        report["latency_ms"] = scale.measured(kept).summary()
        report["latency_tried_ms"] = [stats.summary() for stats in scale.all_measured]
        report["warnings"] = [line for stats in scale.all_measured for line in stats.warnings("prune.latency_target")]
    return StepResult.of(pruned.denoiser, report)


def _plan(config: PruneConfig, scale: Scale) -> tuple[float, dict[str, int]]:
    """The ratio, as given or as the target asks, and the kept channels by the width's name."""
    widths = scale.in_play
    if config.ratio:
        try:
            return config.ratio, plan(widths, config.ratio, config.per_block, config.round_to)
        except NothingLeft as error:
            raise InputError(f"prune.ratio: {error}") from None

    def at(ratio: float) -> dict[str, int]:
        return plan(widths, ratio, config.per_block, config.round_to, at_least_one=True)

    if config.macs_target:
        whole = scale.macs({width.name: width.channels for width in widths})
        ratio = smallest_ratio(at, lambda kept: scale.macs(kept) / whole, config.macs_target, *COUNTED)
    else:
        ratio = smallest_ratio(at, lambda kept: scale.measured(kept).median, config.latency_target or 0.0, *MEASURED)
    return ratio, at(ratio)


def _gradients(ctx: StepContext, config: PruneConfig, unet: Any) -> None:
    """Leaves in the U-Net's parameters the task loss's gradients, summed over batches of the data."""
    import torch
    from diffusers.models.attention_processor import AttnProcessor

    batches = Batches(ctx.base.source, ctx.data, config.batch, drop_captions=0.1)
    usual = unet.attn_processors
    unet.set_attn_processor(AttnProcessor())  # the fused kernel has a slow backward pass on a CPU
    with ctx.progress("gradients", config.batches) as tick:
        for i in range(config.batches):
            batch = batches.draw(step_rng(ctx.seed, i))
            output = unet(batch.noisy, batch.timesteps, batch.states).sample
            torch.nn.functional.mse_loss(output, batch.target).backward()
            tick(i + 1)
    unet.set_attn_processor(usual)


def _kept(
    going: Sequence[Width], chosen: Mapping[str, Sequence[int]], before: Widths | None
) -> dict[str, tuple[int, ...]]:
    """For the layers by which blocks hand on their features, the channels of the first U-Net that are left."""
    channels = dict(before.kept) if before else {}
    for width in going:
        gone = set(chosen[width.name])
        left = [i for i in range(width.channels) if i not in gone]
        for layer in width.makers if width.scope == "blocks" else ():
            if not layer.endswith("conv_shortcut"):
                had = channels.get(layer)
                channels[layer] = tuple(left if had is None else (had[i] for i in left))
    return channels
