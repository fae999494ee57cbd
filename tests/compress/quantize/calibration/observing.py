"""A network whose values are folded in as it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir

from workbench.compress.quantize.calibration.moments import Moments
from workbench.compress.quantize.calibration.observe import Observed
from workbench.compress.quantize.calibration.ranges import Ranges


def folding(gathers: Ranges | Moments, model: Path) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    """``run(inputs)``: one pass, which gives the model's first output."""
    observed = Observed(ir.load(model), model, gathers.tensors, getattr(gathers, "extremes", ()))

    def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
        out, values = observed.run(inputs)
        gathers.add(values)
        return out

    return run


def nodes(model: Path, names: Sequence[str]) -> list[ir.Node]:
    """Those of the model's nodes, in this order."""
    by_name = {node.name: node for node in ir.load(model).graph}
    return [by_name[name] for name in names]
