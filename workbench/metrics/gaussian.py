"""Fréchet distance of features, taken as Gaussians (arXiv 1706.08500): ‖μa - μb‖² + tr(Σa + Σb - 2 (Σa Σb)^½)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from workbench.metrics.base import Sample

_RESAMPLES, _RESAMPLES_OF_MANY, _MANY = 200, 40, 1024
"""One of 2,048 features takes 3 ms on a core for 128 pictures, 45 ms for 512, 0.9 s for 2,500."""


class Gaussian(NamedTuple):
    """Of M features [F]: their ``mean``, the ``trace`` of their covariance, and a ``root`` [F, R] of it, root rootᵀ;
    ``pictures``: M, where it is known."""

    mean: np.ndarray
    trace: float
    root: np.ndarray
    pictures: int | None


def sample(own: np.ndarray, real: Gaussian) -> Sample:
    """The distance of features [N, F] with as many resamples as time allows."""
    resamples = _RESAMPLES if len(own) <= _MANY else _RESAMPLES_OF_MANY
    return Sample(np.arange(len(own)), distance(own, real), resamples, bounds=(0.0, np.inf), against=real.pictures)


def distance(own: np.ndarray, real: Gaussian) -> Callable[[np.ndarray], float]:
    """The distance of any choice among features [N, F], by their places [n].

    The trace of (Σa Σb)^½ is the sum of the singular values of A root, where AᵀA is Σa: they are found in
    min(n, R) dimensions, as features are turned by the root once.
    """
    turned = (own - own.mean(0)) @ real.root

    def of(places: np.ndarray) -> float:
        rows, seen = own[places], turned[places]
        mean, free = rows.mean(0), len(places) - 1
        seen = seen - seen.mean(0)
        product = seen @ seen.T if len(seen) < seen.shape[1] else seen.T @ seen
        shared = np.sqrt(np.clip(np.linalg.eigvalsh(product), 0, None)).sum() / np.sqrt(free)
        spread = ((rows - mean) ** 2).sum() / free
        return float(((mean - real.mean) ** 2).sum() + spread + real.trace - 2 * shared)

    return of


def gaussian(rows: np.ndarray) -> Gaussian:
    """Of features [M, F]."""
    mean = rows.mean(0)
    parts = (rows - mean) / np.sqrt(len(rows) - 1)
    root = parts.T if len(parts) <= parts.shape[1] else root_of(parts.T @ parts)
    return Gaussian(mean, float((parts**2).sum()), root, len(rows))


def root_of(covariance: np.ndarray) -> np.ndarray:
    """Of a covariance [F, F], the root [F, F]."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.clip(values, 0, None))
