"""Structural similarity of the pictures to the reference's of the same seeds."""

from __future__ import annotations

from workbench.metrics.base import Metric, Need, Sample
from workbench.metrics.drawn import Drawn


def _compute(drawn: Drawn) -> Sample:
    import torch
    from torchmetrics.functional.image import structural_similarity_index_measure

    assert drawn.reference is not None
    pictures = (drawn.pictures, drawn.reference.pictures)
    a, b = (torch.from_numpy(p).permute(0, 3, 1, 2).float() / 255 for p in pictures)
    return Sample(structural_similarity_index_measure(a, b, data_range=1.0, reduction="none").numpy())


METRIC = Metric(
    name="ssim",
    label="SSIM to reference",
    unit="",
    better="high",
    order=50,
    needs=frozenset({Need.REFERENCE}),
    perfect=1.0,
    compute=_compute,
)
