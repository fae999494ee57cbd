"""The Fréchet distance: known answers, and the short cut against the formula as it is written."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.metrics.gaussian import Gaussian, distance, gaussian, root_of, sample


def as_written(own: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> float:
    spread = np.cov(own, rowvar=False)
    root = np.sqrt(np.clip(np.linalg.eigvals(spread @ covariance).real, 0, None)).sum()
    return float(((own.mean(0) - mean) ** 2).sum() + np.trace(spread) + np.trace(covariance) - 2 * root)


@pytest.mark.parametrize("count", [20, 90])
@pytest.mark.parametrize("others", [15, 70])
def test_it_is_what_the_formula_says(count, others):
    """Fewer pictures than dimensions and more; the reference as pictures and as their mean and covariance."""
    rng = np.random.default_rng(count + others)
    mix = rng.normal(size=(40, 40))
    own, real = rng.normal(size=(count, 40)) @ mix, rng.normal(size=(others, 40)) @ mix + 1
    mean, covariance = real.mean(0), np.cov(real, rowvar=False)
    told_apart = Gaussian(mean, float(np.trace(covariance)), root_of(covariance), None)
    for places in (np.arange(count), rng.integers(0, count, count)):
        value = as_written(own[places], mean, covariance)
        assert distance(own, gaussian(real))(places) == pytest.approx(value, rel=1e-5)
        assert distance(own, told_apart)(places) == pytest.approx(value, rel=1e-5)


def test_known_answers():
    corners = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])  # mean 0, covariance 4/3 of the identity
    everywhere = np.arange(4)
    assert distance(corners, gaussian(corners))(everywhere) == pytest.approx(0.0, abs=1e-9)
    assert distance(corners + 2, gaussian(corners))(everywhere) == pytest.approx(8.0)
    assert distance(2 * corners, gaussian(corners))(everywhere) == pytest.approx(8 / 3)  # 2 (16/3 + 4/3 - 2 · 8/3)


def test_resamples_are_of_pictures_and_there_are_fewer_of_many():
    rng = np.random.default_rng(0)
    found = sample(rng.normal(size=(30, 5)), gaussian(rng.normal(size=(40, 5))))
    assert found.resamples == 200 and found.against == 40 and found.rows.tolist() == list(range(30))
    assert sample(rng.normal(size=(1025, 5)), gaussian(rng.normal(size=(40, 5)))).resamples == 40
