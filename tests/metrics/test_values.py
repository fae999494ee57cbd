"""The metrics: right on cases whose answer is known, and sane on the embedded model's own pictures."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from workbench.metrics.base import Need
from workbench.metrics.drawn import Drawn, Outputs
from workbench.metrics.registry import metrics
from workbench.metrics.retrieval_at_1 import hits
from workbench.metrics.scores import MetricValue
from workbench.models.scorer import load_scorer

PICTURES = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3), dtype=np.uint8)


class Features:
    """A scorer whose features are given: those of the pictures, and of every caption by its name."""

    def __init__(self, images: np.ndarray, texts: dict[str, np.ndarray]) -> None:
        self._images, self._texts = images, texts

    def images(self, _pictures: np.ndarray) -> np.ndarray:
        return self._images

    def texts(self, captions: list[str]) -> np.ndarray:
        return np.stack([self._texts[caption] for caption in captions])


def value(name: str, drawn: Drawn) -> MetricValue:
    found = metrics()[name].measure(drawn)
    assert found is not None
    return found


def featured(images: np.ndarray, texts: np.ndarray, **more: Any) -> Drawn:
    """Pictures and captions with given features, one a prompt."""
    names = [f"caption {i}" for i in range(len(texts))]
    scorer: Any = Features(images, dict(zip(names, texts, strict=True)))
    return Drawn(PICTURES[:1].repeat(len(images), 0), names[: len(images)], names, scorer, **more)


def test_the_interval_of_a_distance_lies_around_it():
    rng = np.random.default_rng(2)
    images, texts, real = (rng.normal(size=(n, 16)) for n in (60, 60, 500))
    found = value("frechet", featured(images, texts, real=real))
    assert found["low"] < found["value"] < found["high"] and found["against"] == 500


def test_retrieval_counts_the_own_prompt_among_all_others():
    texts = np.eye(4)
    drawn = featured(texts[[0, 1, 3, 3]], texts)  # the third picture shows what another prompt asks for
    found = value("retrieval_at_1", drawn)
    assert found["value"] == 0.75 and found["against"] == 4 and "by_picture" not in found
    assert value("alignment", drawn)["by_picture"] == [1.0, 1.0, 0.0, 1.0]


def test_what_real_pictures_score_is_told_where_they_are_those_of_the_captions():
    texts = np.eye(4)
    real = texts[[0, 1, 3, 3]]
    drawn = featured(texts, texts, real=real)
    assert value("alignment", drawn)["real"] == value("retrieval_at_1", drawn)["real"] == 0.75
    others = featured(texts, texts, real=real[:3])
    assert "real" not in value("alignment", others) and "real" not in value("retrieval_at_1", others)


def test_equal_pictures_have_full_fidelity():
    drawn = Drawn(PICTURES, reference=Drawn(PICTURES))
    assert value("psnr_db", drawn)["by_picture"] == [100.0] * 4
    assert value("ssim", drawn)["value"] == pytest.approx(1.0)


def test_noise_in_the_output_has_a_known_sqnr_and_doubled_guidance_a_ratio_of_2():
    rng = np.random.default_rng(0)
    cond, free, noise = (rng.normal(size=(2, 3, 4, 16, 16)) for _ in range(3))
    noise *= np.linalg.norm(cond) / np.linalg.norm(noise) / 10
    reference = Drawn(PICTURES, outputs=Outputs((999, 39), cond, free))
    noisy = value("unet_sqnr_db", Drawn(PICTURES, outputs=Outputs((999, 39), cond + noise, free), reference=reference))
    assert noisy["value"] == pytest.approx(20.0, abs=0.3) and noisy["n"] == 6
    assert list(noisy["by_timestep"]) == ["999", "39"]
    assert np.mean(list(noisy["by_timestep"].values())) == pytest.approx(noisy["value"])
    doubled = Drawn(PICTURES, outputs=Outputs((999, 39), 2 * cond - free, free), reference=reference)
    assert value("guidance_ratio", doubled)["value"] == pytest.approx(2.0)


@pytest.mark.parametrize("name", metrics())
def test_a_metric_has_a_value_only_where_all_that_it_needs_is_there(name):
    images, outputs = np.random.default_rng(0).normal(size=(4, 8)), np.ones((2, 3, 4, 8, 8))
    whole = {
        Need.SCORER: featured(images, images).scorer,
        Need.REAL: images,
        Need.REFERENCE: Drawn(PICTURES, outputs=Outputs((999, 39), outputs, outputs / 2)),
        Need.OUTPUTS: Outputs((999, 39), outputs, outputs / 3),
    }
    keys = {Need.SCORER: "scorer", Need.REAL: "real", Need.REFERENCE: "reference", Need.OUTPUTS: "outputs"}

    def measured(without: Need | None) -> MetricValue | None:
        there: dict[str, Any] = {keys[need]: part for need, part in whole.items() if need is not without}
        names = [f"caption {i}" for i in range(4)]
        return metrics()[name].measure(Drawn(PICTURES, names, names, **there))

    found = measured(None)
    assert found is not None and ("by_picture" in found) == metrics()[name].per_picture
    assert ("by_timestep" in found) == (metrics()[name].by_timestep is not None)
    assert {need for need in Need if measured(need) is None} == metrics()[name].needs


def test_the_shipped_scorer_knows_the_held_out_pictures(demo):
    """The scorer's worth: picture-to-caption retrieval on combinations that no training stage saw."""
    scorer = load_scorer(demo)
    assert scorer is not None
    table = json.loads((demo / "data" / "captions.json").read_text())
    real = load_file(demo / "data" / "pictures.safetensors")["features"].astype(np.float32)
    texts = scorer.texts([row["caption"] for row in table])
    held = [i for i, row in enumerate(table) if row["split"] == "held_out"]
    assert len(held) == 240 and hits(real[held], texts[held], texts).mean() > 0.9
