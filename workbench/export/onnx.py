"""PyTorch to ONNX: one component, static shapes, opset 20, nodes named by layer, checked against PyTorch."""

from __future__ import annotations

import gc
import io
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import RunError
from workbench.graphs.names import name_by_layer
from workbench.graphs.quiet import quiet
from workbench.measure.sqnr import sqnr_db
from workbench.models.candidate import Candidate
from workbench.models.families.base import Spec
from workbench.runtimes.onnxruntime.session import session
from workbench.store.memory import give_back

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir
    import torch

OPSET = 20
INLINE_LIMIT = 200_000_000
"""Bytes up to which weights are stored in model.onnx itself: protobuf copies them twice on writing and on reading."""
AGREE_DB = 80.0
"""Minimum SQNR of a float32 export; with rounding alone the demo's three components have 117 to 126 dB."""


def export_component(candidate: Candidate, component: str, out: Path, contract: Spec | None = None) -> dict[str, Any]:
    """``export_module`` of a pipeline's component; ``contract`` replaces the one from its configs.

    Raises:
        RunError: ONNX Runtime's output disagrees with PyTorch's.
    """
    contract = contract or candidate.spec(component)
    report = export_module(
        lambda: candidate.load(component),
        contract.seeded(),
        [contract.output],
        out,
        candidate.family.part(component).wrapper,
    )
    return {"component": component, "output": contract.output, **report}


def export_module(
    make: Callable[[], torch.nn.Module],
    feed: Mapping[str, np.ndarray],
    out_names: list[str] | None,
    out: Path,
    wrapper: str = "",
    least_db: float = AGREE_DB,
) -> dict[str, Any]:
    """Writes ``out/model.onnx`` (weights in ``model.onnx.data`` when large) and returns a report.

    The report holds opset, inputs (shape and type), nodes, nodes whose layer is unknown, bytes, seconds, and the
    agreement with PyTorch on ``feed``. Needs little more memory than the weights: the module is released before the
    runtime loads the file.

    Args:
        make: creates the module, which takes the inputs by position and returns a tensor or a flat tuple of tensors.
        feed: inputs by name, in the module's order.
        out_names: names of the outputs; None where their number isn't known.
        out: a folder, created if needed.
        wrapper: the attribute of ``module`` that holds the component, "" when ``module`` is the component.
        least_db: minimum agreement with PyTorch.

    Raises:
        RunError: PyTorch can't run or trace the module, or ONNX Runtime's output disagrees with PyTorch's.
    """
    import torch

    start = time.monotonic()
    with quiet():
        module = make()
        expected = outputs(module, feed)
        # A failing trace prints graphs there; its exception contains the same.
        with redirect_stderr(io.StringIO()), _uncollected():
            model = _trace(module, feed, out_names)
    unknown = name_by_layer(model, wrapper)
    path = out / "model.onnx"
    save(model, path)
    nodes = len(model.graph)
    seconds = time.monotonic() - start
    del model, module
    gc.collect()  # tracing leaves reference cycles that hold the weights
    give_back()
    return {
        "opset": OPSET,
        "inputs": {name: {"shape": list(value.shape), "type": str(value.dtype)} for name, value in feed.items()},
        "nodes": nodes,
        "nodes_without_layer": unknown,
        "size_bytes": sum(file.stat().st_size for file in out.glob("model.onnx*")),
        "export_seconds": round(seconds, 2),
        **agreement(path, feed, expected, torch.get_num_threads(), least_db),
    }


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without Python's collector, which walks the growing graph's small objects again and again.

    That takes 22 % of the time for the demo's U-Net; without it the peak is 0.91 instead of 0.88 GB.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def save(model: ir.Model, path: Path) -> None:
    """Writes an ONNX file with its weights, wherever they lie; over ``INLINE_LIMIT`` they go to ``<path>.data``."""
    import onnx_ir as ir

    path.parent.mkdir(parents=True, exist_ok=True)
    weights = sum(v.const_value.nbytes for v in model.graph.initializers.values() if v.const_value is not None)
    beside = weights > INLINE_LIMIT
    if not beside:
        ir.external_data.load_to_model(model)
    ir.save(model, path, external_data=f"{path.name}.data" if beside else None)


def _trace(module: torch.nn.Module, feed: Mapping[str, np.ndarray], out_names: list[str] | None) -> ir.Model:
    """The module's graph with constants folded.

    The exporter's optimizer isn't used: on the demo U-Net its pattern rewriter takes 6 of 15 s and gains nothing
    in ONNX Runtime (20.9 against 21.2 ms, within the spread); folding constants takes 0.6 s. The TorchScript exporter
    takes 1.8 s there, but on full-size models 5.6 GB instead of 1.8 GB of memory and twice the time, and is deprecated.
    """
    import onnx_ir.passes.common as passes
    import torch
    from onnxscript import optimizer

    program = torch.onnx.export(
        module,
        tuple(torch.from_numpy(v) for v in feed.values()),
        dynamo=True,
        opset_version=OPSET,
        input_names=list(feed),
        output_names=out_names,
        optimize=False,
        verify=False,
        verbose=False,
    )
    assert program is not None
    model = program.model
    passes.InlinePass()(model)
    optimizer.fold_constants_ir(model, onnx_shape_inference=True)
    _drop_divisions_by_one(model)
    for clean_up in (
        passes.RemoveUnusedNodesPass(),
        passes.RemoveUnusedFunctionsPass(),
        passes.RemoveUnusedOpsetsPass(),
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.DeduplicateInitializersPass(),
        passes.CommonSubexpressionEliminationPass(),
        passes.RemoveUnusedNodesPass(),
    ):
        clean_up(model)
    return model


def _drop_divisions_by_one(model: ir.Model) -> None:
    """diffusers divides every residual sum by ``output_scale_factor``, which is 1 in Stable Diffusion."""
    import onnx_ir as ir

    for node in list(model.graph):
        if node.op_type != "Div" or node.outputs[0].is_graph_output():
            continue
        data, by = node.inputs
        divisor = by.const_value if by is not None else None
        if data is not None and divisor is not None and divisor.size == 1 and divisor.numpy().item() == 1:
            ir.convenience.replace_all_uses_with(node.outputs[0], data)
            model.graph.remove(node, safe=True)


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
