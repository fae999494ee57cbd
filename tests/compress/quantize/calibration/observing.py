"""A network whose values are folded in as it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from workbench.compress.quantize.calibration.moments import Moments
from workbench.compress.quantize.calibration.observe import Observed
from workbench.compress.quantize.calibration.ranges import Ranges


def folding(gathers: Ranges | Moments, model: Path, work: Path) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    """``run(inputs)``: one pass, which gives the model's first output."""
    observed = Observed(model, gathers.tensors, work / "observed.onnx", getattr(gathers, "extremes", ()))

    def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
        out, values = observed.run(inputs)
        gathers.add(values)
        return out

    return run
