"""LPIPS, version 0.1 (arXiv 1801.03924, section 3), to the reference's picture of the same seed.

The convolutions of an AlexNet or VGG16 are the user's file, torchvision's ``alexnet-owt-7be5be79.pth`` or
``vgg16-397923af.pth``; the linear heads on them, BSD-2-Clause, come with torchmetrics.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from workbench.metrics.base import Metric, Need, Sample
from workbench.metrics.config import MetricConfig
from workbench.metrics.drawn import Drawn
from workbench.metrics.networks.lpips import distances, shapes
from workbench.metrics.networks.state import read_weights, weight_problem
from workbench.strict import RecipePath

_BATCH = 8
_NETWORKS = {"alex": "AlexNet", "vgg": "VGG16"}


class Lpips(MetricConfig):
    """LPIPS to the reference's picture of the same seed, by the weights of an AlexNet or VGG16."""

    weights: RecipePath = Field(description="Of torchvision's network, as a torch file or safetensors.")
    net: Literal["alex", "vgg"] = Field(description="AlexNet, with which the authors measure, or VGG16.")

    def metric(self, name: str) -> Metric:
        """A distance for every picture."""
        return Metric(
            name=name,
            label="LPIPS" if name == "lpips" else name,
            unit="",
            better="low",
            order=103,
            needs=frozenset({Need.REFERENCE}),
            perfect=0.0,
            per_picture=True,
            about={"net": self.net},
            files=tuple(file for file in (Path(self.weights), _heads(self.net)) if file.is_file()),
            protocol=f"v0.1, {_NETWORKS[self.net]} of {Path(self.weights).name}, at the pictures' own size",
            compute=_Distance(self.weights, self.net),
        )

    def problems(self, _pictures: int) -> Iterator[tuple[str, str]]:
        """Weights that aren't of that network."""
        if problem := weight_problem(Path(self.weights), shapes(self.net), f"torchvision's {_NETWORKS[self.net]}"):
            yield "weights", problem


CONFIG = Lpips


@dataclass(frozen=True)
class _Distance:
    weights: str
    net: str

    def __call__(self, drawn: Drawn) -> Sample:
        assert drawn.reference is not None
        weights, heads = read_weights(Path(self.weights)), read_weights(_heads(self.net))
        pairs = (drawn.pictures, drawn.reference.pictures)
        rows = [
            distances(self.net, weights, heads, *(pictures[i : i + _BATCH] for pictures in pairs))
            for i in range(0, len(drawn.pictures), _BATCH)
        ]
        return Sample(np.concatenate(rows), bounds=(0.0, np.inf))


def _heads(net: str) -> Path:
    """The file of torchmetrics, which is not imported for it."""
    spec = importlib.util.find_spec("torchmetrics")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "functional" / "image" / "lpips_models" / f"{net}.pth"
