"""Fréchet distance of the pictures' features to those of real pictures, by the model's own scorer. It is not FID."""

from __future__ import annotations

import numpy as np

from workbench.metrics.base import Metric, Need, Sample
from workbench.metrics.drawn import Drawn


def frechet(mean_a: np.ndarray, cov_a: np.ndarray, mean_b: np.ndarray, cov_b: np.ndarray) -> float:
    """Fréchet distance of two Gaussians: ‖μa - μb‖² + tr(Σa + Σb - 2 (Σa Σb)^½)."""
    eigenvalues = np.linalg.eigvals(cov_a @ cov_b).real
    root = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    return float(((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * root)


def frechet_of(rows: np.ndarray, others: np.ndarray) -> float:
    """The same of two sets of features [N, F] and [M, F], in min(N, M) dimensions instead of F.

    The eigenvalues of Σa Σb are the squared singular values of A Bᵀ, where AᵀA is Σa.
    """
    means = [part.mean(0, dtype=np.float64) for part in (rows, others)]
    a, b = ((part - mean) / np.sqrt(len(part) - 1) for part, mean in zip((rows, others), means, strict=True))
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(((means[0] - means[1]) ** 2).sum() + (a**2).sum() + (b**2).sum() - 2 * root)


def _compute(drawn: Drawn) -> Sample:
    real = drawn.real
    assert real is not None
    mean, covariance = real.mean(0), np.cov(real, rowvar=False)
    return Sample(
        drawn.image_features,
        lambda x: frechet(x.mean(0), np.cov(x, rowvar=False), mean, covariance),
        resamples=100,
        bounds=(0.0, np.inf),
        against=len(real),
    )


METRIC = Metric(
    name="frechet",
    label="fréchet (demo)",
    unit="",
    better="low",
    order=30,
    needs=frozenset({Need.SCORER, Need.REAL}),
    compute=_compute,
)
