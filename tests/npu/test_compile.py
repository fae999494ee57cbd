"""One network compiled: what is told, from the store the second time, and what is refused before any work."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest

from tests.fixtures.qnn import TARGET, needs_qnn
from workbench.errors import InputError
from workbench.limits import at_most
from workbench.measure.network import Network, network_of
from workbench.npu.compile import check_networks, compile_network, sides
from workbench.store.store import RESULT


def unet(tiny, exports) -> Network:
    return network_of(tiny, "unet", exports["unet"][0], 0)


@needs_qnn
def test_every_component_of_a_float_pipeline_is_one_partition_with_nothing_off(tiny, exports, store):
    for component, (file, _) in exports.items():
        compiled = compile_network(network_of(tiny, component, file, 0), TARGET, store)
        assert len(compiled.partitions) == 1, component
        assert [one for one in compiled.off if one.computes] == []
        assert sum(compiled.npu_ops.values()) == compiled.partitions[0] and compiled.context_bytes > 0


@needs_qnn
def test_the_second_time_it_comes_from_the_store_and_another_chip_or_mode_doesnt(tiny, exports, store):
    network = unet(tiny, exports)
    first = compile_network(network, TARGET, store)
    assert compile_network(network, TARGET, store) == first
    assert len(list((store.root / "results").iterdir())) == 1
    compile_network(network, dataclasses.replace(TARGET, mode=1), store)
    assert len(list((store.root / "results").iterdir())) == 2
    kept = sorted(f.name for f in next((store.root / "results").iterdir()).iterdir())
    assert kept == ["log.txt", "qnn_op_trace.json", RESULT], "not the binary, which is as large as the file"


@needs_qnn
def test_a_side_with_a_name_is_compiled_as_it_is_fed(parsed, store):
    network = parsed("g (float[n, 8] x) => (float[n, 8] y) { y = Relu(x) }", ["a/Relu"], n=3)
    assert sides(network) == {"n": 3}
    assert compile_network(network, TARGET, store).off == ()


@needs_qnn
def test_weights_beside_the_file_are_compiled_and_are_a_part_of_what_the_store_knows_it_by(parsed, store):
    weights = {"w": np.ones((8, 8), np.float32)}
    network = parsed("g (float[1, 8] x) => (float[1, 8] y) { y = MatMul(x, w) }", ["a/MatMul"], weights)
    model = onnx.load(network.path)
    onnx.save(model, network.path, save_as_external_data=True, location="its.weights", size_threshold=0)
    assert compile_network(network, TARGET, store).off == ()
    (network.path.parent / "its.weights").write_bytes(np.full((8, 8), 2, np.float32).tobytes())
    compile_network(network, TARGET, store)
    assert len(list((store.root / "results").iterdir())) == 2


def test_a_side_without_number_or_name_is_refused_before_any_work(parsed):
    network = parsed("g (float[n, 8] x) => (float[n, 8] y) { y = Relu(x) }", ["a/Relu"])
    model = onnx.load(network.path)
    model.graph.input[0].type.tensor_type.shape.dim[0].Clear()
    onnx.save(model, network.path)
    with pytest.raises(InputError, match="input 'x' has a side without a number or a name"):
        check_networks([network])


def test_a_file_of_another_runtime_is_refused(parsed):
    network = parsed("g (float[1, 8] x) => (float[1, 8] y) { y = Relu(x) }", ["a/Relu"])
    with pytest.raises(
        InputError, match=r"own\.model: needs an ONNX file; .*model\.xml is in another runtime's format"
    ):
        check_networks([dataclasses.replace(network, file=network.path.with_suffix(".xml"))])


def test_a_network_that_takes_more_memory_than_there_is_is_refused_before_any_work(tiny, exports):
    with at_most(1), pytest.raises(InputError, match=r"base\.unet: compiling its .* takes at least .* GB of memory"):
        check_networks([unet(tiny, exports)])
