"""LoRA files: which layer of which network each of their tensors changes, and whether it fits, from headers alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import InputError
from workbench.models.families.stable_diffusion.contents import is_lora
from workbench.models.families.stable_diffusion.lora_names import place
from workbench.models.weights import Shape, read_header

Networks = Mapping[str, Mapping[str, Shape]]
"""The folders of networks to the shapes of their tensors by name."""
_OTHER = {
    "lora_te1_": "Stable Diffusion XL",
    "lora_te2_": "Stable Diffusion XL",
    "text_encoder_2.": "Stable Diffusion XL",
}
_NOT_PLAIN = {
    "dora_scale": "DoRA",
    "lora_magnitude_vector": "DoRA",
    "hada_": "LoHa",
    "lokr_": "LoKr",
    "lora_mid": "LoRA with a third factor",
    "oft_": "OFT",
}
_METADATA = "lora_adapter_metadata"


@dataclass
class Change:
    """What is added to one layer: the names in the file of its two factors, and of ``alpha`` where it has one."""

    down: str = ""
    up: str = ""
    alpha: str = ""
    scale: float | None = None
    """By the file's metadata: what the product is multiplied by."""


Changes = dict[tuple[str, str], Change]
"""By network's folder and layer."""


def changes_of(file: Path, networks: Networks) -> Changes:
    """The changes in a file.

    Raises:
        InputError: it isn't a LoRA for these networks; the message says which tensor, what was found and expected.
    """
    if file.suffix != ".safetensors":
        raise InputError(f"{file}: needs a LoRA as a .safetensors file")
    shapes = read_header(file).shapes
    if not is_lora(shapes):
        raise InputError(f"{file}: holds no LoRA (its first tensor is {next(iter(shapes), 'none')}); needs one")
    for sign, what in _NOT_PLAIN.items():
        if name := next((name for name in shapes if sign in name), None):
            raise InputError(f"{file}: {name}: {what}, which isn't a product of two factors; needs a plain LoRA")
    for sign, what in _OTHER.items():
        if name := next((name for name in shapes if name.startswith(sign)), None):
            raise InputError(f"{file}: {name}: a LoRA for {what}; needs one for this model")
    layers = {
        folder: {name.removesuffix(".weight") for name in tensors if name.endswith(".weight")}
        for folder, tensors in networks.items()
    }
    found: Changes = {}
    for name in shapes:
        folder, layer, role = place(name, layers)
        if role is None:
            raise InputError(f"{file}: {name}: in no form of a LoRA that is known; needs diffusers', PEFT's or kohya's")
        if layer is None:
            raise InputError(f"{file}: {name}: this model's {folder} has no such layer: a LoRA for another base")
        setattr(found.setdefault((folder, layer), Change()), role, name)
    for (folder, layer), change in found.items():
        _check(file, change, shapes, networks[folder], layer)
    _scales(file, found, shapes)
    return found


def _check(file: Path, change: Change, shapes: Mapping[str, Shape], tensors: Mapping[str, Shape], layer: str) -> None:
    if not (change.down and change.up):
        name = change.down or change.up or change.alpha
        raise InputError(f"{file}: {name}: one of two factors, the other is missing; download or copy the file again")
    weight, down, up = tensors[f"{layer}.weight"], shapes[change.down], shapes[change.up]
    product = (*up[:1], *down[1:]) if len(up) >= 2 and len(down) >= 2 and up[1] == down[0] else None
    # A 1 x 1 convolution may be given as a linear.
    if product is None or (product != weight and (*product, 1, 1) != weight) or any(side != 1 for side in up[2:]):
        found = f"{down} and {up}, which make {product}" if product else f"{down} and {up}, which have no product"
        raise InputError(
            f"{file}: {change.down}: found {found}; this model's {layer}.weight is {weight}: a LoRA for another base"
        )


def _scales(file: Path, found: Changes, shapes: Mapping[str, Shape]) -> None:
    """What newer diffusers writes into a file's metadata: PEFT's settings of each network."""
    from safetensors import safe_open

    with safe_open(file, "np") as opened:
        text = (opened.metadata() or {}).get(_METADATA)
    if not text:
        return
    try:
        said: dict[str, Any] = json.loads(text)
    except ValueError:
        raise InputError(f"{file}: {_METADATA}: not valid JSON") from None
    for (folder, layer), change in found.items():
        if said.get(f"{folder}.use_dora"):
            raise InputError(f"{file}: {folder}: DoRA, which isn't a product of two factors; needs a plain LoRA")
        rank = shapes[change.down][0]
        alpha = _pattern(said.get(f"{folder}.alpha_pattern"), layer, said.get(f"{folder}.lora_alpha"))
        if alpha is not None and not change.alpha:
            change.scale = float(alpha) / (rank**0.5 if said.get(f"{folder}.use_rslora") else rank)


def _pattern(patterns: Any, layer: str, default: Any) -> Any:
    """The value of the pattern that a layer's name ends in, as PEFT reads it."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", layer):
            return value
    return default


def problems_of(file: Path, networks: Networks) -> Iterator[str]:
    """Why a file can't be added to these networks."""
    if not file.is_file():
        yield f"{file}: {'is a folder; needs a .safetensors file' if file.exists() else 'no such file'}"
        return
    try:
        changes_of(file, networks)
    except InputError as error:
        yield error.line
