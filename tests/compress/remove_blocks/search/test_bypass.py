"""A block taken out alone does nothing but pass its input on, and is there again afterwards."""

from __future__ import annotations

import pytest
import torch

from workbench.compress.remove_blocks.search.bypass import blocks_alone, without
from workbench.models.unet import load_unet

BLOCKS = {
    "down_blocks.0.resnets.1": "conv2",  # as many channels out as in
    "down_blocks.1.resnets.0": "conv2",  # others: its shortcut stays
    "up_blocks.1.resnets.2": "conv2",  # takes a skip in
    "mid_block.attentions.0": "proj_out",
    "up_blocks.3.attentions.1": "proj_out",
}


@pytest.fixture(scope="module")
def unet(demo):
    return load_unet(demo / "unet").requires_grad_(False)


def run(unet):
    draw = torch.Generator().manual_seed(0)
    sample, states = torch.randn(2, 4, 16, 16, generator=draw), torch.randn(2, 32, 128, generator=draw)
    with torch.inference_mode():
        return unet(sample, torch.tensor([900.0, 100.0]), states).sample


@pytest.mark.parametrize(("block", "last"), BLOCKS.items())
def test_bypassing_is_what_zero_weights_in_the_last_layer_do(unet, block, last):
    before = run(unet)
    with without(unet, block):
        bypassed = run(unet)
    assert torch.equal(run(unet), before)
    layer = unet.get_submodule(block).get_submodule(last)
    held = {name: p.clone() for name, p in layer.named_parameters()}
    for p in layer.parameters():
        p.zero_()
    zeroed = run(unet)
    layer.load_state_dict(held)
    assert torch.allclose(bypassed, zeroed, atol=1e-6) and not torch.allclose(bypassed, before, atol=1e-6)


def test_every_block_is_there_and_what_can_not_be_bypassed_is_listed(unet):
    found, left_out = blocks_alone(unet)
    assert len(found) == 38 and sum(kind == "attention" for kind in found.values()) == 16
    assert {"mid_block.resnets.1", "mid_block.attentions.0", "up_blocks.3.resnets.2"} <= found.keys()
    assert set(left_out) == {
        *(f"down_blocks.{i}.downsamplers.0" for i in range(3)),
        *(f"up_blocks.{i}.upsamplers.0" for i in range(3)),
    }


def test_a_failure_inside_leaves_the_block_in_its_place(unet):
    before = run(unet)
    with pytest.raises(KeyboardInterrupt), without(unet, "mid_block.resnets.0"):
        raise KeyboardInterrupt
    assert torch.equal(run(unet), before)
