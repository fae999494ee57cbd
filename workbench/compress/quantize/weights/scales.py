"""Scales of weights: those that reach the largest weight, and those of the least squared error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.compress.quantize.weights.grid import Grid

if TYPE_CHECKING:
    import numpy as np

SHRINK = 80
"""Scales that the search tries: 1.00, 0.99, … 0.21 times the one that just reaches the largest weight (Q-Diffusion)."""
SMALLEST, LARGEST = 2.0**-14, 65504.0
"""Ends of the normal float16 numbers; below them some hardware takes zero."""
PIECE = 1 << 17
"""Weights that are searched at a time: what they need beside themselves stays in the second-level cache."""


def float16_scales(scales: np.ndarray) -> np.ndarray:
    """The nearest normal float16 numbers, as float32."""
    import numpy as np

    return np.clip(scales, SMALLEST, LARGEST).astype(np.float16).astype(np.float32)


def nearest_scales(weight: np.ndarray, grid: Grid) -> np.ndarray:
    """Scales that reach each group's largest weight, [N, K / group]; [1, 1] per tensor."""
    import numpy as np

    largest = np.abs(grouped(weight, grid)).max(axis=2)
    return float16_scales((largest.max(keepdims=True) if grid.per_tensor else largest) / grid.high)


def best_scales(weight: np.ndarray, grid: Grid, importance: np.ndarray | None = None) -> np.ndarray:
    """Scales of the least squared error, [N, K / group]; [1, 1] per tensor.

    The search is Q-Diffusion's (arXiv 2302.04304), which weighs every weight alike and raises errors to 2.4: no gain
    over squares (demo's U-Net, 4 bit in groups of 32: 20.67 and 20.69 dB; a scale per channel: 19.18 and 19.06 dB).
    ``importance`` [K] weighs the columns (20.94 and 19.61 dB); 1 % of its mean is added, so that columns that no input
    of the calibration touched be clipped at will.
    """
    import numpy as np

    groups = grouped(weight, grid)
    largest = np.abs(groups).max(axis=2)
    if grid.per_tensor:
        largest = np.full_like(largest, largest.max())
    factors = (1 - 0.01 * np.arange(SHRINK, dtype=np.float32)) / grid.high
    candidates = float16_scales(factors[:, None, None] * largest)
    errors = np.zeros(candidates.shape, np.float32)
    by_column = None
    if importance is not None:
        by_column = (importance + (0.01 * float(importance.mean()) or 1.0)).astype(np.float32).reshape(groups.shape[1:])
    rows = max(1, PIECE // weight.shape[1])
    for start in range(0, len(weight), rows):
        part = groups[start : start + rows]
        for scale, error in zip(candidates[:, start : start + rows], errors[:, start : start + rows], strict=True):
            off = part / scale[..., None]
            np.rint(off, out=off)
            np.clip(off, grid.low, grid.high, out=off)
            off *= scale[..., None]
            off -= part
            if by_column is None:
                np.einsum("ngc,ngc->ng", off, off, out=error)
            else:
                np.einsum("ngc,ngc,gc->ng", off, off, by_column, out=error)
    if grid.per_tensor:
        return candidates[errors.sum(axis=(1, 2)).argmin(), :1, :1]
    return np.take_along_axis(candidates, errors.argmin(axis=0)[None], axis=0)[0]


def grouped(weight: np.ndarray, grid: Grid) -> np.ndarray:
    """[N, groups, columns of a group]; per tensor the groups are the rows."""
    return weight.reshape(len(weight), -1, grid.columns(weight.shape[1]))
