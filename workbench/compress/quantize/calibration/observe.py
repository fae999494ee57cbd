"""A model that also gives away tensors from inside, one pass at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.runtimes.onnxruntime.session import session

if TYPE_CHECKING:
    import numpy as np


class Observed:
    """Runs the ONNX file ``model`` and hands over ``tensors`` beside its first output.

    A copy of the file with further outputs is written to ``copy``. Memory: the tensors of one pass.
    """

    def __init__(self, model: Path, tensors: Iterable[str], copy: Path) -> None:
        import onnx_ir as ir

        from workbench.export.onnx import save

        graph_model = ir.load(model)
        graph = graph_model.graph
        self._tensors = sorted(set(tensors))
        given = {value.name for value in (*graph.inputs, *graph.outputs)}
        values = {value.name: value for node in graph for value in node.outputs}
        for name in self._tensors:
            if name not in given:
                value = values[name]
                value.dtype = value.dtype or ir.DataType.FLOAT
                graph.outputs.append(value)
        save(graph_model, copy)
        self._session = session(copy)
        self._names = [output.name for output in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The model's first output, and each tensor by its name."""
        outputs = self._session.run(None, dict(inputs))
        values = {**inputs, **dict(zip(self._names, outputs, strict=True))}
        return outputs[0], {name: values[name] for name in self._tensors}
