"""The NNCF backend: post-training quantization of the ONNX graph with NNCF's own ranges and bias correction.

It leaves the outputs of convolutions in float, for which ONNX Runtime has no int8 kernel on a CPU: there such a model
is slower than float (demo-size U-Net, CPU time on one thread: 43 ms; the other backend 18.5 ms; float 24 ms), at an
SQNR within 2 dB of the other backend's. It is for runtimes that fuse the dequantization themselves.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Collection, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.compress.quantize.backends import Backend, Task
from workbench.compress.quantize.onnx.qdq import name_quantization, nodes_of
from workbench.export.onnx import save

if TYPE_CHECKING:
    import onnx_ir as ir

    from workbench.compress.quantize.calibration.trajectory import Inputs


def quantize_nncf(model: ir.Model, layers: Collection[str], samples: Sequence[Inputs], out: Path) -> None:
    """Writes the model quantized by NNCF to ``out``; only the named layers are quantized."""
    import onnx_ir as ir

    names = {node.name for node in nodes_of(model, layers)}
    ignored = [node.name for node in model.graph if node.name and node.name not in names]
    made = ir.from_proto(quantized(ir.to_proto(model), samples, ignored))
    name_quantization(made)
    save(made, out)


def quantized(model: Any, samples: Sequence[Inputs], ignored: list[str], **more: Any) -> Any:
    """An ONNX or OpenVINO model quantized by NNCF, but for the operations ``ignored``; ``more``: further arguments.

    NNCF reads the samples several times, so they are kept (a few hundred kB each); activations aren't.
    """
    import nncf

    nncf.set_log_level(logging.ERROR)
    with redirect_stdout(io.StringIO()):  # progress bars
        return nncf.quantize(
            model,
            nncf.Dataset(list(samples)),
            subset_size=len(samples),
            preset=nncf.QuantizationPreset.MIXED,
            target_device=nncf.TargetDevice.CPU,
            ignored_scope=nncf.IgnoredScope(names=ignored, validate=False),
            **more,
        )


def _make(task: Task) -> dict[str, Any]:
    from workbench.compress.quantize.onnx.quantizer import in_memory

    seen, summary = task.calibrate()
    quantize_nncf(in_memory(task.parent), task.chosen, seen, task.out)
    return {"calibration": {**summary, "method": "nncf"}}


BACKEND = Backend(
    name="nncf",
    order=2,
    runtime="onnxruntime",
    about="NNCF, in ONNX; slower on onnxruntime",
    schemes=("w8a8",),
    make=_make,
    simulated_on=frozenset({"onnxruntime"}),
)
