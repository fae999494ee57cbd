"""Small ONNX files of one's own making, and what ``resolve`` says of a source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnx
import pytest

from workbench.profile.network import Network
from workbench.progress import quiet
from workbench.store.store import Store
from workbench.subjects import resolve

Ask = Callable[..., list[Network]]


@pytest.fixture
def ask(store: Store) -> Ask:
    """``resolve`` with a fresh store, and everything but the source and what it needs by default."""

    def call(
        source: object, needs: Any = "onnx", component: str | None = None, values: Any = None, **shapes: Any
    ) -> Any:
        return resolve(str(source), component, shapes, 0, store, quiet, needs, values)

    return call


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Writes ``model.onnx`` of the nodes, inputs and weights given; its outputs are the last node's."""

    def write(
        nodes: Sequence[onnx.NodeProto],
        inputs: Sequence[onnx.ValueInfoProto],
        weights: Sequence[onnx.TensorProto] = (),
        domains: Sequence[str] = ("",),
        **more: Any,
    ) -> Path:
        graph = onnx.helper.make_graph(
            list(nodes), "g", list(inputs), [onnx.ValueInfoProto(name=nodes[-1].output[0])], list(weights)
        )
        opsets = [onnx.helper.make_opsetid(domain, 1 if domain else 18) for domain in domains]
        model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9, **more)
        path = tmp_path / "model.onnx"
        onnx.save(model, path)
        return path

    return write
