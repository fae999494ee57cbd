"""A model that also gives away tensors from inside, one pass at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.runtimes.onnxruntime.session import session

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

EXTREMES = ("ReduceMin", "ReduceMax")


class Observed:
    """Runs a graph and hands over ``tensors`` beside its first output.

    ``model``: the graph of ``file``, changed or not; weights that lie beside the file are read from there, by the
    runtime alone. Memory: the network and the tensors of one pass; of those in ``extremes`` only the least and the
    largest value leave the runtime, as ``NAME/ReduceMin`` and ``NAME/ReduceMax``.
    """

    def __init__(self, model: ir.Model, file: Path, tensors: Iterable[str], extremes: Iterable[str] = ()) -> None:
        import onnx_ir as ir

        copy = ir.from_proto(ir.to_proto(model))
        graph = copy.graph
        given = {value.name for value in (*graph.inputs, *graph.outputs)}
        values = {value.name: value for value in (*graph.inputs, *(v for node in graph for v in node.outputs))}
        shown = [values[name] for name in sorted(set(tensors)) if name not in given]
        for name in sorted(set(extremes)):
            for op in EXTREMES:
                node = ir.node(op, [values[name]], attributes={"keepdims": 0}, name=f"{name}/{op}:node")
                node.outputs[0].name, node.outputs[0].shape = f"{name}/{op}", ir.Shape([])
                graph.append(node)
                shown.append(node.outputs[0])
        for value in shown:
            value.dtype = value.dtype or ir.DataType.FLOAT
            graph.outputs.append(value)
        self._session = session(file, graph=ir.to_proto(copy).SerializeToString(), patterns=False)
        self._names = [output.name for output in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The model's first output; all inputs and outputs by name, the tensors among them."""
        outputs = self._session.run(None, dict(inputs))
        return outputs[0], {**inputs, **dict(zip(self._names, outputs, strict=True))}
