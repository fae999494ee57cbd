"""Signal to quantization noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def sqnr_db(reference: np.ndarray, other: np.ndarray) -> float:
    """Signal to quantization noise in dB: 10 log10(sum ref² / sum (ref − other)²); 200 when both are equal."""
    import numpy as np

    signal = float(np.square(reference, dtype=np.float64).sum())
    noise = float(np.square(reference.astype(np.float64) - other).sum())
    return 200.0 if noise == 0 else float(10 * np.log10(max(signal, 1e-300) / noise))
