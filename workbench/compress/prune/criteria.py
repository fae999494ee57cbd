"""Which channels go: the score of every channel of a width, and the choice of the lowest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from workbench.compress.prune.plan import Width

if TYPE_CHECKING:
    import torch

Criterion = Literal["magnitude", "taylor", "random"]


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

    Of a norm's groups and of heads each so keeps its own channels; whole heads go by the sum of their scores.
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
