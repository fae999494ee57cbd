"""Signal to quantization noise of the U-Net's output: 10 log10(Σ ref² / Σ (ref - own)²) per input."""

from __future__ import annotations

import numpy as np

from workbench.metrics.base import ByTimestep, Metric, Need, Sample
from workbench.metrics.drawn import Drawn


def _compute(drawn: Drawn) -> Sample:
    assert drawn.outputs and drawn.reference and drawn.reference.outputs
    own, reference = drawn.outputs, drawn.reference.outputs
    error = np.sum((reference.cond - own.cond) ** 2, axis=(2, 3, 4))
    signal = np.sum(reference.cond**2, axis=(2, 3, 4))
    sqnr = 10 * np.log10(signal / np.maximum(error, 1e-12 * signal))
    return Sample(sqnr.ravel(), by_timestep=dict(zip(map(str, own.timesteps), sqnr.mean(1).tolist(), strict=True)))


METRIC = Metric(
    name="unet_sqnr_db",
    label="U-Net SQNR to reference",
    unit="dB",
    better="high",
    order=60,
    needs=frozenset({Need.REFERENCE, Need.OUTPUTS}),
    by_timestep=ByTimestep(
        heading="How close the U-Net's output stays, timestep by timestep",
        title="U-Net SQNR per timestep",
        axis="SQNR, dB; up is closer",
        help="Signal-to-noise ratio of one U-Net pass against the reference's on the same inputs: 20 dB means the "
        "difference has 1 % of the signal's power.",
    ),
    compute=_compute,
)
