"""Peak signal-to-noise ratio of the pictures to the reference's of the same seeds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.metrics.base import Metric, Need, Sample
from workbench.metrics.drawn import Drawn

if TYPE_CHECKING:
    import numpy as np


def psnr_db(pictures: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """PSNR [N] in dB of uint8 pictures [N, H, W, 3]; at most 100, which stands for equal pictures."""
    import numpy as np
    import torch
    from torchmetrics.functional.image import peak_signal_noise_ratio

    a, b = (torch.from_numpy(p).permute(0, 3, 1, 2).float() / 255 for p in (pictures, reference))
    psnr: np.ndarray = peak_signal_noise_ratio(a, b, data_range=1.0, reduction="none", dim=(1, 2, 3)).numpy()
    return np.minimum(psnr, 100.0)


def _compute(drawn: Drawn) -> Sample:
    assert drawn.reference is not None
    return Sample(psnr_db(drawn.pictures, drawn.reference.pictures))


METRIC = Metric(
    name="psnr_db",
    label="PSNR to reference",
    unit="dB",
    better="high",
    order=40,
    needs=frozenset({Need.REFERENCE}),
    perfect=math.inf,
    per_picture=True,
    digits=2,
    compute=_compute,
)
