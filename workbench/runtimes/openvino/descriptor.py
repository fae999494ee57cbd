"""OpenVINO without its library."""

from __future__ import annotations

from workbench.measure.kinds import MOVES, Kernels
from workbench.runtimes.descriptor import Ceilings, Descriptor
from workbench.runtimes.openvino.session import INSTALL, SUFFIX

RUNTIME = Descriptor(
    name="openvino",
    title="OpenVINO",
    target="host-openvino",
    order=2,
    distribution="openvino",
    install=INSTALL,
    cls="OpenVino",
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
    format="openvino",
    suffix=SUFFIX,
    ceilings=Ceilings(merges_sums=True),
    profiler="free",
    trace={"begins": "OpenVINO reports how long kernels took, not when they began: they are shown one after another"},
)  # fmt: skip
