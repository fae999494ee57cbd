"""OpenVINO as others see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.measure.kinds import MOVES, Kernels
from workbench.runtimes.descriptor import Ceilings, Descriptor
from workbench.runtimes.openvino.format import FORMAT
from workbench.runtimes.openvino.session import INSTALL, SUFFIX

if TYPE_CHECKING:
    from workbench.runtimes.base import Runtime


def _make() -> Runtime:
    from workbench.runtimes.openvino.runtime import OpenVino

    return OpenVino(RUNTIME)


RUNTIME = Descriptor(
    name="openvino",
    title="OpenVINO",
    target="host-openvino",
    order=2,
    distribution="openvino",
    install=INSTALL,
    make=_make,
    kernels=Kernels(
        products=(
            "Convolution", "GroupConvolution", "Deconvolution", "FullyConnected", "MatMul", "ScaledDotProductAttention",
            "MHA",
        ),
        conversions=("FakeQuantize", "Convert"),
        moves=(*MOVES, "Reorder", "StridedSlice", "VariadicSplit", "Broadcast"),
        by_scheme=True,
    ),
    reads=(".onnx", SUFFIX),
    format=FORMAT,
    ceilings=Ceilings(merges_sums=True),
    profiler="free",
    trace={"begins": "OpenVINO tells how long kernels took and not when they began: they stand one after another"},
)  # fmt: skip
