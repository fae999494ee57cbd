"""What a weight file that stands alone holds, told from the names and shapes in its header."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.models.families.stable_diffusion import ldm
from workbench.models.weights import Shape

_FIRST = f"{ldm.UNET}input_blocks.0.0.weight"
_OTHERS: Mapping[str, str] = {
    "conditioner.embedders.": "Stable Diffusion XL, with two text encoders",
    f"{ldm.UNET}label_emb.": "Stable Diffusion XL, or another with further embeddings",
    f"{ldm.UNET}joint_blocks.": "Stable Diffusion 3",
    "joint_blocks.": "Stable Diffusion 3",
    f"{ldm.UNET}double_blocks.": "Flux",
    "double_blocks.": "Flux",
    "caption_projection.": "PixArt",
    f"{ldm.UNET}transformer_blocks.": "a diffusion transformer",
    "transformer_blocks.": "a diffusion transformer",
    "control_model.": "a ControlNet",
    "controlnet_": "a ControlNet",
    "emb_params": "a textual inversion",
    "string_to_param": "a textual inversion",
}
"""What names start with in the files of others."""
_ONE: Mapping[str, str] = {
    "down_blocks.": "unet/",
    "encoder.down_blocks.": "vae/",
    "text_model.encoder.": "text_encoder/",
    "encoder.layers.": "text_encoder/",
}
"""One network in the names of diffusers, with the folder that it belongs into."""


def is_lora(shapes: Mapping[str, Shape]) -> bool:
    """Whether a file holds low-rank changes, in any of their forms."""
    signs = (
        ".lora_down.",
        ".lora_up.",
        ".lora_A.",
        ".lora_B.",
        ".lora.down.",
        ".lora.up.",
        "_lora.",
        ".hada_",
        ".lokr_",
    )
    return any(sign in name for name in shapes for sign in signs)


def not_a_checkpoint(shapes: Mapping[str, Shape]) -> str | None:
    """Why a file can't be read as a single-file checkpoint of Stable Diffusion 1 or 2; None where it can."""
    if is_lora(shapes):
        return "holds a LoRA, not a model; put it on top of one: model: {path: MODEL, loras: [{path: THIS FILE}]}"
    needs = "needs one of Stable Diffusion 1 or 2"
    for start, what in _OTHERS.items():
        if any(name.startswith(start) for name in shapes):
            return f"holds {what}; {needs}"
    for start, folder in _ONE.items():
        if any(name.startswith(start) for name in shapes):
            return f"holds one network in the names of diffusers; it belongs into the {folder} of a pipeline's folder"
    if _FIRST not in shapes:
        return f"holds no checkpoint (no {_FIRST}); {needs}"
    if len(shape := shapes[_FIRST]) == 4 and shape[1] != 4:
        what = "inpainting and editing models, which take a picture as well, can't be drawn with"
        return f"{_FIRST} takes {shape[1]} channels; needs 4 ({what})"
    if not any(name.startswith((ldm.CLIP, ldm.OPEN_CLIP)) for name in shapes):
        return f"holds no text encoder (no {ldm.CLIP}… or {ldm.OPEN_CLIP}…); needs the whole checkpoint"
    if not any(name.startswith(ldm.VAE) for name in shapes):
        return f"holds no autoencoder (no {ldm.VAE}…); needs the whole checkpoint"
    return None
