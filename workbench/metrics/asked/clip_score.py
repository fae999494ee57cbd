"""CLIP score of each picture and its prompt (arXiv 2104.08718, in the scale of torchmetrics): 100 cos, at least 0.

The value is the mean over pictures. torchmetrics takes the mean before it cuts at 0: where some picture's cosine is
negative, which CLIP's own are not, its mean is lower.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from workbench.metrics.base import Metric, Sample
from workbench.metrics.config import MetricConfig
from workbench.metrics.drawn import Drawn
from workbench.metrics.networks.clip import TYPES, batches, clip
from workbench.metrics.networks.folder import files_of, folder_problems, label_of
from workbench.strict import RecipePath


class ClipScore(MetricConfig):
    """CLIP score of pictures and prompts, by a CLIP model of yours."""

    model: RecipePath = Field(description="A transformers folder of a CLIPModel with its processor, or hub:OWNER/NAME.")

    def metric(self, name: str) -> Metric:
        """A score for every picture, 0 to 100."""
        return Metric(
            name=name,
            label="CLIP score" if name == "clip_score" else name,
            unit="",
            better="high",
            order=100,
            per_picture=True,
            files=files_of(self.model),
            protocol=label_of(self.model),
            compute=_Score(self.model),
        )

    def problems(self, _pictures: int) -> Iterator[tuple[str, str]]:
        """A folder without a CLIP model that can be loaded."""
        yield from (("model", what) for what in folder_problems(self.model, TYPES, texts=True))


CONFIG = ClipScore


@dataclass(frozen=True)
class _Score:
    model: str

    def __call__(self, drawn: Drawn) -> Sample:
        network = clip(self.model)
        seen = network.images(batches(drawn.pictures))
        asked = network.texts(drawn.prompts)
        return Sample(np.maximum(100 * (seen.astype(np.float64) * asked).sum(1), 0), bounds=(0.0, 100.0))
