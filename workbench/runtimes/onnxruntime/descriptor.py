"""ONNX Runtime as others see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.measure.kinds import MOVES, Kernels
from workbench.runtimes.descriptor import Descriptor, Format

if TYPE_CHECKING:
    from workbench.graphs.costs import NodeCost
    from workbench.measure.counts import Count
    from workbench.runtimes.base import Runtime


def _make() -> Runtime:
    from workbench.runtimes.onnxruntime.runtime import OnnxRuntime

    return OnnxRuntime(RUNTIME)


def _session(path: Path, threads: int | None) -> Any:
    from workbench.runtimes.onnxruntime.session import session

    return session(path, threads)


def _files(path: Path) -> list[Path]:
    from workbench.graphs.read import onnx_files

    return onnx_files(path)


def _costs(path: Path) -> list[NodeCost]:
    from workbench.graphs.costs import node_costs

    return node_costs(path)


def _count(path: Path, shapes: Mapping[str, Sequence[int]]) -> Count:
    from workbench.graphs.macs import count_graph

    return count_graph(path, shapes).count


RUNTIME = Descriptor(
    name="onnxruntime",
    target="host",
    order=1,
    distribution="onnxruntime",
    install="onnxruntime",
    make=_make,
    kernels=Kernels(
        products=(
            "Conv", "ConvTranspose", "FusedConv", "NhwcFusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul",
            "MatMulNBits", "Attention", "MultiHeadAttention", "Einsum",
        ),
        integers=(
            "QLinearConv", "QLinearMatMul", "QGemm", "MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul",
            "QAttention",
        ),
        conversions=("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast"),
        moves=(*MOVES, "ReorderInput", "ReorderOutput"),
        wrapped="Skip|Fused|QLinear|Q(?=Gemm)",
    ),
    reads=(".onnx",),
    format=Format("onnx", ".onnx", _session, _files, _costs, _count, parallel=True),
    by_default=True,
    profiler="in kernels",
)  # fmt: skip
