"""Paired comparison: small differences on the same pictures are seen, noise isn't."""

from __future__ import annotations

import numpy as np

from workbench.metrics.paired import comparisons, paired


def test_a_small_loss_on_every_picture_is_told_from_the_spread_among_pictures():
    rng = np.random.default_rng(0)
    parent = rng.uniform(0.5, 1.0, 300)
    found = paired(parent - 0.01, parent)
    assert abs(found["difference"] + 0.01) < 1e-9 and found["high"] < 0 and found["n"] == 300
    assert found["ratio_low"] <= found["ratio"] <= found["ratio_high"] < 1


def test_noise_around_nothing_is_not_called_a_difference():
    rng = np.random.default_rng(1)
    parent = rng.uniform(0.5, 1.0, 300)
    found = paired(parent + rng.normal(0, 0.05, 300), parent)
    assert found["low"] < 0 < found["high"] and found["ratio_low"] < 1 < found["ratio_high"]


def test_a_ratio_is_told_only_of_positive_scores():
    assert "ratio" not in paired([0.1, 0.2], [-0.1, 0.3])


def scores(**by_picture):
    return {"metrics": {name: {"n": len(values), "by_picture": values} for name, values in by_picture.items()}}


def test_only_scores_that_both_have_for_every_picture_are_compared():
    own = scores(alignment=[0.5, 0.6], psnr_db=[20.0, 21.0])
    found = comparisons(own, scores(alignment=[0.5, 0.5]), "distilled", "what it was made from")
    assert [(row["metric"], row["against"]) for row in found] == [("alignment", "distilled")]
    assert comparisons(own, scores(alignment=[0.5]), "x", "y") == []
