"""GPTQ (Frantar et al., arXiv 2210.17323): weights are rounded one column after the other, and the columns that are
still to come make up for the error that a rounded one leaves in the layer's output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.compress.quantize.weights.grid import Grid, Rounded
from workbench.compress.quantize.weights.scales import best_scales

if TYPE_CHECKING:
    import numpy as np

DAMPING = 0.01
"""Of the mean of the moments' diagonal, added to the diagonal."""
BLOCK = 128
"""Columns after which the error reaches the columns beyond them, in one matrix product."""


def gptq(weight: np.ndarray, grid: Grid, moments: np.ndarray, damping: float = DAMPING) -> Rounded:
    """``weight`` float32 [N, K] on ``grid``, for a small error of the layer's output on inputs of these ``moments``.

    Scales are searched for beforehand (``best_scales``), so that columns can come in the order of their inputs' mean
    squares, largest first, while each keeps its group's scale. On the demo's U-Net, 4 bit in groups of 32, that gives
    24.3 dB; 23.8 dB with columns in their own order, with scales from before or from each group's updated weights. A
    damping of 0.001 to 0.1 makes less than 0.6 dB of difference. Columns whose input is always zero are rounded to the
    nearest.

    Args:
        weight: one row per output channel.
        grid: bits, and how many weights share a scale.
        moments: E[x xᵀ], [K, K].
        damping: share of the mean of the moments' diagonal that is added to the diagonal.

    Raises:
        RunError: the moments aren't finite.
    """
    import numpy as np

    width = weight.shape[1]
    diagonal = moments.diagonal()
    order = np.argsort(-diagonal, kind="stable")
    spread = _inverse_factor(moments, order, damping)
    scales = best_scales(weight, grid, diagonal)
    scale_of = np.zeros(width, np.int64) if grid.per_tensor else order // grid.columns(width)
    left = np.ascontiguousarray(weight.T[order])
    integers = np.empty(left.shape, np.int8)
    errors = np.empty((BLOCK, len(weight)), np.float32)
    for start in range(0, width, BLOCK):
        end = min(start + BLOCK, width)
        for i in range(start, end):
            done = i - start
            value = left[i] - spread[start:i, i] @ errors[:done]
            scale = scales[:, scale_of[i]]
            integers[i] = rounded = np.clip(np.rint(value / scale), grid.low, grid.high)
            errors[done] = (value - rounded * scale) / spread[i, i]
        left[end:] -= spread[start:end, end:].T @ errors[: end - start]
    in_place = np.empty_like(integers)
    in_place[order] = integers
    return Rounded(np.ascontiguousarray(in_place.T), scales, grid)


def _inverse_factor(moments: np.ndarray, order: np.ndarray, damping: float) -> np.ndarray:
    """Upper triangular U with UᵀU = (H + damping)⁻¹, columns in ``order``, float32.

    U is the inverse of the upper triangular M in H = M Mᵀ, which is the Cholesky factor of H with both axes reversed:
    a third of the work of GPTQ's own way (factor, invert, factor), and no inverse that is factored again.
    """
    import numpy as np
    from scipy.linalg import lapack

    backwards = order[::-1]
    matrix = moments[np.ix_(backwards, backwards)].astype(np.float64)
    diagonal = np.einsum("ii->i", matrix)
    mean = float(diagonal.mean()) or 1.0
    diagonal[diagonal == 0] = mean
    diagonal += damping * mean
    factor, failed = lapack.dpotrf(matrix.T, lower=1, clean=1, overwrite_a=1)
    assert not failed, failed
    inverse, failed = lapack.dtrtri(factor, lower=1, overwrite_c=1)
    assert not failed, failed
    return np.ascontiguousarray(inverse[::-1, ::-1], np.float32)
