"""Strength of guidance, ‖with the prompt - without it‖ of the U-Net's output, as a ratio to the reference's."""

from __future__ import annotations

import numpy as np

from workbench.metrics.base import Metric, Need, Sample
from workbench.metrics.drawn import Drawn


def _compute(drawn: Drawn) -> Sample:
    assert drawn.outputs and drawn.reference and drawn.reference.outputs
    own, reference = (
        np.sqrt(np.sum((outputs.cond - outputs.free) ** 2, axis=(2, 3, 4)))
        for outputs in (drawn.outputs, drawn.reference.outputs)
    )
    return Sample((own / np.maximum(reference, 1e-12)).ravel())


METRIC = Metric(
    name="guidance_ratio",
    label="guidance ÷ reference",
    unit="ratio",
    better="one",
    order=70,
    needs=frozenset({Need.REFERENCE, Need.OUTPUTS}),
    compute=_compute,
)
