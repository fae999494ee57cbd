"""Float weights to integers on a grid: to the nearest, with a scale that is searched for, or by GPTQ.

Every scale is a normal float16 number before an integer is chosen, because files store scales as float16: the rounding
of the scale is then part of what the integers make up for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from workbench.compress.quantize.weights.grid import Grid, Rounded
from workbench.compress.quantize.weights.scales import PIECE, best_scales, grouped, nearest_scales
from workbench.errors import RunError

if TYPE_CHECKING:
    import numpy as np

Rounding = Literal["nearest", "mse", "gptq"]


def round_weights(weight: np.ndarray, grid: Grid, rounding: Rounding, moments: np.ndarray | None = None) -> Rounded:
    """``weight`` float [N, K] on ``grid``.

    ``nearest``: the scale reaches the largest weight. ``mse``: the scale of least squared error, each column weighted
    by its input's mean square where ``moments`` are there. ``gptq``: see ``workbench.compress.quantize.weights.gptq``.

    Args:
        weight: one row per output channel.
        grid: bits, and how many weights share a scale; a group must divide K.
        rounding: how.
        moments: E[x xᵀ] of the layer's inputs, [K, K] (see ``calibration.moments``); ``gptq`` needs them.

    Raises:
        RunError: a weight isn't finite.
        ValueError: ``gptq`` without moments, or a shape that doesn't fit.
    """
    import numpy as np

    weight = np.ascontiguousarray(weight, np.float32)
    columns = grid.columns(weight.shape[1])
    if weight.shape[1] % columns:
        raise ValueError(f"groups of {columns} don't divide {weight.shape[1]} columns")
    if moments is not None and moments.shape != (weight.shape[1],) * 2:
        raise ValueError(f"moments {moments.shape} don't belong to weights {weight.shape}")
    if not np.isfinite(weight).all():
        raise RunError("a weight isn't finite")
    if rounding == "gptq":
        from workbench.compress.quantize.weights.gptq import gptq

        if moments is None:
            raise ValueError("gptq needs the moments of the layer's inputs")
        return gptq(weight, grid, moments)
    if rounding == "nearest":
        scales = nearest_scales(weight, grid)
    else:
        scales = best_scales(weight, grid, None if moments is None else moments.diagonal())
    return Rounded(_integers(weight, scales, grid), scales, grid)


def _integers(weight: np.ndarray, scales: np.ndarray, grid: Grid) -> np.ndarray:
    import numpy as np

    integers = np.empty(weight.shape, np.int8)
    rows = max(1, PIECE // weight.shape[1])
    for start in range(0, len(weight), rows):
        part = grouped(weight[start : start + rows], grid)
        steps = scales if grid.per_tensor else scales[start : start + rows]
        rounded = np.clip(np.rint(part / steps[..., None]), grid.low, grid.high)
        integers[start : start + rows] = rounded.reshape(-1, weight.shape[1])
    return integers
