"""MACs and parameters of published networks, exactly, from their configs alone."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from workbench.errors import InputError
from workbench.models.architectures import ARCHITECTURES, SD_V1_TEXT_ENCODER, SD_VAE, architecture
from workbench.profile.counting import count_component, count_text_encoder, count_unet, count_vae_decoder
from workbench.profile.macs import ROOT, count
from workbench.profile.onnx_macs import count_graph

# Parameters, MACs of convolutions and linears, MACs with the products of attention; at 64×64 latents and 77 tokens.
# Parameters and the roundings of v1 are published (BK-SDM and its audits); the exact MACs are what they round.
KNOWN = {
    "sd-v1": (859_520_964, 338_610_585_600, 401_636_720_640),
    "bk-base": (579_384_964, 223_672_074_240, 261_496_995_840),
    "bk-small": (482_346_884, 217_645_383_680, 255_447_203_840),
    "bk-tiny": (323_384_964, 204_952_698_880, 242_754_519_040),
    "sd-v2": (865_910_724, 339_102_597_120, 402_128_732_160),
    "bk-v2-base": (583_480_964, 223_987_466_240, 261_812_387_840),
    "bk-v2-small": (485_787_524, 217_910_312_960, 255_712_133_120),
    "bk-v2-tiny": (326_825_604, 205_217_628_160, 243_019_448_320),
}
PUBLISHED_GMACS = {
    "sd-v1": (338.61, 401.64),
    "bk-base": (223.67, 261.50),
    "bk-small": (217.65, 255.45),
    "bk-tiny": (204.95, 242.75),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_published_unets_are_counted_exactly(name):
    counted = count_unet(ARCHITECTURES[name])
    assert (counted.params, counted.macs, counted.macs_with_attention) == KNOWN[name]
    assert counted.uncounted == {}
    if name in PUBLISHED_GMACS:
        assert (round(counted.macs / 1e9, 2), round(counted.macs_with_attention / 1e9, 2)) == PUBLISHED_GMACS[name]


def test_text_encoder_and_decoder_are_counted_exactly():
    text = count_text_encoder(SD_V1_TEXT_ENCODER)
    assert (text.params, text.macs, text.macs_with_attention) == (123_060_480, 6_539_968_512, 6_649_251_840)
    decoder = count_vae_decoder(SD_VAE)
    own = 4 * 4 + 4  # post_quant_conv, which published counts leave out
    assert decoder.params == 49_490_179 + own
    assert (decoder.macs, decoder.macs_with_attention) == (1_240_079_597_568, 1_257_259_466_752)
    assert text.uncounted == decoder.uncounted == {}


def test_a_layer_has_its_own_work_and_no_other():
    layers = {layer.layer: layer for layer in count_unet(ARCHITECTURES["bk-tiny"]).layers}
    attention = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"
    assert layers["conv_in"].macs == 64 * 64 * 320 * 4 * 9 and layers["conv_in"].attention_macs == 0
    assert layers[f"{attention}.to_q"].macs == 4096 * 320 * 320
    assert layers[attention].attention_macs == 2 * 4096 * 4096 * 320 and layers[attention].macs == 0
    assert layers["conv_in"].params == 320 * 4 * 9 + 320
    assert layers["conv_in"].activation_bytes == 320 * 64 * 64 * 4
    assert layers["conv_norm_out"].macs == 0 and layers["conv_norm_out"].element_ops > 0


def test_totals_are_those_of_torchs_own_counter():
    from diffusers import UNet2DConditionModel

    config = architecture("bk-tiny")
    with torch.device("meta"):
        unet = UNet2DConditionModel(**config).eval()
        inputs = torch.empty(1, 4, 64, 64), torch.empty(1), torch.empty(1, 77, 768)
        with FlopCounterMode(display=False) as theirs, torch.no_grad():
            unet(*inputs)
    assert count(unet, *inputs).macs_with_attention * 2 == theirs.get_total_flops()


def test_what_cannot_be_counted_is_listed_by_name():
    class Odd(torch.nn.Module):
        def forward(self, x):
            return torch.linalg.qr(torch.fft.fft(x).abs()).R @ x

    with torch.device("meta"):
        counted = count(Odd(), torch.empty(8, 8))
    assert set(counted.uncounted) == {"_fft_r2c", "linalg_qr"}
    assert counted.macs == 8**3 and counted.layers[0].layer == ROOT


def test_graph_and_module_agree_layer_by_layer(exported, quantized_unet, demo_candidate):
    def products(counted):
        return {x.layer: (x.macs, x.attention_macs) for x in counted.layers if x.macs or x.attention_macs}

    for name, file in exported.items():
        torch_count = count_component(name, demo_candidate.components[name].path, 16, 24)
        graph_count = count_graph(file).count
        assert products(graph_count) == products(torch_count)
        assert graph_count.params == torch_count.params and graph_count.uncounted == {}
        if name == "unet":
            assert products(count_graph(quantized_unet).count) == products(torch_count)


def test_weights_are_counted_at_the_precision_that_is_stored(exported, quantized_unet):
    before, after = count_graph(exported["unet"]).weight_bytes, count_graph(quantized_unet).weight_bytes
    layer = "down_blocks.0.resnets.0.conv1"
    assert before[layer] == 4 * (64 * 64 * 9 + 64)
    weights, channels, activations = 64 * 64 * 9, 64, 2
    # int8 weights, their zero points, and as 4 bytes per channel: bias, its scale and zero point, the weights' scale.
    assert after[layer] == weights + channels + 4 * 4 * channels + 5 * activations


def test_an_unknown_architecture_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match=r"did you mean bk-tiny\?"):
        architecture("bk-tini")


def test_a_file_that_is_no_onnx_is_refused(tmp_path):
    file = tmp_path / "model.onnx"
    file.write_bytes(b"no onnx at all")
    with pytest.raises(InputError, match="not an ONNX file"):
        count_graph(file)
    with pytest.raises(InputError, match="no such file"):
        count_graph(tmp_path / "none.onnx")
