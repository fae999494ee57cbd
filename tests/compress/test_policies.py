"""What exemptions cost on the published networks, counted without weights."""

from __future__ import annotations

import pytest

from workbench.compress.policies import Layer, Policy, cost, exempt, quantizable_layers
from workbench.errors import InputError
from workbench.models.architectures import ARCHITECTURES


def _layers(name: str) -> list[Layer]:
    import torch
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        return quantizable_layers(UNet2DConditionModel.from_config(ARCHITECTURES[name]))


@pytest.fixture(scope="module")
def tiny() -> list[Layer]:
    return _layers("bk-tiny")


def test_quantizable_layers_of_the_published_networks(tiny):
    assert len(tiny) == 151
    assert round(sum(layer.weights for layer in tiny) / 1e6, 2) == 323.18
    assert round(sum(layer.macs for layer in tiny) / 1e9, 2) == 204.95
    assert len(_layers("sd-v1")) == 282


@pytest.mark.parametrize(
    ("policy", "layers", "weights", "macs"),
    [
        ("none", 0, 0.0, 0.0),
        ("edges", 2, 0.01, 0.05),
        ("shortcuts", 8, 2.82, 2.87),
        ("text_kv", 18, 3.19, 0.39),
        ("ff_out", 9, 7.98, 7.37),
        ("nvidia", 21, 6.12, 2.92),
    ],
)
def test_cost_of_each_policy_on_bk_tiny(tiny, policy: Policy, layers, weights, macs):
    found = cost(tiny, exempt(tiny, policy))
    assert found["layers"] == layers
    assert round(100 * found["weights_share"], 2) == weights
    assert round(100 * found["macs_share"], 2) == macs


def test_patterns_add_to_the_policy_and_each_layer_has_its_reason(tiny):
    found = exempt(tiny, "edges", [r"conv_in", r"up_blocks\.2\..*\.to_out"])
    assert found["conv_in"] == "policy edges"
    others = [path for path in found if path not in ("conv_in", "conv_out")]
    assert len(others) == 4 and all(found[path].startswith("pattern") for path in others)


def test_a_pattern_that_matches_nothing_is_refused_with_the_nearest_layer(tiny):
    with pytest.raises(InputError, match=r"'conv_inn' matches none of the 151 layers\n.*conv_in"):
        exempt(tiny, "none", ["conv_inn"])
