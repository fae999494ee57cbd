"""Perceptual similarity to the reference's picture of the same seed, by a network of the user's (DINOv2, CLIP).

Features are compared as for the one that is always measured (``workbench/metrics/backbone.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import Field

from workbench.metrics.backbone import features, similarity
from workbench.metrics.base import Metric, Need, Sample
from workbench.metrics.config import MetricConfig
from workbench.metrics.drawn import Drawn
from workbench.metrics.networks.folder import files_of, folder_problems, label_of
from workbench.metrics.networks.vision import TYPES, vision
from workbench.strict import RecipePath


class Similarity(MetricConfig):
    """How alike a picture and the reference's of the same seed are to a network of yours."""

    model: RecipePath = Field(description=f"A transformers folder ({', '.join(TYPES)}), or hub:OWNER/NAME.")

    def metric(self, name: str) -> Metric:
        """A cosine for every picture."""
        return Metric(
            name=name,
            label="similarity" if name == "similarity" else name,
            unit="cosine",
            better="high",
            order=104,
            needs=frozenset({Need.REFERENCE}),
            perfect=1.0,
            per_picture=True,
            files=files_of(self.model),
            protocol=label_of(self.model),
            compute=_Similarity(self.model),
        )

    def problems(self, _pictures: int) -> Iterator[tuple[str, str]]:
        """A folder without a network that can be loaded."""
        yield from (("model", what) for what in folder_problems(self.model, tuple(TYPES)))


CONFIG = Similarity


@dataclass(frozen=True)
class _Similarity:
    model: str

    def __call__(self, drawn: Drawn) -> Sample:
        assert drawn.reference is not None
        network = vision(self.model)
        own, reference = (features(network, pictures) for pictures in (drawn.pictures, drawn.reference.pictures))
        return Sample(similarity(own, reference))
