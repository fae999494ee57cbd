"""Counting the components of a pipeline from their configs: no weights, nothing is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.measure.counts import Count
from workbench.models.families.base import Part
from workbench.models.unet import meta_unet
from workbench.models.widths import Widths
from workbench.runtimes.torch.macs import count
from workbench.runtimes.torch.modules import ROOT

if TYPE_CHECKING:
    import numpy as np

Side = int | tuple[int, int]
"""Sides of the latents: one number for squares, else height and width."""


def count_unet(
    config: Mapping[str, Any], side: Side | None = None, tokens: int = 77, widths: Widths | None = None
) -> Count:
    """Counts one pass of a ``UNet2DConditionModel`` at batch 1, latents of ``side`` and ``tokens`` text tokens.

    ``side`` is the config's ``sample_size`` by default; ``widths`` are those of a pruned U-Net.
    """
    import torch

    unet: Any = meta_unet(config, widths)
    with torch.device("meta"):
        sample = torch.empty(1, unet.config["in_channels"], *_sides(side or unet.config["sample_size"]))
        text = torch.empty(1, tokens, int(unet.config["cross_attention_dim"]))
        return count(unet, sample, torch.empty(1), text, return_dict=False)


def count_component(part: Part, folder: Path, feed: Mapping[str, np.ndarray]) -> Count:
    """Counts one pass of a family's component by the ``config.json`` in its ``folder``, with inputs shaped as ``feed``.

    Raises:
        InputError: there is no config, or none that its library can read.
    """
    import torch

    try:
        module = part.module(part.empty(part.config(folder), folder))
    except (TypeError, ValueError) as error:
        raise InputError(f"{folder / 'config.json'}: can't be read as a component's config ({error})") from error
    counted = count(module, *(torch.from_numpy(value).to("meta") for value in feed.values()))
    if not part.wrapper:
        return counted
    layers = (replace(layer, layer=_within(layer.layer, part.wrapper)) for layer in counted.layers)
    return Count(tuple(layers), counted.uncounted)


def _within(layer: str, wrapper: str) -> str:
    """A layer's name inside the attribute that holds the network."""
    return ROOT if layer == wrapper else layer.removeprefix(f"{wrapper}.")


def _sides(side: Any) -> tuple[int, int]:
    """Height and width; a config's ``sample_size`` is one number or a list of both."""
    return (side, side) if isinstance(side, int) else (int(side[0]), int(side[1]))
