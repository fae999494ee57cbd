"""The judge that never saw the model's pictures: what it sees in them, and what it doesn't mind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workbench.metrics.backbone import default, features, similarity
from workbench.metrics.drawn import Drawn
from workbench.metrics.registry import metrics
from workbench.metrics.scores import MetricValue

BY_THE_JUDGE = ("perceptual", "found_at_1", "perceptual_frechet")


@pytest.fixture(scope="module")
def pictures(demo: Path) -> np.ndarray:
    """24 of the embedded model's own pictures, of other objects each."""
    import torch
    from diffusers import AutoencoderKL
    from safetensors.torch import load_file

    vae = AutoencoderKL.from_pretrained(demo / "vae")
    latents = load_file(demo / "data" / "pictures.safetensors")["latents"][:168:7].float()
    with torch.inference_mode():
        decoded = vae.decode(latents / vae.config.scaling_factor).sample
    return ((decoded.permute(0, 2, 3, 1) / 2 + 0.5).clamp(0, 1) * 255).round().numpy().astype(np.uint8)


def value(name: str, drawn: Drawn) -> MetricValue:
    found = metrics()[name].measure(drawn)
    assert found is not None
    return found


def shifted(pictures: np.ndarray) -> np.ndarray:
    return np.pad(pictures, ((0, 0), (1, 0), (1, 0), (0, 0)), mode="edge")[:, :-1, :-1]


def noisy(pictures: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, deviation, pictures.shape)
    return (pictures + noise).clip(0, 255).astype(np.uint8)


def test_the_reference_itself_is_perfect(pictures):
    drawn = Drawn(pictures, reference=Drawn(pictures))
    found = {name: value(name, drawn)["value"] for name in BY_THE_JUDGE}
    perfect = {name: metrics()[name].perfect for name in BY_THE_JUDGE}
    assert found == pytest.approx(perfect, abs=1e-3)


def test_damage_is_seen_by_degrees_and_a_shift_by_a_pixel_is_minded_less_than_psnr_minds_it(pictures):
    reference = Drawn(pictures)
    ways = {"little": noisy(pictures, 8), "much": noisy(pictures, 40), "shift": shifted(pictures)}
    drawn = {way: Drawn(changed, reference=reference) for way, changed in ways.items()}
    for name in ("perceptual", "perceptual_frechet"):
        sign = metrics()[name].sign
        little, much = (sign * value(name, drawn[way])["value"] for way in ("little", "much"))
        assert little > much
    judged, psnr = ({way: value(name, d)["value"] for way, d in drawn.items()} for name in ("perceptual", "psnr_db"))
    assert judged["shift"] > judged["little"] and psnr["shift"] < psnr["little"]


def test_another_ones_picture_is_not_found_and_like_nothing(pictures):
    others = Drawn(np.roll(pictures, 1, axis=0), reference=Drawn(pictures))
    assert value("found_at_1", others)["value"] == 0.0 and value("found_at_1", others)["against"] == 24
    assert value("perceptual", others)["value"] < 0.3


def test_a_picture_is_seen_alike_alone_and_among_others_of_any_size(pictures):
    alone = [features(default(), pictures[i : i + 1]) for i in range(3)]
    together = features(default(), pictures)
    for depth, whole in enumerate(together):
        assert np.allclose(np.concatenate([each[depth] for each in alone]), whole[:3], atol=1e-4)
    large = pictures.repeat(8, 1).repeat(8, 2)  # 512 pixels: shown at 224
    assert [depth.shape for depth in features(default(), large[:2])] == [(2, d.shape[1]) for d in together]


def test_what_all_pictures_have_in_common_says_nothing():
    rng = np.random.default_rng(0)
    common = rng.normal(size=(1, 50)) * 100
    own, reference = (rng.normal(size=(200, 50)) for _ in range(2))
    assert abs(similarity([own + common], [reference + common]).mean()) < 0.05


def test_pictures_of_captions_that_training_saw_are_scored_apart(pictures):
    judged, seen = pictures[:16], pictures[16:]
    reference = Drawn(judged, trained=Drawn(seen))
    drawn = Drawn(noisy(judged, 40), reference=reference, trained=Drawn(seen, reference=Drawn(seen)))
    assert "trained" not in value("found_at_1", drawn), "among 8 pictures any is found more often than among 16"
    for name in ("perceptual", "psnr_db"):
        found = value(name, drawn)
        assert found["n"] == 16 and found["trained"]["n"] == 8
        assert metrics()[name].sign * (found["trained"]["value"] - found["value"]) > 0
    assert "trained" not in value("perceptual", Drawn(judged, reference=Drawn(judged)))
