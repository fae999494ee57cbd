"""OpenVINO as others see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.measure.kinds import MOVES, Kernels
from workbench.runtimes.descriptor import Ceilings, Descriptor, Format
from workbench.runtimes.openvino.session import INSTALL, SUFFIX, openvino_files

if TYPE_CHECKING:
    from workbench.graphs.costs import NodeCost
    from workbench.measure.counts import Count
    from workbench.runtimes.base import Runtime


def _make() -> Runtime:
    from workbench.runtimes.openvino.runtime import OpenVino

    return OpenVino(RUNTIME)


def _session(path: Path, threads: int | None) -> Any:
    from workbench.runtimes.openvino.session import OpenVinoSession

    return OpenVinoSession(path, threads)


def _costs(path: Path) -> list[NodeCost]:
    from workbench.runtimes.openvino.costs import openvino_costs

    return openvino_costs(path)


def _count(path: Path, _shapes: Mapping[str, Sequence[int]]) -> Count:
    from workbench.runtimes.openvino.costs import openvino_count

    return openvino_count(path)


RUNTIME = Descriptor(
    name="openvino",
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
    format=Format("openvino", SUFFIX, _session, openvino_files, _costs, _count),
    ceilings=Ceilings(merges_sums=True),
    profiler="free",
    trace={"begins": "OpenVINO tells how long kernels took and not when they began: they stand one after another"},
)  # fmt: skip
