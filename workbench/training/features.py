"""Feature taps: outputs of named modules, kept while a forward pass runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class Taps:
    """Keeps the outputs of the named modules of ``model``; of a tuple the first (a down block's hidden state)."""

    def __init__(self, model: torch.nn.Module, names: Sequence[str]) -> None:
        self.outputs: dict[str, torch.Tensor] = {}
        for name in names:
            model.get_submodule(name).register_forward_hook(self._keep(name))

    def _keep(self, name: str) -> Any:
        def hook(_module: torch.nn.Module, _inputs: object, output: Any) -> None:
            self.outputs[name] = output[0] if isinstance(output, tuple) else output

        return hook


def published_pairs(teacher: Mapping[str, Any], student: Mapping[str, Any]) -> list[tuple[str, str]]:
    """BK-SDM's feature pairs (teacher module, student module) for two U-Net configs.

    Source: BK-SDM's training script. Blocks pair level by level; where the student lost its deepest levels, its last
    down block has no downsampler, so there the last attention's ``proj_out`` stands in for the block.
    """
    levels, kept = len(teacher["block_out_channels"]), len(student["block_out_channels"])
    shift = levels - kept
    if shift == 0:
        down = [(f"down_blocks.{i}", f"down_blocks.{i}") for i in range(kept)]
    else:
        last = kept - 1
        down = [(f"down_blocks.{i}", f"down_blocks.{i}") for i in range(last)]
        ends = [f"down_blocks.{last}.attentions.{_layers(c, last) - 1}.proj_out" for c in (teacher, student)]
        down.append((ends[0], ends[1]))
    return down + [(f"up_blocks.{i + shift}", f"up_blocks.{i}") for i in range(kept)]


def _layers(config: Mapping[str, Any], level: int) -> int:
    layers = config["layers_per_block"]
    return layers if isinstance(layers, int) else layers[level]
