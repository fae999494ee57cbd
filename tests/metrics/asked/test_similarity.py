"""Similarity by a network of the user's: equal pictures score 1, damage shows, class tokens don't count."""

from __future__ import annotations

import numpy as np
import pytest

from tests.metrics.asked.folders import pictures, told, vision_folder
from workbench.errors import RunError
from workbench.metrics.asked.similarity import Similarity
from workbench.metrics.drawn import Drawn
from workbench.metrics.networks.vision import vision


@pytest.mark.parametrize("kind", ["dinov2", "vit", "resnet", "convnext"])
def test_more_damage_is_less_alike(tmp_path, kind):
    config = Similarity(model=str(vision_folder(tmp_path / kind, kind)))
    assert told(config) == []
    real = pictures(8)
    noise = np.random.default_rng(1).normal(size=real.shape)
    metric = config.metric("similarity")

    def alike(strength: float) -> float:
        own = np.clip(real + strength * noise, 0, 255).astype(np.uint8)
        return metric.measure(Drawn(own, reference=Drawn(real)))["value"]

    assert alike(0) == pytest.approx(1.0, abs=1e-5)
    assert 1 > alike(20) > alike(120) and alike(120) > -1
    assert metric.measure(Drawn(real)) is None, "the reference has none"
    assert len(vision(config.model)(real)) == 4


def test_features_are_means_over_patches_without_the_class_token(tmp_path):
    import torch
    from transformers import Dinov2Model

    folder, real = vision_folder(tmp_path / "dinov2", "dinov2"), pictures(3, 32)
    network = vision(str(folder))
    mean, deviation = np.array([0.48145466, 0.4578275, 0.40821073]), np.array([0.26862954, 0.26130258, 0.27577711])
    pixels = torch.from_numpy((real / 255 - mean) / deviation).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        states = Dinov2Model.from_pretrained(folder).eval()(pixels, output_hidden_states=True).hidden_states
    for found, state in zip(network(real), states[1:], strict=True):
        assert state.shape[1] == 17 and torch.allclose(found, state[:, 1:].mean(1), atol=1e-5)


def test_weights_that_transformers_would_fill_with_noise_are_an_error(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = vision_folder(tmp_path / "vit", "vit")
    weights = load_file(folder / "model.safetensors")
    lost = next(name for name in weights if "layer.2" in name)
    save_file({k: v for k, v in weights.items() if k != lost}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(RunError, match="1 weights are missing"):
        vision(str(folder))
