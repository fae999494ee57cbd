"""MACs and parameters: a file's own, or those of the network that it was made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.fixtures.onnx_files import Ask
from workbench.profile.counts import count_network


def test_a_file_of_its_parents_macs_keeps_its_parents_count(written: Callable[..., Path], ask: Ask) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 8))
    weight = numpy_helper.from_array(np.ones((8, 4), np.float32), "w")
    (network,) = ask(written([onnx.helper.make_node("MatMul", ["x", "w"], ["y"])], [x], [weight]))
    own = count_network(network)
    assert (own.macs, own.params) == (32, 32)
    parent = replace(own, layers=tuple(replace(layer, params=layer.params + 4) for layer in own.layers))
    assert count_network(network, parent) is parent, "its bias may have been folded"
    other = replace(own, layers=(*own.layers, *own.layers))
    assert count_network(network, other).macs == 32
