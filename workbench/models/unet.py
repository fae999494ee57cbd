"""The one place where a U-Net comes from a folder or goes into one, its widths heeded where it was pruned."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.models.read_json import read_object
from workbench.models.weights import weight_files
from workbench.models.widths import FILE, Widths, read_widths, set_widths, write_widths

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

CLASS = "UNet2DConditionModel"
STEM = "diffusion_pytorch_model"
WEIGHTS = f"{STEM}.safetensors"
"""The file that ``save_unet`` leaves."""
PER_LEVEL = ("block_out_channels", "down_block_types", "up_block_types")
"""Entries of a config that are lists, with a value for each level."""
PRIVATE = "_"
"""Config entries that start with this say where the config came from, not what the network is."""


def load_unet(folder: Path) -> UNet2DConditionModel:
    """The U-Net in ``folder``, in float32 and evaluation mode.

    Raises:
        InputError: its weights don't have the widths that its manifest names.
    """
    from diffusers import UNet2DConditionModel

    widths = read_widths(folder)
    if widths is None:
        shapes = UNet2DConditionModel.from_pretrained(folder, use_safetensors=True, local_files_only=True)
        return shapes.float().eval()
    from safetensors.torch import load_file

    weights = {name: value for file in weight_files(folder, STEM) for name, value in load_file(file).items()}
    unet = meta_unet(read_object(folder / "config.json"), widths)
    expected = {name: tuple(value.shape) for name, value in unet.state_dict().items()}
    shapes = {name: tuple(value.shape) for name, value in weights.items()}
    wrong = sorted(name for name in expected.keys() | shapes.keys() if expected.get(name) != shapes.get(name))
    if wrong:
        first = wrong[0]
        raise InputError(
            f"{folder / FILE}: doesn't fit the weights beside it: {first} should be {expected.get(first, 'absent')}, "
            f"found {shapes.get(first, 'nothing')} ({len(wrong)} of {len(expected)} tensors differ)",
            hint="config.json, widths.json and the weights belong together: copy all of them",
        )
    unet.load_state_dict(weights, assign=True)
    return unet.float().eval()


def meta_unet(config: Mapping[str, Any], widths: Widths | None = None) -> UNet2DConditionModel:
    """The U-Net of a config and, where it was pruned, its widths, on the meta device: shapes without weights."""
    import torch
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config({k: v for k, v in config.items() if not k.startswith(PRIVATE)})
        if widths is not None:
            set_widths(unet, widths)
    return unet.eval()


def save_unet(unet: UNet2DConditionModel, folder: Path, widths: Widths | None) -> None:
    """Writes config, weights (safetensors) and, where it was pruned, the widths."""
    unet.save_pretrained(folder, safe_serialization=True)
    if widths is not None:
        write_widths(widths, folder)
