"""CMMD (arXiv 2401.09603): squared maximum mean discrepancy of CLIP's picture vectors, drawn against real, times 1000.

A Gaussian kernel of width 10 on unit vectors, means over all pairs, those of a picture with itself among them, as the
authors' code has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from pydantic import Field

from workbench.metrics.base import Metric, Sample
from workbench.metrics.config import MetricConfig
from workbench.metrics.drawn import Drawn
from workbench.metrics.networks.clip import BATCH, TYPES, batches, clip
from workbench.metrics.networks.folder import files_of, folder_problems, label_of
from workbench.metrics.real_pictures import Stamps, folder_problem, picture_files, pictures_of, stamps
from workbench.strict import RecipePath

LEAST = 16
_SCALE = 1000.0
_WIDTH = 10.0
_BLOCK = 1024
"""Rows of a kernel matrix that are worked out at a time."""
_RESAMPLES = 200


class Cmmd(MetricConfig):
    """CMMD of the pictures to real ones, by a CLIP model of yours."""

    model: RecipePath = Field(description="A transformers folder of a CLIPModel with its processor, or hub:OWNER/NAME.")
    reference: RecipePath = Field(description="A folder of real pictures.")

    def metric(self, name: str) -> Metric:
        """One distance of all pictures."""
        pictures = picture_files(Path(self.reference))
        return Metric(
            name=name,
            label="CMMD" if name == "cmmd" else name,
            unit="",
            better="low",
            order=102,
            files=(*files_of(self.model), *pictures),
            protocol=f"{label_of(self.model)}, to {len(pictures)} pictures",
            least=LEAST,
            compute=_Distance(self.model, self.reference),
        )

    def problems(self, _pictures: int) -> Iterator[tuple[str, str]]:
        """A folder without a CLIP model that can be loaded, or without pictures."""
        yield from (("model", what) for what in folder_problems(self.model, TYPES))
        if problem := folder_problem(Path(self.reference), LEAST):
            yield "reference", problem


CONFIG = Cmmd


@dataclass(frozen=True)
class _Distance:
    model: str
    reference: str

    def __call__(self, drawn: Drawn) -> Sample:
        files, pictures = picture_files(Path(self.reference)), drawn.pictures
        real, spread = _real(self.model, stamps(files_of(self.model)), stamps(files))
        own = clip(self.model).images(batches(pictures))
        distance = discrepancy(own, real, spread)
        return Sample(np.arange(len(own)), distance, _RESAMPLES, bounds=(0.0, np.inf), against=len(real))


@lru_cache(maxsize=2)
def _real(model: str, _network: Stamps, pictures: Stamps) -> tuple[np.ndarray, float]:
    """Vectors [M, F] of the reference's pictures and the mean of their kernel."""
    rows = clip(model).images(pictures_of([file for file, *_ in pictures], BATCH))
    blocks = range(0, len(rows), _BLOCK)
    return rows, float(sum(_kernel(rows[i : i + _BLOCK], rows).sum() for i in blocks) / len(rows) ** 2)


def discrepancy(own: np.ndarray, real: np.ndarray, spread: float) -> Callable[[np.ndarray], float]:
    """The distance of any choice among own vectors [N, F], by their places [n], to real ones [M, F].

    ``spread``: the mean of the real ones' kernel. The kernel of every pair is worked out once, in N² x 8 bytes.
    """
    blocks = range(0, len(own), _BLOCK)
    among = np.concatenate([_kernel(own[i : i + _BLOCK], own) for i in blocks])
    across = np.concatenate([_kernel(own[i : i + _BLOCK], real).mean(1) for i in blocks])

    def distance(places: np.ndarray) -> float:
        weights = np.bincount(places, minlength=len(own)) / len(places)
        return float(_SCALE * (weights @ among @ weights + spread - 2 * weights @ across))

    return distance


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Kernel minus 1, float64 [A, B]: the ones cancel, and what is left is told more exactly without."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.expm1(-np.maximum(squared, 0) / (2 * _WIDTH**2))
