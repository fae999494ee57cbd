"""The attentions of a network: their layers and the size of their score matrices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

    from workbench.models.families.base import Part


@dataclass(frozen=True)
class Attention:
    """One attention: softmax(q·kᵀ)·v for each of its heads, at batch 1.

    ``layer`` is the module's dotted path. ``kind``: whether keys come from the queries' tensor or another one
    (``unknown`` where the graph doesn't show it). ``head_dim`` is the width of a query, ``value_dim`` that of a value.
    """

    layer: str
    kind: Literal["self", "cross", "unknown"]
    heads: int
    queries: int
    keys: int
    head_dim: int
    value_dim: int

    @property
    def scores(self) -> int:
        """Elements of one head's score matrix."""
        return self.queries * self.keys

    @property
    def macs(self) -> int:
        """Multiply-accumulates of both products, all heads."""
        return self.heads * self.scores * (self.head_dim + self.value_dim)

    @property
    def shape(self) -> tuple[Any, ...]:
        """Equal for attentions of the same cost."""
        return self.kind, self.heads, self.queries, self.keys, self.head_dim, self.value_dim


def folder_attentions(part: Part, folder: Path, feed: Mapping[str, np.ndarray]) -> list[Attention]:
    """The attentions of a family's component, by its ``config.json``, for inputs shaped as ``feed``; without weights.

    Raises:
        InputError: its ``config.json`` can't be read.
    """
    import torch

    from workbench.models.read_json import read_object

    net = part.empty(read_object(folder / "config.json"), folder)
    module, inputs = part.module(net), [torch.from_numpy(value).to("meta") for value in feed.values()]
    return executed(net, lambda: module(*inputs))


def executed(net: Any, run: Callable[[], object]) -> list[Attention]:
    """The diffusers attentions of ``net`` that ``run`` executes."""
    import torch
    from torch.overrides import TorchFunctionMode

    from workbench.runtimes.torch.modules import watched

    stack: list[str] = []
    attentions: list[Attention] = []

    class Recording(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is torch.nn.functional.scaled_dot_product_attention:
                query, key, value = args if len(args) == 3 else (kwargs[n] for n in ("query", "key", "value"))
                kind: Literal["self", "cross"] = "cross" if net.get_submodule(stack[-1]).is_cross_attention else "self"
                sizes = (*query.shape[1:3], key.shape[2], query.shape[3], value.shape[3])
                attentions.append(Attention(stack[-1], kind, *map(int, sizes)))
            return func(*args, **(kwargs or {}))

    with torch.no_grad(), watched(net, "", stack.append, stack.pop), Recording():
        run()
    return attentions
