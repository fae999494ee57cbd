"""The widths of a pruned U-Net: what diffusers' config can't say, as a JSON file beside it.

``config.json`` still describes the U-Net before pruning; ``widths.json`` names every layer whose width differs from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.models.widths.load_pruned import channels_of, is_attention, narrow
from workbench.store.files import write_atomic

if TYPE_CHECKING:
    import torch

FILE = "widths.json"
VERSION = 1
PRUNED = "_pruned"
"""Marks a U-Net's config in the check of a recipe: its widths will be known only when the recipe has run."""


@dataclass(frozen=True)
class Widths:
    """``layers``: path of a convolution, linear or norm to its channels [in, out] (a norm has both alike).

    ``heads``: path of an attention to its number of heads, where heads went whole. ``kept``: path of a layer to the
    channels of the unpruned U-Net that its outputs still are, for the layers by which blocks hand on their features.
    """

    layers: Mapping[str, tuple[int, int]]
    heads: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def read_widths(folder: Path) -> Widths | None:
    """The widths of the U-Net in ``folder``; None where its config says it all.

    Raises:
        InputError: the file can't be read, or is of another version.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        version = record["version"]
        layers = {str(name): (_width(pair[0]), _width(pair[1])) for name, pair in record["layers"].items()}
        heads = {str(name): _width(count) for name, count in record["heads"].items()}
        kept = {str(name): tuple(int(i) for i in channels) for name, channels in record["kept"].items()}
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: can't be read as the widths of a pruned U-Net ({error})") from None
    if version != VERSION:
        raise InputError(f"{file}: found version {version!r}; this workbench reads version {VERSION}")
    return Widths(layers, heads, kept)


def write_widths(widths: Widths, folder: Path) -> None:
    """Writes ``widths.json`` into a U-Net's folder."""
    write_atomic(folder / FILE, json.dumps({"version": VERSION, **asdict(widths)}) + "\n")


def widths_of(unet: torch.nn.Module, before: torch.nn.Module, kept: Mapping[str, tuple[int, ...]]) -> Widths:
    """The widths of ``unet`` where they differ from those of ``before``, a U-Net of the same config."""
    unpruned = dict(before.named_modules())
    layers, heads = {}, {}
    for name, module in unet.named_modules():
        channels = channels_of(module)
        if channels is not None and channels != channels_of(unpruned[name]):
            layers[name] = channels
        if is_attention(module) and module.heads != unpruned[name].heads:
            heads[name] = int(module.heads)
    return Widths(layers, heads, kept)


def set_widths(unet: torch.nn.Module, widths: Widths) -> None:
    """Gives the layers of ``unet`` these widths; their weights' values are lost (best on the meta device).

    Raises:
        InputError: a layer isn't there, or is of a kind that has no such width.
    """
    try:
        narrow(unet, widths.layers, widths.heads)
    except ValueError as error:
        raise InputError(f"{FILE}: {error}") from None


def _width(value: object) -> int:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"found {value!r} for a width")
    return value
