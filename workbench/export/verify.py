"""The check that ONNX Runtime's output agrees with PyTorch's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import RunError
from workbench.measure.sqnr import sqnr_db
from workbench.runtimes.onnxruntime.session import session

if TYPE_CHECKING:
    import numpy as np
    import torch

AGREE_DB = 80.0
"""Minimum SQNR of a float32 export; with rounding alone the demo's three components have 117 to 126 dB."""


def outputs(module: torch.nn.Module, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """PyTorch's output tensors in order; ``inputs`` are in the order of the module's arguments."""
    import torch

    with torch.inference_mode():
        results = module(*(torch.from_numpy(v) for v in inputs.values()))
    return [value.numpy() for value in ((results,) if isinstance(results, torch.Tensor) else results)]


def agreement(
    path: Path, inputs: Mapping[str, np.ndarray], expected: list[np.ndarray], threads: int, least_db: float = AGREE_DB
) -> dict[str, float]:
    """``max_abs_error`` and ``sqnr_db`` of the floating-point output that agrees least with PyTorch's ``expected``.

    Raises:
        RunError: the SQNR is below ``least_db``, or an output isn't finite or has another shape.
    """
    import numpy as np

    worst = {"max_abs_error": 0.0, "sqnr_db": 200.0}
    for actual, reference in zip(session(path, threads).run(None, dict(inputs)), expected, strict=True):
        floating = np.issubdtype(reference.dtype, np.floating)
        if actual.shape != reference.shape or (floating and not np.isfinite(actual).all()):
            shapes = f"{list(actual.shape)}, PyTorch's is {list(reference.shape)}"
            raise RunError(f"{path}: ONNX Runtime's output isn't finite or has another shape: {shapes}")
        if not floating or not reference.size:
            continue  # a choice such as an argmax can differ where two values are almost equal
        error, sqnr = float(np.abs(actual.astype(np.float64) - reference).max()), sqnr_db(reference, actual)
        if sqnr < least_db:
            raise RunError(
                f"{path}: ONNX Runtime disagrees with PyTorch: SQNR {sqnr:.1f} dB (least {least_db:g} dB), "
                f"largest error {error:.3g} at outputs up to {float(np.abs(reference).max()):.3g}"
            )
        worst = min(worst, {"max_abs_error": error, "sqnr_db": sqnr}, key=lambda result: result["sqnr_db"])
    return worst
