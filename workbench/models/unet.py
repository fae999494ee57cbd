"""The one place where a U-Net comes from a folder or goes into one, its widths heeded where it was pruned."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.models.read_json import read_object
from workbench.models.weights import disagreement, load_tensors, weight_files
from workbench.models.widths import Widths, read_widths, set_widths, write_widths
from workbench.store.files import write_atomic

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
SIDE = 64
"""Of a latent where the config doesn't say: Stable Diffusion 1's."""


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with its ``sample_size``, which some lack, and files from before diffusers 0.9 have too small: then
    ``StableDiffusionPipeline`` takes 64 as well."""
    side = config.get("sample_size")
    version = re.match(r"0\.(\d+)", str(config.get("_diffusers_version")))
    outdated = isinstance(side, int) and side < SIDE and version is not None and int(version[1]) < 9
    return {**config, "sample_size": SIDE if side is None or outdated else side}


def load_unet(folder: Path) -> UNet2DConditionModel:
    """The U-Net in ``folder``, in float32 and evaluation mode.

    Raises:
        InputError: its weights don't have the shapes that its config and its manifest of widths ask for.
        RunError: they aren't finite.
    """
    return _loaded(folder, widen=True).float()


def load_frozen(folder: Path) -> UNet2DConditionModel:
    """The same, not to be trained: weights that are stored in half precision stay so, and are float32 while their layer
    computes. Its outputs are those of ``load_unet`` to the bit, in half the memory.
    """
    import torch

    unet = _loaded(folder, widen=False).requires_grad_(False)
    types = {p.dtype for p in unet.parameters()}
    if len(types) > 1 or not types <= {torch.float16, torch.bfloat16}:
        return unet.float()
    for module in unet.modules():  # norms compute in the precision of their weights
        if not isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.float()
    unet.enable_layerwise_casting(types.pop(), torch.float32, skip_modules_pattern=())
    return unet


def _loaded(folder: Path, widen: bool) -> UNet2DConditionModel:
    unet = meta_unet(read_object(folder / "config.json"), read_widths(folder))
    weights = load_tensors(weight_files(folder, STEM), widen)
    expected, found = ({n: tuple(value.shape) for n, value in of.items()} for of in (unet.state_dict(), weights))
    if wrong := disagreement(expected, found):
        raise InputError(
            f"{folder}: the weights don't fit the configs beside them: {wrong}",
            hint="config.json, widths.json and the weights belong together: copy all of them",
        )
    unet.load_state_dict(weights, strict=False, assign=True)
    return unet.eval()


def meta_unet(config: Mapping[str, Any], widths: Widths | None = None) -> UNet2DConditionModel:
    """The U-Net of a config and, where it was pruned, its widths, on the meta device: shapes without weights."""
    import torch
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(
            {k: v for k, v in completed(config).items() if not k.startswith(PRIVATE)}
        )
        if widths is not None:
            set_widths(unet, widths)
    return unet.eval()


def save_unet(unet: UNet2DConditionModel, folder: Path, widths: Widths | None) -> None:
    """Writes config, weights (safetensors) and, where it was pruned, the widths: the same bytes at every place."""
    unet.save_pretrained(folder, safe_serialization=True)
    config = read_object(folder / "config.json")
    config.pop("_name_or_path", None)  # the folder that it was loaded from
    write_atomic(folder / "config.json", json.dumps(config, indent=2, sort_keys=True) + "\n")
    if widths is not None:
        write_widths(widths, folder)
