"""MACs and parameters of published networks, exactly, from their configs alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from workbench.errors import InputError
from workbench.models.families import architecture
from workbench.models.families.stable_diffusion import FAMILY
from workbench.models.families.stable_diffusion.architectures import UNETS
from workbench.runtimes.torch.counting import count_component, count_unet

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


@pytest.mark.parametrize("name", KNOWN)
def test_published_unets_are_counted_exactly(name):
    counted = count_unet(UNETS[name])
    assert (counted.params, counted.macs, counted.macs_with_attention) == KNOWN[name]
    assert counted.uncounted == {}
    if name in PUBLISHED_GMACS:
        assert (round(counted.macs / 1e9, 2), round(counted.macs_with_attention / 1e9, 2)) == PUBLISHED_GMACS[name]


def _counted(name, folder):
    """A component of SD-v1, by its config alone."""
    configs, part = FAMILY.architectures["sd-v1"], FAMILY.part(name)
    (folder / "config.json").write_text(json.dumps(configs[name]))
    return count_component(part, folder, part.spec(configs.__getitem__).seeded())


def test_text_encoder_and_decoder_are_counted_exactly(tmp_path):
    text, decoder = (_counted(name, tmp_path) for name in ("text_encoder", "vae_decoder"))
    assert (text.params, text.macs, text.macs_with_attention) == (123_060_480, 6_539_968_512, 6_649_251_840)
    own = 4 * 4 + 4  # post_quant_conv, which published counts leave out
    assert decoder.params == 49_490_179 + own
    assert (decoder.macs, decoder.macs_with_attention) == (1_240_079_597_568, 1_257_259_466_752)
    assert text.uncounted == decoder.uncounted == {}


def test_a_layer_has_its_own_work_and_no_other():
    layers = {layer.layer: layer for layer in count_unet(UNETS["bk-tiny"]).layers}
    attention = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"
    assert layers["conv_in"].macs == 64 * 64 * 320 * 4 * 9 and layers["conv_in"].attention_macs == 0
    assert layers[f"{attention}.to_q"].macs == 4096 * 320 * 320
    assert layers[attention].attention_macs == 2 * 4096 * 4096 * 320 and layers[attention].macs == 0
    assert layers["conv_in"].params == 320 * 4 * 9 + 320
    assert layers["conv_in"].activation_bytes == 320 * 64 * 64 * 4
    assert layers["conv_norm_out"].macs == 0 and layers["conv_norm_out"].element_ops > 0


def test_latents_need_not_be_square(demo_candidate):
    def counted(name, latent, *sides):
        feed = demo_candidate.spec(name).seeded()
        folder = demo_candidate.components[name].path
        return count_component(FAMILY.part(name), folder, feed | {latent: np.zeros((1, 4, *sides), np.float32)}).macs

    assert counted("unet", "sample", 8, 32) == counted("unet", "sample", 16, 16) == 629_751_808
    assert counted("vae_decoder", "latent", 16, 32) == 2 * counted("vae_decoder", "latent", 16, 16)


def test_an_unknown_architecture_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match=r"did you mean bk-tiny\?"):
        architecture("bk-tini")


def test_a_folder_without_a_config_is_refused(tmp_path):
    with pytest.raises(InputError, match="missing"):
        count_component(FAMILY.denoiser, tmp_path, {})
