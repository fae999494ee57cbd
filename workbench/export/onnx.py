"""PyTorch to ONNX: one component, batch 1, static shapes, opset 20, nodes named by layer, checked against PyTorch."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.export.components import Spec, load, spec, wrapper_of
from workbench.export.names import name_by_layer
from workbench.export.verify import check
from workbench.models.candidate import Candidate

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

OPSET = 20
INLINE_LIMIT = 1_900_000_000
"""Bytes of weights up to which they lie in model.onnx itself; protobuf ends at 2 GiB, the graph needs some of it."""


def export_component(candidate: Candidate, component: str, out: Path) -> dict[str, Any]:
    """Writes ``out/model.onnx`` (weights in ``model.onnx.data`` when large) and returns what is known of it.

    The report holds opset, inputs (shape and type), output, nodes, nodes whose layer is unknown, bytes, seconds, and
    the agreement with PyTorch on seeded inputs.

    Raises:
        RunError: ONNX Runtime's output disagrees with PyTorch's.
    """
    import torch

    start = time.monotonic()
    contract = spec(candidate, component)
    with quiet():
        module = load(candidate, component)
        model = _trace(module, contract)
    unknown = name_by_layer(model, wrapper_of(component))
    path = out / "model.onnx"
    save(model, path)
    seconds = time.monotonic() - start
    agreement = check(module, path, contract.seeded(), torch.get_num_threads())
    return {
        "component": component,
        "opset": OPSET,
        "inputs": {name: {"shape": list(shape), "type": kind} for name, (shape, kind) in contract.inputs.items()},
        "output": contract.output,
        "nodes": len(model.graph),
        "nodes_without_layer": unknown,
        "size_bytes": sum(file.stat().st_size for file in out.glob("model.onnx*")),
        "export_seconds": round(seconds, 2),
        **agreement,
    }


def save(model: ir.Model, path: Path) -> None:
    """Writes an ONNX file; weights go to ``<path>.data`` when they don't fit into the file itself."""
    import onnx_ir as ir

    path.parent.mkdir(parents=True, exist_ok=True)
    weights = sum(v.const_value.nbytes for v in model.graph.initializers.values() if v.const_value is not None)
    ir.save(model, path, external_data=f"{path.name}.data" if weights > INLINE_LIMIT else None)


def _trace(module: torch.nn.Module, contract: Spec) -> ir.Model:
    """The component's graph with constants folded.

    The exporter's own optimizer isn't used: on the demo U-Net its pattern rewriter takes 6 of 15 s and gains nothing
    in ONNX Runtime (20.9 against 21.2 ms, within the spread); folding constants takes 0.6 s. The TorchScript exporter
    takes 1.8 s there, but on full-size models 5.6 GB instead of 1.8 GB of memory and twice the time, and is deprecated.
    """
    import onnx_ir.passes.common as passes
    import torch
    from onnxscript import optimizer

    inputs = tuple(torch.from_numpy(v) for v in contract.seeded().values())
    program = torch.onnx.export(
        module,
        inputs,
        dynamo=True,
        opset_version=OPSET,
        input_names=list(contract.inputs),
        output_names=[contract.output],
        optimize=False,
        verify=False,
        verbose=False,
    )
    assert program is not None
    model = program.model
    passes.InlinePass()(model)
    optimizer.fold_constants_ir(model, onnx_shape_inference=True)
    _drop_divisions_by_one(model)
    for tidy in (
        passes.RemoveUnusedNodesPass(),
        passes.RemoveUnusedFunctionsPass(),
        passes.RemoveUnusedOpsetsPass(),
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.DeduplicateInitializersPass(),
        passes.CommonSubexpressionEliminationPass(),
        passes.RemoveUnusedNodesPass(),
    ):
        tidy(model)
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


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps the exporters' warnings from the terminal: none of them asks the user for anything."""
    names = (
        "torch",
        "torch.utils._pytree",
        "torch.onnx._internal.exporter._registration",
        "torchao",
        "diffusers",
        "onnxscript",
        "onnx_ir",
    )
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
