"""U-Nets from folders: what is only run takes the memory that its file takes."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from workbench.models.unet import WEIGHTS, load_frozen, load_unet


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32])
def test_a_frozen_network_stays_as_it_is_stored_and_computes_the_same_to_the_bit(kind, own_tiny):
    folder = own_tiny.denoiser.path
    save_file({name: value.to(kind) for name, value in load_file(folder / WEIGHTS).items()}, folder / WEIGHTS)
    usual, frozen = load_unet(folder), load_frozen(folder)
    torch.manual_seed(0)
    given = torch.randn(2, 4, 8, 8), torch.tensor([3, 700]), torch.randn(2, 7, usual.config.cross_attention_dim)
    with torch.no_grad():
        assert torch.equal(usual(*given).sample, frozen(*given).sample)
        assert torch.equal(usual(*given).sample, frozen(*given).sample)  # its layers are in half precision again
    taken = [sum(p.nbytes for p in net.parameters()) for net in (usual, frozen)]
    assert taken[1] == taken[0] if kind is torch.float32 else taken[1] < 0.52 * taken[0]
    assert not any(p.requires_grad for p in frozen.parameters())
