"""What exemptions cost on the published networks, counted without weights."""

from __future__ import annotations

import pytest

from workbench.compress.quantize.policies import Layer, Policy, cost, exempt
from workbench.errors import InputError
from workbench.models.families.stable_diffusion.architectures import UNETS
from workbench.models.families.stable_diffusion.policies import POLICIES
from workbench.models.unet import meta_unet
from workbench.runtimes.torch.counting import count_unet


def _layers(name: str) -> list[Layer]:
    macs = {layer.layer: layer.macs for layer in count_unet(UNETS[name]).layers}
    modules = meta_unet(UNETS[name]).named_modules()
    return [
        Layer(path, m.weight.numel(), macs[path]) for path, m in modules if type(m).__name__ in ("Conv2d", "Linear")
    ]


@pytest.fixture(scope="module")
def tiny() -> list[Layer]:
    return _layers("bk-tiny")


def test_layers_of_the_published_networks(tiny):
    assert len(tiny) == 151
    assert round(sum(layer.weights for layer in tiny) / 1e6, 2) == 323.18
    assert round(sum(layer.macs for layer in tiny) / 1e9, 2) == 204.95
    assert len(_layers("sd-v1")) == 282


@pytest.mark.parametrize(
    ("policy", "layers", "weights", "macs"),
    [
        ("none", 0, 0.0, 0.0),
        ("edges", 2, 0.01, 0.05),
        ("time", 11, 3.30, 0.01),
        ("shortcuts", 8, 2.82, 2.87),
        ("text_kv", 18, 3.19, 0.39),
        ("ff_out", 9, 7.98, 7.37),
        ("nvidia", 21, 6.12, 2.92),
        ("qdiffusion", 0, 0.0, 0.0),
        ("edgefusion", 0, 0.0, 0.0),
        ("ptqd", 2, 0.01, 0.05),
        ("tfmq", 13, 3.30, 0.05),
    ],
)
def test_cost_of_each_policy_on_bk_tiny(tiny, policy: Policy, layers, weights, macs):
    found = cost(tiny, exempt(tiny, policy))
    assert found["layers"] == layers
    assert round(100 * found["weights_share"], 2) == weights
    assert round(100 * found["macs_share"], 2) == macs


def test_the_shortcuts_that_a_policy_splits_are_six_on_bk_tiny(tiny):
    found = cost(tiny, [path for path in exempt(tiny, "shortcuts") if path.startswith("up_blocks")])
    shares = [round(100 * found[f"{what}_share"], 2) for what in ("weights", "macs")]
    assert [found["layers"], *shares] == [6, 2.50, 2.66]


def test_mixdq_exempts_its_nine_released_layers_of_sdxl():
    import torch
    from diffusers import UNet2DConditionModel

    config = {
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "use_linear_projection": True,
    }
    with torch.device("meta"):
        modules = dict(UNet2DConditionModel(**config).named_modules())
    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    layers = [Layer(path, 0, 0) for path, module in modules.items() if isinstance(module, kinds)]
    down = "down_blocks.2.attentions.1.transformer_blocks"
    assert sorted(exempt(layers, "mixdq")) == sorted(
        [
            *("conv_in", "conv_out", "down_blocks.0.resnets.0.conv2", "up_blocks.2.resnets.2.conv_shortcut"),
            *(f"{down}.{i}.ff.net.2" for i in (5, 6, 7, 8)),
            "up_blocks.0.attentions.0.transformer_blocks.0.ff.net.2",
        ]
    )


@pytest.mark.parametrize(
    ("policy", "split", "first_token", "softmax_bits"),
    [
        ("nvidia", False, False, None),
        ("qdiffusion", True, False, 16),
        ("quest", True, False, 16),
        ("mixdq", True, True, None),
        ("apple", False, False, 8),
        ("qualcomm", False, False, 16),
        ("edgefusion", False, False, None),
    ],
)
def test_what_each_published_method_treats_apart(policy: Policy, split, first_token, softmax_bits):
    found = POLICIES[policy]
    assert (found.shortcut_split, found.first_token, found.softmax_bits) == (split, first_token, softmax_bits)


def test_every_published_set_names_its_source_and_softmax_bits_go_with_quantized_attention():
    generic = {"none", "edges", "time", "edges_time", "shortcuts", "text_kv", "ff_out"}
    for name, found in POLICIES.items():
        assert (found.attention == "quantized") == (found.softmax_bits is not None)
        assert (found.source == "a generic set") == (name in generic)
        assert bool(found.note) == (name not in generic)


def test_a_policy_written_for_u_nets_exempts_nothing_elsewhere_but_ones_own_pattern_must_match():
    layers = [Layer(f"encoder.layers.{i}.mlp.fc1", 1, 1) for i in range(3)]
    assert all(exempt(layers, name) == {} for name in POLICIES)
    with pytest.raises(
        InputError,
        match=r"^quantize\.exempt\.patterns: 'layers\.9' matches none of text_encoder's 3 layers\n.*encoder\.layers\.",
    ):
        exempt(layers, "nvidia", [r"layers.9"], component="text_encoder")


def test_patterns_add_to_the_policy_and_each_layer_has_its_reason(tiny):
    found = exempt(tiny, "edges", [r"conv_in", r"up_blocks\.2\..*\.to_out"])
    assert found["conv_in"] == "policy edges"
    others = [path for path in found if path not in ("conv_in", "conv_out")]
    assert len(others) == 4 and all(found[path].startswith("pattern") for path in others)


def test_a_pattern_that_matches_nothing_is_refused_with_the_nearest_layer(tiny):
    with pytest.raises(InputError, match=r"'conv_inn' matches none of the denoiser's 151 layers\n.*conv_in"):
        exempt(tiny, "none", ["conv_inn"])
