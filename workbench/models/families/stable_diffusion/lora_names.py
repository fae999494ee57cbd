"""Where the tensors of a LoRA file belong: network, layer, and which factor of the change.

Forms: diffusers' and PEFT's (``unet.….lora_A.weight``, ``….lora.down.weight``), diffusers' first
(``….processor.to_q_lora.down.weight``), and kohya's (``lora_unet_….lora_down.weight`` with ``….alpha``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

DOWN, UP, ALPHA = "down", "up", "alpha"
"""The factors: weight + scale · alpha / rank · up · down."""
_UNET, _TEXT = "unet", "text_encoder"
_ENDS = {
    "lora_A.weight": DOWN,
    "lora_B.weight": UP,
    "lora.down.weight": DOWN,
    "lora.up.weight": UP,
    "lora_down.weight": DOWN,
    "lora_up.weight": UP,
    "lora_linear_layer.down.weight": DOWN,
    "lora_linear_layer.up.weight": UP,
    "alpha": ALPHA,
}
_FIRST_FORM = re.compile(r"^(?P<path>.+?)(\.processor)?\.to_(?P<to>q|k|v|out)_lora\.(?P<end>down|up)\.weight$")
_KOHYA = {"lora_unet_": _UNET, "lora_te_": _TEXT}
_TO = {
    _UNET: {"q": "to_q", "k": "to_k", "v": "to_v", "out": "to_out.0"},
    _TEXT: {"q": "q_proj", "k": "k_proj", "v": "v_proj", "out": "out_proj"},
}
_PREFIX = "text_model"
"""Of a text encoder's layers in files of older libraries."""
Layers = Mapping[str, Collection[str]]
"""Network's folder to the names of its layers."""


def place(name: str, layers: Layers) -> tuple[str, str | None, str | None]:
    """The network's folder, the layer (None: it hasn't that), and the factor (None: in no form that is known)."""
    for start, folder in _KOHYA.items():
        if name.startswith(start):
            flat, _, end = name.removeprefix(start).partition(".")
            flat = flat.removeprefix(f"{_PREFIX}_") if folder == _TEXT else flat
            known = {layer.replace(".", "_"): layer for layer in layers.get(folder, ())}
            return folder, known.get(flat), _ENDS.get(end)
    folder = _TEXT if name.startswith(f"{_TEXT}.") else _UNET
    path = name.removeprefix(f"{folder}.")
    path = path.removeprefix(f"{_PREFIX}.") if folder == _TEXT else path
    if old := _FIRST_FORM.match(path):
        layer, role = f"{old['path']}.{_TO[folder][old['to']]}", str(old["end"])
        return folder, layer if layer in layers.get(folder, ()) else None, role
    ending = next((ending for ending in _ENDS if path.endswith(f".{ending}")), "")
    layer = path.removesuffix(f".{ending}")
    return folder, layer if layer in layers.get(folder, ()) else None, _ENDS.get(ending)
