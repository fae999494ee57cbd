"""The configs of Stable Diffusion's networks that can be used: entries that say what the network is, and their values.

Names, defaults and meanings are those of diffusers and transformers. Entries that aren't here change nothing in them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from workbench.models.checked import NetworkConfig
from workbench.models.families.stable_diffusion.tensors import Tensors, of_kl, of_text, of_tiny, of_unet

Width = Annotated[int, Field(ge=1, le=65_536)]
Three = Annotated[int, Field(ge=3, le=3)]
Count = Annotated[int, Field(ge=1, le=128)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Floats = Literal["float32", "float16", "bfloat16"] | None
Activation = Literal["silu", "swish", "mish", "gelu", "relu"]
Levels = Annotated[list[Width], Field(min_length=1, max_length=16)]


def _false(value: bool) -> bool:
    if value:
        raise ValueError("should be false")
    return value


No = Annotated[bool, AfterValidator(_false)]


def _float(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f"should be written as a float, {value}.0: transformers takes no integer there")
    return value


Float = Annotated[Positive, BeforeValidator(_float)]
"""What transformers takes only as a float; diffusers takes either."""


def _agree(lists: dict[str, object], levels: int) -> None:
    for name, value in lists.items():
        if isinstance(value, list) and len(value) != levels:
            raise ValueError(f"{name} has {len(value)} entries and block_out_channels {levels}; need one a level")


def _groups(widths: list[int], groups: int) -> None:
    for width in widths:
        if width % groups:
            raise ValueError(f"norm_num_groups: {groups} don't divide the {width} of block_out_channels")


class UNetConfig(NetworkConfig):
    """Of a ``UNet2DConditionModel``."""

    class_: Literal["UNet2DConditionModel"] = Field("UNet2DConditionModel", alias="_class_name")
    block_out_channels: Levels
    down_block_types: list[Literal["CrossAttnDownBlock2D", "DownBlock2D"]]
    up_block_types: list[Literal["CrossAttnUpBlock2D", "UpBlock2D"]]
    layers_per_block: Count | list[Count]
    in_channels: Width
    cross_attention_dim: Width
    mid_block_type: Literal["UNetMidBlock2DCrossAttn"] | None = "UNetMidBlock2DCrossAttn"
    out_channels: Width = 4
    sample_size: Width | Annotated[list[Width], Field(min_length=2, max_length=2)] | None = None
    attention_head_dim: Width | list[Width] = 8
    num_attention_heads: None = None
    transformer_layers_per_block: Count | list[Count] = 1
    norm_num_groups: Width = 32
    norm_eps: Positive = 1e-5
    act_fn: Activation = "silu"
    use_linear_projection: bool = False
    upcast_attention: bool | None = False
    center_input_sample: bool = False
    flip_sin_to_cos: bool = True
    freq_shift: int = 0
    downsample_padding: Annotated[int, Field(ge=1, le=1)] = 1
    dropout: Share = 0
    mid_block_scale_factor: Positive = 1
    time_cond_proj_dim: Width | None = None
    time_embedding_dim: Width | None = None
    time_embedding_type: Literal["positional"] = "positional"
    resnet_time_scale_shift: Literal["default"] = "default"
    attention_type: Literal["default"] = "default"
    conv_in_kernel: Three = 3
    conv_out_kernel: Three = 3
    dual_cross_attention: No = False
    only_cross_attention: No = False
    class_embeddings_concat: No = False
    addition_embed_type: None = None
    class_embed_type: None = None
    num_class_embeds: None = None
    encoder_hid_dim: None = None
    encoder_hid_dim_type: None = None
    cross_attention_norm: None = None
    mid_block_only_cross_attention: None = None
    reverse_transformer_layers_per_block: None = None
    time_embedding_act_fn: None = None
    timestep_post_act: None = None

    @model_validator(mode="after")
    def _whole(self) -> UNetConfig:
        levels = len(self.block_out_channels)
        each = ("down_block_types", "up_block_types", "layers_per_block", "attention_head_dim")
        _agree({name: getattr(self, name) for name in (*each, "transformer_layers_per_block")}, levels)
        _groups(self.block_out_channels, self.norm_num_groups)
        for width, heads in zip(self.block_out_channels, self.heads, strict=True):
            if width % heads:
                raise ValueError(f"attention_head_dim: {heads} heads don't divide the {width} of block_out_channels")
        return self

    def tensors(self) -> Tensors:
        """Their shapes by name."""
        return of_unet(self)

    @property
    def heads(self) -> list[int]:
        """Heads of each level's attention: diffusers calls them ``attention_head_dim``."""
        return self.each(self.attention_head_dim)

    def each(self, value: int | list[int]) -> list[int]:
        """An entry that is one number for all levels or a list, as a list."""
        return value if isinstance(value, list) else [value] * len(self.block_out_channels)


class KLConfig(NetworkConfig):
    """Of an ``AutoencoderKL``."""

    class_: Literal["AutoencoderKL"] = Field("AutoencoderKL", alias="_class_name")
    block_out_channels: Levels
    down_block_types: list[Literal["DownEncoderBlock2D"]]
    up_block_types: list[Literal["UpDecoderBlock2D"]]
    latent_channels: Width
    layers_per_block: Count = 1
    in_channels: Three = 3
    out_channels: Three = 3
    sample_size: Width | Annotated[list[Width], Field(min_length=1)] = 32
    norm_num_groups: Width = 32
    act_fn: Activation = "silu"
    scaling_factor: Positive = 0.18215
    shift_factor: Annotated[float, Field(allow_inf_nan=False)] | None = None
    use_quant_conv: bool = True
    use_post_quant_conv: bool = True
    mid_block_add_attention: bool = True
    latents_mean: None = None
    latents_std: None = None

    @model_validator(mode="after")
    def _whole(self) -> KLConfig:
        each = {"down_block_types": self.down_block_types, "up_block_types": self.up_block_types}
        _agree(each, len(self.block_out_channels))
        _groups(self.block_out_channels, self.norm_num_groups)
        return self

    def tensors(self) -> Tensors:
        """Their shapes by name."""
        return of_kl(self)


class TinyConfig(NetworkConfig):
    """Of an ``AutoencoderTiny``."""

    class_: Literal["AutoencoderTiny"] = Field("AutoencoderTiny", alias="_class_name")
    encoder_block_out_channels: Levels
    decoder_block_out_channels: Levels
    num_encoder_blocks: list[Count]
    num_decoder_blocks: list[Count]
    latent_channels: Width
    in_channels: Three = 3
    out_channels: Three = 3
    act_fn: Activation = "relu"
    upsample_fn: Literal["nearest"] = "nearest"
    upsampling_scaling_factor: Literal[2] = 2
    scaling_factor: Positive = 1.0
    shift_factor: Annotated[float, Field(allow_inf_nan=False)] | None = 0.0

    @model_validator(mode="after")
    def _whole(self) -> TinyConfig:
        sides = (self.encoder_block_out_channels, self.decoder_block_out_channels)
        for widths, blocks in zip(sides, (self.num_encoder_blocks, self.num_decoder_blocks), strict=True):
            if len(widths) != len(blocks) or len(set(widths)) > 1:
                raise ValueError("block_out_channels: need to be as many as num_blocks, and all alike")
        return self

    def tensors(self) -> Tensors:
        """Their shapes by name."""
        return of_tiny(self)


class TextConfig(NetworkConfig):
    """Of a ``CLIPTextModel``, or the part of an older file that describes it."""

    model_type: Literal["clip_text_model", "clip"] = "clip_text_model"
    vocab_size: Annotated[int, Field(ge=1, le=1_000_000)]
    hidden_size: Width
    intermediate_size: Width
    num_hidden_layers: Count
    num_attention_heads: Count
    max_position_embeddings: Annotated[int, Field(ge=2, le=4096)] = 77
    hidden_act: Literal["quick_gelu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu"] = "quick_gelu"
    layer_norm_eps: Float = 1e-5
    attention_dropout: Share = 0
    initializer_range: Float = 0.02
    initializer_factor: Float = 1.0
    projection_dim: Width | None = None
    bos_token_id: int | None = None
    eos_token_id: int = 49407
    pad_token_id: int | None = None
    dtype: Floats = None
    torch_dtype: Floats = None

    @model_validator(mode="after")
    def _whole(self) -> TextConfig:
        if self.hidden_size % self.num_attention_heads:
            what = f"{self.num_attention_heads} don't divide the hidden_size of {self.hidden_size}"
            raise ValueError(f"num_attention_heads: {what}")
        return self

    def tensors(self) -> Tensors:
        """Their shapes by name."""
        return of_text(self)


SCHEMAS: dict[str, type[NetworkConfig]] = {
    "UNet2DConditionModel": UNetConfig,
    "AutoencoderKL": KLConfig,
    "AutoencoderTiny": TinyConfig,
    "CLIPTextModel": TextConfig,
}
