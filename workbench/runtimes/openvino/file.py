"""What an ``.onnx`` or ``.xml`` file, as OpenVINO reads it, says of its operations: layers, products, weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.graphs.layer_names import Names
from workbench.graphs.read import read_model as onnx_model
from workbench.runtimes.openvino.costs import PRODUCTS, constant_bytes, costs_of, names_graph, onnx_name
from workbench.runtimes.openvino.session import SUFFIX

if TYPE_CHECKING:
    from workbench.graphs.costs import NodeCost

_OWN_NAME = re.compile(r"[A-Z]\w*_\d+")
"""What OpenVINO calls an operation that the file has no name for (``MVN_57``)."""
_SCALES = re.compile(r"/Dequantization\w+$")
"""What OpenVINO calls the scales that it moves behind a product of integers."""
_PRODUCT_KINDS = ("Convolution", "Deconvolution", "FullyConnected", "MatMul", "ScaledDotProductAttention")


class File:
    """What the file says: the layer in a name, products, constants' bytes by layer, kinds of operations."""

    def __init__(self, path: Path, model: Any) -> None:
        self._names = Names(names_graph(model) if path.suffix == SUFFIX else onnx_model(path).graph)
        self._labels = {node.label for node in self._names.nodes}
        self._layers: dict[str, str | None] = {}
        ops = model.get_ordered_ops()
        for op in reversed(ops):
            # An ONNX node becomes several operations, and the last of them has its name.
            users = (port.get_node().get_friendly_name() for out in op.outputs() for port in out.get_target_inputs())
            name = op.get_friendly_name()
            metadata = self._by_name(name)
            self._layers[name] = metadata or next((at for user in users if (at := self._layers.get(user))), None)
        self.kinds = {op.get_friendly_name(): op.get_type_name() for op in ops}
        self.weight_bytes = constant_bytes(model, self.layer)
        self.products: dict[str, NodeCost] = {cost.node: cost for cost in costs_of(model)}
        self._biased: dict[str, str] = {}
        for op in ops:
            if (product := onnx_name(op.get_friendly_name())) in self.products and op.get_type_name() in PRODUCTS:
                behind = [port.get_node() for port in op.output(0).get_target_inputs()]
                if len(behind) == 1 and behind[0].get_type_name() == "Add":
                    self._biased[behind[0].get_friendly_name()] = product

    def layer(self, name: str) -> str | None:
        """The layer of an operation or constant, or the one that a name made from theirs speaks of."""
        return self._layers[name] if name in self._layers else self._by_name(name)

    def product(self, name: str, kind: str) -> str | None:
        """The product (a key of ``products``) that a node of this kind computes if ``name`` went into it.

        Kernels of products take bias and scales in, and often have the name of these alone.
        """
        if kind not in _PRODUCT_KINDS:
            return name if self.kinds.get(name) in PRODUCTS and name in self.products else None
        name = _SCALES.sub("", name)
        product = self._biased.get(name) or onnx_name(name)
        return product if product in self.products else None

    def _by_name(self, name: str) -> str | None:
        if _OWN_NAME.fullmatch(name) and name not in self._labels:
            return None
        return self._names.find(name).layer
