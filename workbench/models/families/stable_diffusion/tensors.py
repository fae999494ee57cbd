"""The tensors of Stable Diffusion's networks by name, with their shapes, from the configs alone.

Building the networks to ask them takes 10 s, nearly all of it for loading torch and diffusers; a recipe is checked in
less. A test holds every name and shape against the networks of those libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.models.weights import Shape

if TYPE_CHECKING:
    from workbench.models.families.stable_diffusion.configs import KLConfig, TextConfig, TinyConfig, UNetConfig


class Tensors(dict[str, Shape]):
    """Name to shape; each method adds the weights of a module that lies at ``path``."""

    def linear(self, path: str, inside: int, outside: int, kernel: tuple[int, ...] = (), bias: bool = True) -> None:
        """A linear; with a ``kernel`` a convolution."""
        self[f"{path}.weight"] = (outside, inside, *kernel)
        if bias:
            self[f"{path}.bias"] = (outside,)

    def conv(self, path: str, inside: int, outside: int, side: int = 3, bias: bool = True) -> None:
        """A convolution of ``side`` x ``side``."""
        self.linear(path, inside, outside, (side, side), bias)

    def norm(self, path: str, width: int) -> None:
        """A norm with weight and bias."""
        self[f"{path}.weight"] = self[f"{path}.bias"] = (width,)

    def resnet(self, path: str, inside: int, outside: int, time: int | None) -> None:
        """A ``ResnetBlock2D``; ``time``: width of the embedded timestep, where it takes one."""
        self.norm(f"{path}.norm1", inside)
        self.conv(f"{path}.conv1", inside, outside)
        if time:
            self.linear(f"{path}.time_emb_proj", time, outside)
        self.norm(f"{path}.norm2", outside)
        self.conv(f"{path}.conv2", outside, outside)
        if inside != outside:
            self.conv(f"{path}.conv_shortcut", inside, outside, 1)

    def attention(self, path: str, width: int, context: int, bias: bool = False) -> None:
        """Projections to queries of ``width``, keys and values of ``context``, and out."""
        for name, inside in (("to_q", width), ("to_k", context), ("to_v", context)):
            self.linear(f"{path}.{name}", inside, width, bias=bias)
        self.linear(f"{path}.to_out.0", width, width)

    def transformer(self, path: str, width: int, context: int, depth: int, linear: bool) -> None:
        """A ``Transformer2DModel``: its projections are linears or convolutions of 1 x 1."""
        self.norm(f"{path}.norm", width)
        for name in ("proj_in", "proj_out"):
            self.linear(f"{path}.{name}", width, width, () if linear else (1, 1))
        for i in range(depth):
            block = f"{path}.transformer_blocks.{i}"
            for name in ("norm1", "norm2", "norm3"):
                self.norm(f"{block}.{name}", width)
            self.attention(f"{block}.attn1", width, width)
            self.attention(f"{block}.attn2", width, context)
            self.linear(f"{block}.ff.net.0.proj", width, 8 * width)
            self.linear(f"{block}.ff.net.2", 4 * width, width)


def of_unet(config: UNetConfig) -> Tensors:
    """Of a ``UNet2DConditionModel``."""
    tensors, widths = Tensors(), config.block_out_channels
    first, last, time = widths[0], len(widths) - 1, config.time_embedding_dim or 4 * widths[0]
    layers, depths = config.each(config.layers_per_block), config.each(config.transformer_layers_per_block)

    def attended(path: str, width: int, depth: int) -> None:
        tensors.transformer(path, width, config.cross_attention_dim, depth, config.use_linear_projection)

    tensors.conv("conv_in", config.in_channels, first)
    tensors.linear("time_embedding.linear_1", first, time)
    tensors.linear("time_embedding.linear_2", time, time)
    if config.time_cond_proj_dim:
        tensors.linear("time_embedding.cond_proj", config.time_cond_proj_dim, first, bias=False)
    for i, width in enumerate(widths):
        block, inside = f"down_blocks.{i}", widths[max(i - 1, 0)]
        for j in range(layers[i]):
            tensors.resnet(f"{block}.resnets.{j}", width if j else inside, width, time)
            if config.down_block_types[i].startswith("CrossAttn"):
                attended(f"{block}.attentions.{j}", width, depths[i])
        if i < last:
            tensors.conv(f"{block}.downsamplers.0.conv", width, width)
    if config.mid_block_type:
        for j in range(2):
            tensors.resnet(f"mid_block.resnets.{j}", widths[-1], widths[-1], time)
        attended("mid_block.attentions.0", widths[-1], depths[-1])
    for i, width in enumerate(reversed(widths)):
        block, level = f"up_blocks.{i}", last - i
        before, skipped = widths[min(level + 1, last)], widths[max(level - 1, 0)]
        for j in range(layers[level] + 1):
            skip = skipped if j == layers[level] else width
            tensors.resnet(f"{block}.resnets.{j}", (width if j else before) + skip, width, time)
            if config.up_block_types[i].startswith("CrossAttn"):
                attended(f"{block}.attentions.{j}", width, depths[level])
        if level:
            tensors.conv(f"{block}.upsamplers.0.conv", width, width)
    tensors.norm("conv_norm_out", first)
    tensors.conv("conv_out", first, config.out_channels)
    return tensors


def of_kl(config: KLConfig) -> Tensors:
    """Of an ``AutoencoderKL``."""
    tensors, widths, latent = Tensors(), config.block_out_channels, config.latent_channels
    last = len(widths) - 1
    levels = {"encoder": list(enumerate(widths)), "decoder": list(enumerate(reversed(widths)))}
    for side, blocks in levels.items():
        down, up = side == "encoder", side == "decoder"
        before = blocks[0][1]
        tensors.conv(f"{side}.conv_in", config.in_channels if down else latent, before)
        for i, width in blocks:
            block = f"{side}.{'down' if down else 'up'}_blocks.{i}"
            for j in range(config.layers_per_block + up):
                tensors.resnet(f"{block}.resnets.{j}", width if j else before, width, None)
            if i < last:
                tensors.conv(f"{block}.{'down' if down else 'up'}samplers.0.conv", width, width)
            before = width
        for j in range(2):
            tensors.resnet(f"{side}.mid_block.resnets.{j}", widths[-1], widths[-1], None)
        if config.mid_block_add_attention:
            tensors.norm(f"{side}.mid_block.attentions.0.group_norm", widths[-1])
            tensors.attention(f"{side}.mid_block.attentions.0", widths[-1], widths[-1], bias=True)
        tensors.norm(f"{side}.conv_norm_out", before)
        tensors.conv(f"{side}.conv_out", before, 2 * latent if down else config.out_channels)
    if config.use_quant_conv:
        tensors.conv("quant_conv", 2 * latent, 2 * latent, 1)
    if config.use_post_quant_conv:
        tensors.conv("post_quant_conv", latent, latent, 1)
    return tensors


def of_tiny(config: TinyConfig) -> Tensors:
    """Of an ``AutoencoderTiny``."""
    tensors = Tensors()

    def blocks(side: str, at: int, count: int, width: int) -> int:
        for i in range(at, at + count):
            for j in (0, 2, 4):
                tensors.conv(f"{side}.layers.{i}.conv.{j}", width, width)
        return at + count

    (width, *_), at = config.encoder_block_out_channels, 0
    for i, count in enumerate(config.num_encoder_blocks):
        tensors.conv(f"encoder.layers.{at}", width if i else config.in_channels, width, bias=not i)
        at = blocks("encoder", at + 1, count, width)
    tensors.conv(f"encoder.layers.{at}", width, config.latent_channels)

    (width, *_), at, last = config.decoder_block_out_channels, 2, len(config.num_decoder_blocks) - 1
    tensors.conv("decoder.layers.0", config.latent_channels, width)
    for i, count in enumerate(config.num_decoder_blocks):
        at = blocks("decoder", at, count, width) + (i < last)  # an upsampling has a place but no weights
        tensors.conv(f"decoder.layers.{at}", width, width if i < last else config.out_channels, bias=i == last)
        at += 1
    return tensors


def of_text(config: TextConfig) -> Tensors:
    """Of a ``CLIPTextModel``; older files have ``text_model.`` before every name."""
    tensors, width = Tensors(), config.hidden_size
    tensors["embeddings.token_embedding.weight"] = (config.vocab_size, width)
    tensors["embeddings.position_embedding.weight"] = (config.max_position_embeddings, width)
    for i in range(config.num_hidden_layers):
        layer = f"encoder.layers.{i}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            tensors.linear(f"{layer}.self_attn.{name}", width, width)
        tensors.linear(f"{layer}.mlp.fc1", width, config.intermediate_size)
        tensors.linear(f"{layer}.mlp.fc2", config.intermediate_size, width)
        for name in ("layer_norm1", "layer_norm2"):
            tensors.norm(f"{layer}.{name}", width)
    tensors.norm("final_layer_norm", width)
    return tensors
