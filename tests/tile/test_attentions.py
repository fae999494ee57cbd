"""The attentions of a U-Net from its config: how many, how large, of which kind."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.tile.conftest import unet_attentions
from workbench.models.families.stable_diffusion import FAMILY
from workbench.models.families.stable_diffusion.architectures import UNETS
from workbench.runtimes.torch.counting import count_unet
from workbench.tile.attentions import folder_attentions
from workbench.tile.onnx_attentions import file_attentions

SIDES, TOKENS = (64, 64), 77


def test_sd_v1_has_16_of_each_kind_with_8_heads_at_four_resolutions() -> None:
    found = unet_attentions(UNETS["sd-v1"], SIDES, TOKENS)
    assert Counter((a.kind, a.queries, a.keys, a.head_dim) for a in found) == {
        ("self", 4096, 4096, 40): 5,
        ("cross", 4096, 77, 40): 5,
        ("self", 1024, 1024, 80): 5,
        ("cross", 1024, 77, 80): 5,
        ("self", 256, 256, 160): 5,
        ("cross", 256, 77, 160): 5,
        ("self", 64, 64, 160): 1,
        ("cross", 64, 77, 160): 1,
    }
    assert {a.heads for a in found} == {8} and all(a.value_dim == a.head_dim for a in found)
    assert found[0].layer == "down_blocks.0.attentions.0.transformer_blocks.0.attn1"
    assert len({a.layer for a in found}) == len(found)
    assert sum(a.macs for a in found) == pytest.approx(63.0e9, rel=1e-3)  # papers print 63.0 G


@pytest.mark.parametrize("name", ["bk-tiny", "sd-v2"])
def test_their_products_are_those_that_count_counts(name: str) -> None:
    found = unet_attentions(UNETS[name], SIDES, TOKENS)
    counted = {layer.layer: layer.attention_macs for layer in count_unet(UNETS[name]).layers}
    assert {a.layer: a.macs for a in found} == {layer: macs for layer, macs in counted.items() if macs}


def test_other_latents_and_texts_change_rows_and_columns() -> None:
    found = unet_attentions(UNETS["bk-tiny"], (32, 64), 10)
    assert (found[0].queries, found[0].keys, found[1].queries, found[1].keys) == (2048, 2048, 2048, 10)


def test_config_and_graph_tell_the_same(demo: Path, unet) -> None:
    path, feed = unet
    from_config = folder_attentions(FAMILY.denoiser, demo / "unet", feed)
    from_graph, left_out = file_attentions(path, {})
    assert left_out == {} and len(from_config) == 32

    def sizes(attentions):
        return {(a.layer, a.heads, a.queries, a.keys, a.head_dim, a.value_dim) for a in attentions}

    assert sizes(from_graph) == sizes(from_config)
