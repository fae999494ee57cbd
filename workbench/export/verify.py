"""The check that ONNX Runtime's output agrees with PyTorch's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import RunError
from workbench.export.load import session

if TYPE_CHECKING:
    import numpy as np
    import torch

AGREE_DB = 80.0
"""Least SQNR of a float32 export; rounding alone left 117 to 126 dB on the demo's three components."""


def sqnr_db(reference: np.ndarray, other: np.ndarray) -> float:
    """Signal to quantization noise in dB: 10 log10(sum ref² / sum (ref − other)²); 200 when both are equal."""
    import numpy as np

    signal = float(np.square(reference, dtype=np.float64).sum())
    noise = float(np.square(reference.astype(np.float64) - other).sum())
    return 200.0 if noise == 0 else float(10 * np.log10(max(signal, 1e-300) / noise))


def check(
    module: torch.nn.Module, path: Path, inputs: Mapping[str, np.ndarray], threads: int, least_db: float = AGREE_DB
) -> dict[str, float]:
    """``max_abs_error`` and ``sqnr_db`` between ``module`` and the ONNX file on the same inputs, in the module's order.

    Raises:
        RunError: the SQNR is below ``least_db``, or an output isn't finite or has another shape.
    """
    import numpy as np
    import torch

    with torch.no_grad():
        expected = module(*(torch.from_numpy(v) for v in inputs.values())).numpy()
    found = session(path, threads).run(None, dict(inputs))[0]
    if found.shape != expected.shape or not np.isfinite(found).all():
        shapes = f"{list(found.shape)}, PyTorch's is {list(expected.shape)}"
        raise RunError(f"{path}: ONNX Runtime's output isn't finite or has another shape: {shapes}")
    error, sqnr = float(np.abs(found - expected).max()), sqnr_db(expected, found)
    if sqnr < least_db:
        raise RunError(
            f"{path}: ONNX Runtime disagrees with PyTorch: SQNR {sqnr:.1f} dB (least {least_db:g} dB), "
            f"largest error {error:.3g} at outputs up to {float(np.abs(expected).max()):.3g}"
        )
    return {"max_abs_error": error, "sqnr_db": sqnr}
