"""MACs of torch modules: every kind of product, with a weight or of two activations, on any device."""

from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from workbench.models.families.stable_diffusion.architectures import UNETS
from workbench.runtimes.torch.macs import count
from workbench.runtimes.torch.modules import ROOT


class Zoo(nn.Module):
    """Every product that PyTorch has a layer or a function for."""

    def __init__(self):
        super().__init__()
        self.conv, self.up = nn.Conv2d(4, 8, 3, padding=1, groups=2), nn.ConvTranspose2d(8, 4, 2, stride=2, groups=2)
        self.one, self.norm, self.lin = nn.Conv1d(4, 4, 3), nn.LayerNorm(4), nn.Linear(4, 6)
        self.mha = nn.MultiheadAttention(4, 2, batch_first=True)
        self.lstm = nn.LSTM(6, 5, num_layers=2, bidirectional=True, batch_first=True)
        self.gru, self.rnn = nn.GRU(10, 7, batch_first=True), nn.RNN(7, 4)
        self.w = nn.Parameter(torch.ones(4, 3))

    def forward(self, x):
        y = self.one(self.up(torch.relu(self.conv(x))).flatten(2)).transpose(1, 2)  # 1, 62, 4
        z, _ = self.mha(self.norm(y), y, y, need_weights=False)
        z = functional.scaled_dot_product_attention(z[:, None], y[:, None], z[:, None])[:, 0]
        scores = torch.einsum("bic,bjc->bij", z, y)
        mixed = torch.einsum("bij,cd,bjc->bid", scores, self.w, y)
        d = torch.baddbmm(torch.bmm(scores, z), scores, y)
        h, _ = self.lstm(self.lin(d))
        h, _ = self.rnn(self.gru(h)[0].transpose(0, 1))
        return h.sum() + mixed.sum() + (d[0] @ self.w).sum() + d[0, 0] @ d[0, 1] + (d[0] @ d[0, 1]).sum()


def products(counted):
    return {x.layer: (x.macs, x.attention_macs) for x in counted.layers if x.macs or x.attention_macs}


@pytest.fixture(scope="module")
def zoo():
    with torch.device("meta"):
        return count(Zoo().eval(), torch.zeros(1, 4, 4, 4))


def test_every_kind_of_product_by_hand(zoo):
    n = 62  # positions: 8·8 pixels flattened, less 2 at the border of a convolution of 3
    hidden = 5
    assert zoo.uncounted == {}
    assert products(zoo) == {
        "conv": (8 * 16 * 2 * 9, 0),
        "up": (8 * 16 * 2 * 4, 0),
        "one": (4 * n * 4 * 3, 0),
        "lin": (n * 4 * 6, 0),
        "mha": (4 * n * 4 * 4, 2 * n * n * 4),
        # Two layers, both ways, four gates; the second layer's input is both directions of the first.
        "lstm": (2 * 4 * n * hidden * ((6 + hidden) + (2 * hidden + hidden)), 0),
        "gru": (3 * n * 7 * (10 + 7), 0),
        "rnn": (n * 4 * (7 + 4), 0),
        # Attention twice n·n·4; each einsum, bmm and baddbmm once; a vector product and one with a matrix.
        ROOT: (n * 4 * 3, 2 * n * n * 4 + n * n * 4 + 3 * n * n * 4 + 2 * n * n * 4 + 4 + n * 4),
    }


def test_real_tensors_count_as_those_without_memory_do(zoo):
    """Fused attention on a CPU, in PyTorch's own words, has no operations at all."""
    real = count(Zoo().eval(), torch.zeros(1, 4, 4, 4))
    assert products(real) == products(zoo) and real.uncounted == {}
    encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    found = count(encoder, torch.zeros(1, 5, 8))  # its fast path is one operator for all of it
    assert (found.macs, found.macs_with_attention - found.macs) == (5 * 8 * (4 * 8 + 2 * 16), 2 * 5 * 5 * 8)
    assert found.uncounted == {} and torch.backends.mha.get_fastpath_enabled()


def test_totals_are_those_of_torchs_own_counter():
    config = UNETS["bk-tiny"]
    with torch.device("meta"):
        unet = UNet2DConditionModel(**config).eval()
        inputs = torch.empty(1, 4, 64, 64), torch.empty(1), torch.empty(1, 77, 768)
        with FlopCounterMode(display=False) as theirs, torch.no_grad():
            unet(*inputs)
    assert count(unet, *inputs).macs_with_attention * 2 == theirs.get_total_flops()


def test_a_weight_is_one_however_it_is_turned_and_scaled():
    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.w, self.g = nn.Parameter(torch.ones(6, 4)), nn.Parameter(torch.ones(6, 1))

        def forward(self, x):
            weight = (self.w * self.g / self.w.norm()).t().contiguous()
            buffer = torch.zeros(4, 6)
            buffer.copy_(x[0, :, None].expand(4, 6))
            return x @ weight, x @ buffer, torch.bmm(x[None], self.w.t()[None])

    found = count(Turned(), torch.zeros(3, 4))
    assert (found.macs, found.macs_with_attention) == (2 * 3 * 4 * 6, 3 * 3 * 4 * 6)


def test_what_cannot_be_counted_is_listed_by_name():
    class Odd(nn.Module):
        def forward(self, x):
            return torch.linalg.qr(torch.fft.fft(x).abs()).R @ x

    with torch.device("meta"):
        counted = count(Odd(), torch.empty(8, 8))
    assert set(counted.uncounted) == {"_fft_r2c", "linalg_qr"}
    assert counted.macs == 0 and counted.macs_with_attention == 8**3 and counted.layers[0].layer == ROOT
