"""The scores: right on cases whose answer is known, and sane on the embedded model's own pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from workbench.evaluate import alignment, fidelity
from workbench.evaluate.config import Evaluate
from workbench.evaluate.interval import interval
from workbench.evaluate.prompts import choose_prompts
from workbench.evaluate.scorer import load_scorer


def test_the_interval_of_a_mean_covers_what_theory_says():
    rows = np.random.default_rng(1).normal(3.0, 1.0, 400)
    found = interval(rows)
    half = 1.96 * rows.std() / np.sqrt(400)
    assert found["value"] == pytest.approx(rows.mean()) and found["n"] == 400
    assert found["high"] - found["low"] == pytest.approx(2 * half, rel=0.15)


def test_the_interval_of_a_share_stays_between_0_and_1():
    rows = np.zeros(100)
    rows[0] = 1.0
    found = interval(rows, bounds=(0.0, 1.0))
    assert found["low"] >= 0.0 and found["value"] == 0.01 < found["high"] < 0.1


def test_the_interval_of_a_distance_lies_around_it():
    rng = np.random.default_rng(2)
    images, texts, real = (rng.normal(size=(n, 16)) for n in (60, 60, 500))
    found = alignment.score(images, texts, texts, real)["frechet"]
    assert found["low"] < found["value"] < found["high"] and found["real_pictures"] == 500


def test_frechet_of_two_gaussians_with_a_known_answer():
    mean, one = np.zeros(3), np.eye(3)
    assert alignment.frechet(mean, one, mean, one) == pytest.approx(0.0, abs=1e-6)
    assert alignment.frechet(mean, one, mean + 2, one) == pytest.approx(12.0)
    assert alignment.frechet(mean, one, mean, 4 * one) == pytest.approx(3.0)  # 3 + 12 - 2 * 3 * 2


def test_retrieval_counts_the_own_prompt_among_all_others():
    texts = np.eye(4)
    images = texts[[0, 1, 3, 3]]  # the third picture shows what another prompt asks for
    scores = alignment.score(images, texts, texts, None)
    assert scores["retrieval_at_1"]["value"] == 0.75 and scores["retrieval_at_1"]["captions"] == 4
    assert scores["alignment"]["value"] == 0.75


def test_equal_pictures_and_outputs_have_full_fidelity_and_noise_a_known_sqnr():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)
    found, _ = fidelity.pictures(pictures, pictures)
    assert found["psnr_db"]["value"] == 100.0 and found["ssim"]["value"] == pytest.approx(1.0)
    reference = {k: rng.normal(size=(2, 3, 4, 16, 16)) for k in ("cond", "free")}
    noise = rng.normal(size=(2, 3, 4, 16, 16))
    noise *= np.linalg.norm(reference["cond"]) / np.linalg.norm(noise) / 10
    own = {"cond": reference["cond"] + noise, "free": reference["free"]}
    compared = fidelity.compare_probes(own, reference)
    assert compared["unet_sqnr_db"]["value"] == pytest.approx(20.0, abs=0.3)
    doubled = {"cond": reference["free"] + 2 * (reference["cond"] - reference["free"]), "free": reference["free"]}
    assert fidelity.compare_probes(doubled, reference)["guidance_ratio"]["value"] == pytest.approx(2.0)


def test_prompts_do_not_repeat_before_all_were_used():
    config = Evaluate(pictures=5)
    chosen = choose_prompts(["a", "b", "c"], config, seed=0)
    assert sorted(chosen[:3]) == ["a", "b", "c"] and len(chosen) == 5
    assert chosen == choose_prompts(["a", "b", "c"], config, seed=0)
    assert chosen[:4] == choose_prompts(["a", "b", "c"], Evaluate(pictures=4), seed=0)


def test_the_shipped_scorer_knows_the_held_out_pictures(demo):
    """The scorer's worth: picture-to-caption retrieval on combinations that no training stage saw."""
    from transformers import CLIPTokenizer

    scorer = load_scorer(demo)
    tokenizer = CLIPTokenizer.from_pretrained(demo / "tokenizer")
    table = json.loads((demo / "data" / "captions.json").read_text())
    real = load_file(demo / "data" / "pictures.safetensors")["features"].astype(np.float32)
    texts = alignment.text_features(scorer, tokenizer, [row["caption"] for row in table])
    held = [i for i, row in enumerate(table) if row["split"] == "held_out"]
    found = alignment.score(real[held], texts[held], texts, None)["retrieval_at_1"]
    assert found["n"] == 240 and found["value"] > 0.9
