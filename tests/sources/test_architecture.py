"""Published architectures without weights: counted from configs, and with random weights that are made once."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from workbench.errors import InputError
from workbench.models.families.stable_diffusion import FAMILY
from workbench.models.families.stable_diffusion.architectures import ARCHITECTURES, SD_V1
from workbench.models.random_weights import write_random
from workbench.runtimes.torch.form import build

SMALL = SD_V1 | {
    "block_out_channels": [32, 64],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1,
    "sample_size": 8,
}


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "small", ARCHITECTURES["sd-v1"] | {"unet": SMALL})
    return "arch:small"


def test_a_random_unet_runs_and_its_weights_are_the_same_in_every_store(ask, small, tmp_path, monkeypatch):
    (network,) = ask(small, "torch")
    assert (network.candidate, network.component, network.scheme) == ("small", "unet", "fp32")
    module, wrapper = build(network.torch)
    with torch.inference_mode():
        out = module(*(torch.from_numpy(value) for value in network.feed.values())).numpy()
    assert wrapper == "net" and out.shape == (1, 4, 8, 8) and np.isfinite(out).all() and out.std() > 0
    file = next((tmp_path / "store").rglob("*.safetensors"))
    first = file.read_bytes()
    write_random(FAMILY.denoiser.empty(SMALL), tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == first


def test_only_the_weights_that_are_asked_for_are_made_and_only_once(ask, small, tmp_path):
    ask(small, "torch")
    (made,) = (tmp_path / "store").rglob("*.safetensors")
    written = made.stat().st_mtime_ns
    ask(small, "torch")
    assert [made] == list((tmp_path / "store").rglob("*.safetensors")) and made.stat().st_mtime_ns == written


def test_counting_makes_no_weights(ask, tmp_path):
    (network,) = ask("arch:sd-v2", "count", component="text_encoder")
    assert network.feed["input_ids"].shape == (1, 77)
    assert json.loads(next((tmp_path / "store").rglob("text_encoder/config.json")).read_text())["hidden_size"] == 1024
    assert not list((tmp_path / "store").rglob("*.safetensors"))


def test_an_architecture_that_is_not_known_is_reported_with_the_one_that_was_meant(ask):
    with pytest.raises(InputError, match=r"architecture 'bk-tny' is not known; did you mean bk-tiny\?"):
        ask("arch:bk-tny", "count")
