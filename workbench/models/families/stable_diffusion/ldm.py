"""What the tensors of Stable Diffusion's networks are called in a single-file checkpoint (CompVis, Stability)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from workbench.models.weights import Shape

UNET, VAE, CLIP, OPEN_CLIP = (
    "model.diffusion_model.",
    "first_stage_model.",
    "cond_stage_model.transformer.text_model.",
    "cond_stage_model.model.",
)
"""What the names of each network start with; SD-v1's files have CLIP, v2's OpenCLIP."""
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_OPEN = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}
_OPEN_LAYER = {
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
_PROJECTIONS = re.compile(r"self_attn\.([qkv])_proj\.(weight|bias)$")


def unet_tensors(tensors: Mapping[str, Shape], layers: int) -> dict[str, Shape]:
    """Names in a single file and shapes of a U-Net's ``tensors``, which has ``layers`` a level (diffusers' names)."""
    attended = {name.split(".attentions")[0] for name in tensors if ".attentions." in name}
    return {UNET + _unet(name, layers, attended): shape for name, shape in tensors.items()}


def _unet(name: str, layers: int, attended: set[str]) -> str:
    path, _, kind = name.rpartition(".")
    if path in _ENDS:
        return f"{_ENDS[path]}.{kind}"
    side, *rest = name.split(".")
    if side == "mid_block":
        what, j, *inner = rest
        return f"middle_block.{2 * int(j) if what == 'resnets' else 1}.{_inner(what, inner)}"
    block, what, j, *inner = rest
    first = int(block) * (layers + 1)
    if what == "downsamplers":
        return f"input_blocks.{first + layers + 1}.0.op.{kind}"
    if what == "upsamplers":
        return f"output_blocks.{first + layers}.{2 if f'{side}.{block}' in attended else 1}.conv.{kind}"
    where = f"input_blocks.{first + int(j) + 1}" if side == "down_blocks" else f"output_blocks.{first + int(j)}"
    return f"{where}.{0 if what == 'resnets' else 1}.{_inner(what, inner)}"


def _inner(what: str, inner: list[str]) -> str:
    first, *rest = inner
    return ".".join([_RESNET[first] if what == "resnets" else first, *rest])


def vae_tensors(tensors: Mapping[str, Shape], levels: int) -> dict[str, Shape]:
    """The same of an autoencoder of so many levels; its attention's linears are convolutions of 1 x 1 there."""
    named = {}
    for name, shape in tensors.items():
        linear = re.search(r"attentions\.0\.to_\w+(\.0)?\.weight$", name) is not None
        named[VAE + _vae(name, levels)] = (*shape, 1, 1) if linear else shape
    return named


def _vae(name: str, levels: int) -> str:
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
    name = re.sub(
        r"mid_block\.attentions\.0\.(group_norm|to_q|to_k|to_v|to_out\.0)",
        lambda m: f"mid.attn_1.{_ATTENTION[m[1]]}",
        name,
    )
    name = re.sub(r"down_blocks\.(\d+)\.resnets", r"down.\1.block", name)
    name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d+)\.resnets", lambda m: f"up.{levels - 1 - int(m[1])}.block", name)
    return re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", name)


def clip_tensors(tensors: Mapping[str, Shape]) -> dict[str, Shape]:
    """The same of a text encoder in SD-v1's files."""
    return {CLIP + name: shape for name, shape in tensors.items()}


def open_clip_tensors(tensors: Mapping[str, Shape]) -> dict[str, Shape]:
    """The same in SD-v2's files, where queries, keys and values are one matrix."""
    named = {}
    for name, shape in tensors.items():
        if found := _PROJECTIONS.search(name):
            layer, kind = name.split(".")[2], found[2]
            named[f"{OPEN_CLIP}transformer.resblocks.{layer}.attn.in_proj_{kind}"] = (3 * shape[0], *shape[1:])
        else:
            named[OPEN_CLIP + _open(name)] = shape
    return named


def _open(name: str) -> str:
    if name in _OPEN:
        return _OPEN[name]
    _, _, layer, *inner = name.split(".")
    path, _, kind = ".".join(inner).rpartition(".")
    return f"transformer.resblocks.{layer}.{_OPEN_LAYER[path]}.{kind}"


TEXTS: Mapping[str, Callable[[Mapping[str, Shape]], dict[str, Shape]]] = {
    CLIP: clip_tensors,
    OPEN_CLIP: open_clip_tensors,
}
"""How a text encoder is named, by what its names start with."""
