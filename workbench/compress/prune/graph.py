"""The widths of a U-Net as torch-pruning's dependency graph finds them, and the cutting of channels by it.

Source: DepGraph, arXiv 2301.12900 (torch-pruning). Its own pruner isn't used: it can't say what it will keep before it
cuts, rounds upwards past the ratio on narrow networks, and keeps state in mutable defaults from one pruner to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from workbench.compress.prune.plan import Member, Scope, Width
from workbench.errors import RunError
from workbench.models.widths.load_pruned import agree, channels_of, is_attention, is_norm

if TYPE_CHECKING:
    import torch

Criterion = Literal["magnitude", "taylor", "random"]
_SAMPLE_SIDE = 16
"""Side of the latents on which the graph is traced, at least: it doesn't depend on it."""


class WidthGraph:
    """A U-Net's widths; cuts them in place."""

    def __init__(self, unet: Any, tokens: int, whole_heads: bool) -> None:
        """Traces ``unet`` on ``tokens`` text tokens; its parameters get their gradients switched on.

        Raises:
            RunError: the graph can't be traced.
        """
        import torch
        import torch_pruning

        self._unet = unet
        self._whole_heads = whole_heads
        self._paths = {module: name for name, module in unet.named_modules()}
        unet.requires_grad_(True)
        side = max(_SAMPLE_SIDE, 2 ** len(unet.config["block_out_channels"]))
        inputs = {
            "sample": torch.zeros(1, unet.config["in_channels"], side, side),
            "timestep": torch.zeros(1),
            "encoder_hidden_states": torch.zeros(1, tokens, unet.config["cross_attention_dim"]),
            "return_dict": False,
        }
        # Every collection is given: some defaults are mutable and shared between calls.
        self._graph = torch_pruning.DependencyGraph()
        try:
            self._graph.build_dependency(
                unet, inputs, unwrapped_parameters=[], customized_pruners={}, ignored_params=[]
            )
            groups = list(
                self._graph.get_all_groups(
                    ignored_layers=[unet.conv_out], root_module_types=[torch.nn.Conv2d, torch.nn.Linear]
                )
            )
        except (RuntimeError, ValueError, KeyError, AssertionError) as error:
            raise RunError(f"the U-Net's layers can't be traced for pruning: {error}") from error
        self._roots: dict[str, tuple[Any, Any]] = {}
        self.widths: list[Width] = []
        self.unknown: list[str] = []
        """Layers whose outputs belong to no scope: they are left as they are."""
        for group in groups:
            self._add(group)

    def importance(self, width: Width, score: Any) -> torch.Tensor:
        """The score of each of the width's channels, [channels], by one of torch-pruning's importances."""
        import torch

        module, cut = self._roots[width.name]
        scores = score(self._graph.get_pruning_group(module, cut, list(range(width.channels))))
        if scores is None or scores.shape != (width.channels,) or not bool(torch.isfinite(scores).all()):
            raise RunError(f"{width.name}: its channels can't be ranked; another criterion might do")
        return scores

    def cut(self, chosen: Mapping[str, Sequence[int]]) -> None:
        """Takes these channels away, by the width's name, and keeps what attention computes with the rest of them."""
        before = {m: m.to_q.out_features // m.heads for m in self._unet.modules() if is_attention(m)}
        widths = {width.name: width for width in self.widths}
        for name, channels in chosen.items():
            if not channels:
                continue
            module, cut = self._roots[name]
            self._graph.get_pruning_group(module, cut, sorted(channels)).prune()
            if widths[name].whole:
                attention = self._unet.get_submodule(name)
                attention.heads -= len(channels) // before[attention]
        self._keep_logits(before)
        agree(self._unet)

    def _keep_logits(self, before: Mapping[Any, int]) -> None:
        """Attention divides its logits by the root of the head's width: the queries make up for the new one."""
        import torch

        with torch.no_grad():
            for attention, width in before.items():
                factor = (attention.to_q.out_features / attention.heads / width) ** 0.5
                for value in attention.to_q.parameters():
                    value.mul_(factor)

    def _add(self, group: Any) -> None:
        members = self._members(group)
        scope = _scope(members)
        root = group[0].dep
        module, cut = root.target.module, root.handler
        if scope is None:
            self.unknown.append(self._paths[module])
            return
        name, parts = self._paths[module], 1
        if scope == "feed_forward":
            # From the side of what the gate lets through each channel counts once, in the gated linear twice.
            name = next(m.layer for m in members if m.side == "in")
            module = self._unet.get_submodule(name)
            cut = self._graph.get_pruner_of_module(module).prune_in_channels
            count = self._graph.get_in_channels(module)
            members = self._members(self._graph.get_pruning_group(module, cut, list(range(count))))
            name = name.rpartition(".net.")[0]
        elif scope == "attention":
            name = name.rpartition(".")[0]
            parts = int(self._unet.get_submodule(name).heads)
        else:
            parts = max((self._groups(m.layer) for m in members), default=1)
        of = self._graph.get_in_channels if scope == "feed_forward" else self._graph.get_out_channels
        channels = int(of(module))
        whole = scope == "attention" and self._whole_heads
        self._roots[name] = (module, cut)
        self.widths.append(Width(name, scope, channels, tuple(members), parts, whole))

    def _members(self, group: Any) -> list[Member]:
        count = len(group[0].idxs)
        members = []
        for dep, channels in group:
            layer = self._paths.get(dep.target.module)
            if layer is not None and channels_of(dep.target.module) is not None:
                taken = is_norm(dep.target.module) or self._graph.is_in_channel_pruning_fn(dep.handler)
                members.append(Member(layer, "in" if taken else "out", max(1, len(channels) // count)))
        return members

    def _groups(self, layer: str) -> int:
        return getattr(self._unet.get_submodule(layer), "num_groups", 1)


def _scope(members: Sequence[Member]) -> Scope | None:
    """What a width is, from the layers that have it."""
    made = [m.layer for m in members if m.side == "out"]

    def some(*ends: str) -> bool:
        return any(layer.endswith(ends) for layer in made)

    if any(layer.startswith("time_embedding.") for layer in made):
        return "time_embedding"
    if some(".to_q", ".to_k", ".to_v"):
        return "attention"
    if some(".net.0.proj"):
        return "feed_forward"
    if some(".conv1"):
        return "resnets"
    if some(".proj_in"):
        return "transformers"
    if some("conv_in", ".conv2", ".proj_out", ".conv_shortcut", "samplers.0.conv"):
        return "blocks"
    return None


def scorer(criterion: Criterion, seed: int) -> Callable[[Any], Any]:
    """A score for a group of layers: higher is kept.

    ``magnitude``: squared weights, mean over the group's layers (torch-pruning's group magnitude). ``taylor``: weight
    times gradient of the task loss (Molchanov et al. 2019; for diffusion: Diff-Pruning, arXiv 2305.10924); needs
    gradients in place. ``random``: by ``seed``.
    """
    import torch
    import torch_pruning.pruner.importance as importances

    if criterion == "magnitude":
        return importances.GroupMagnitudeImportance(p=2, group_reduction="mean", normalizer=None)
    if criterion == "taylor":
        return importances.GroupTaylorImportance(group_reduction="mean", normalizer=None)
    generator = torch.Generator().manual_seed(seed)
    return lambda group: torch.rand(len(group[0].idxs), generator=generator)


def lowest(scores: torch.Tensor, width: Width, keep: int) -> list[int]:
    """The channels to take away so that ``keep`` are left: those of the lowest scores, the same number of each part.

    So each group of a norm and each head keeps some; whole heads go by the sum of their scores.
    """
    import torch

    part = width.channels // width.parts
    table = scores.reshape(width.parts, part)
    if width.whole:
        heads = torch.argsort(table.sum(1), stable=True)[: width.parts - keep // part].tolist()
        return sorted(head * part + i for head in heads for i in range(part))
    gone = (width.channels - keep) // width.parts
    order = torch.argsort(table, dim=1, stable=True)[:, :gone]
    return sorted((order + torch.arange(width.parts)[:, None] * part).flatten().tolist())
