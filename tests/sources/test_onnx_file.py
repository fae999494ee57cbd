"""Any ONNX file: fed so that it runs, or refused with what is wrong with it."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from workbench.errors import InputError
from workbench.runtimes.onnxruntime.session import session

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def table(name, *shape):
    return numpy_helper.from_array(np.ones(shape, np.float32), name)


def matmul(written, shape, *, weight=None):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    return written(nodes, [value("x", FLOAT, shape)], [weight or table("w", 8, 4)])


def test_the_network_is_the_file_with_inputs_that_it_runs_on(ask, written):
    path = matmul(written, [2, 8])
    (network,) = ask(path)
    assert (network.candidate, network.component, network.scheme, network.file) == ("model", "model", "fp32", path)
    assert network.torch is None
    assert session(path, 1).run(None, dict(network.feed))[0].shape == (2, 4)
    assert np.array_equal(ask(path)[0].feed["x"], network.feed["x"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not an ONNX file"),
        (b"hello, I am no model\n", "not an ONNX file"),
        (b"\x08\x09", "not an ONNX file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    ],
)
def test_what_is_no_onnx_file_is_reported_in_one_sentence(ask, tmp_path, content, says):
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(InputError, match=says) as caught:
        ask(tmp_path / "a.onnx")
    assert "a.onnx" in caught.value.message
    assert "\n" not in caught.value.message


def test_a_file_that_was_cut_off_is_refused(ask, written):
    path = matmul(written, [2, 8])
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(InputError, match=r"model\.onnx: not an ONNX file, or one that was cut off"):
        ask(path)


def test_a_file_that_is_not_there_is_reported_with_the_one_that_was_meant(ask, written):
    path = matmul(written, [2, 8])
    with pytest.raises(InputError, match=r"modle\.onnx: no such file; did you mean .*model\.onnx\?"):
        ask(path.with_name("modle.onnx"))


def external(tmp_path, location="weights.bin"):
    tensor = table("w", 8, 4)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, entry in {"location": location, "offset": "0", "length": "128"}.items():
        tensor.external_data.add(key=key, value=entry)
    (tmp_path / "weights.bin").write_bytes(np.ones((8, 4), np.float32).tobytes())
    return tensor


def test_external_data_is_taken_missing_or_cut_off_it_is_reported(ask, written, tmp_path):
    path = matmul(written, [2, 8], weight=external(tmp_path))
    (network,) = ask(path)
    assert session(path, 1).run(None, dict(network.feed))[0].shape == (2, 4)
    (tmp_path / "weights.bin").write_bytes(b"\0" * 100)
    with pytest.raises(InputError, match=r"weights\.bin: cut off: model\.onnx needs 128 bytes of it, found 100"):
        ask(path)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(InputError, match=r"model\.onnx: its weights are missing: .*weights\.bin"):
        ask(path)


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd"])
def test_external_data_outside_the_models_folder_is_not_opened(ask, written, tmp_path, location):
    with pytest.raises(InputError, match="isn't beside the model"):
        ask(matmul(written, [2, 8], weight=external(tmp_path, location)))


def test_operators_that_nobody_defines_are_named_with_their_domain(ask, written):
    nodes = [
        helper.make_node("Sharpen", ["x"], ["a"], domain="com.acme"),
        helper.make_node("Sharpen", ["a"], ["b"], domain="com.acme"),
        helper.make_node("Rellu", ["b"], ["y"]),
    ]
    path = written(nodes, [value("x", FLOAT, [1, 4])], domains=("", "com.acme"))
    with pytest.raises(InputError, match=r"Sharpen \(domain com\.acme\) × 2, Rellu \(domain ai\.onnx\) × 1"):
        ask(path)


def test_a_models_own_functions_and_the_runtimes_operators_are_no_custom_ones(ask, written):
    double = helper.make_function(
        "own", "Double", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 18)]
    )
    nodes = [
        helper.make_node("Double", ["x"], ["d"], domain="own"),
        helper.make_node("Gelu", ["d"], ["y"], domain="com.microsoft"),
    ]
    path = written(nodes, [value("x", FLOAT, [1, 4])], domains=("", "own", "com.microsoft"), functions=[double])
    (network,) = ask(path)
    assert session(path, 1).run(None, dict(network.feed))[0].shape == (1, 4)


@pytest.mark.parametrize("batch", ["batch_size", "N", "", "?", "s0", "unk__41"])
def test_a_side_that_is_the_batch_by_name_or_place_is_one(ask, written, batch):
    assert ask(matmul(written, [batch, 8]))[0].feed["x"].shape == (1, 8)


def test_what_can_not_be_known_is_asked_by_name_with_all_inputs_listed(ask, written):
    nodes = [helper.make_node("Concat", ["x", "past"], ["c"], axis=1), helper.make_node("Mul", ["c", "k"], ["y"])]
    inputs = [value("x", FLOAT, ["batch", "seq", 8]), value("past", FLOAT, ["batch", "seq", 8]), value("k", FLOAT, [8])]
    path = written(nodes, inputs)
    with pytest.raises(InputError) as caught:
        ask(path)
    assert "say --shape x=1x?x8 with numbers" in caught.value.message  # past has the same symbol
    assert caught.value.hint == "inputs: x [batch, seq, 8] float, past [batch, seq, 8] float, k [8] float"
    feed = ask(path, x=(2, 5, 8))[0].feed
    assert {name: array.shape for name, array in feed.items()} == {"x": (2, 5, 8), "past": (2, 5, 8), "k": (8,)}


@pytest.mark.parametrize(
    ("shapes", "says"),
    [
        ({"x": (1, 8)}, r"--shape x=1x8: doesn't fit .*; needs x=\?x\?x8"),
        ({"x": (1, 5, 9)}, "doesn't fit"),
        ({"x": (1, 5, 8), "past": (1, 6, 8)}, "--shape past: seq is 6 there, but 5 in x"),
        ({"pst": (1, 5, 8)}, r"has no input 'pst'; did you mean past\?"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(ask, written, shapes, says):
    nodes = [helper.make_node("Concat", ["x", "past"], ["y"], axis=1)]
    path = written(nodes, [value("x", FLOAT, ["batch", "seq", 8]), value("past", FLOAT, ["batch", "seq", 8])])
    with pytest.raises(InputError, match=says):
        ask(path, **shapes)


def test_an_input_with_a_preset_value_is_not_fed(ask, written):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    path = written(nodes, [value("x", FLOAT, [2, 8]), value("w", FLOAT, [8, 4])], [table("w", 8, 4)])
    assert list(ask(path)[0].feed) == ["x"]


@pytest.mark.parametrize(
    "kind",
    ["FLOAT", "FLOAT16", "DOUBLE", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8", "BOOL"],
)
@pytest.mark.parametrize("shape", [[], [1, 3]])
def test_inputs_of_all_types_and_scalars_run(ask, written, kind, shape):
    path = written([helper.make_node("Identity", ["x"], ["y"])], [value("x", getattr(TensorProto, kind), shape)])
    (network,) = ask(path)
    (output,) = session(path, 1).run(None, dict(network.feed))
    assert np.array_equal(output, network.feed["x"]) and list(output.shape) == shape


def test_inputs_that_can_not_be_made_up_are_refused_with_a_sentence(ask, written):
    path = written([helper.make_node("Identity", ["x"], ["y"])], [value("x", TensorProto.STRING, [1])])
    with pytest.raises(InputError, match="input x holds string; only numbers and booleans can be generated"):
        ask(path)
    several = helper.make_tensor_sequence_value_info("x", FLOAT, [1])
    path = written([helper.make_node("SequenceAt", ["x", "i"], ["y"])], [several, value("i", INT64, [])])
    with pytest.raises(InputError, match="input x is of type sequence; only tensors can be fed"):
        ask(path)


def test_token_ids_stay_inside_the_tables_that_they_look_into_and_masks_are_ones(ask, written):
    nodes = [
        helper.make_node("Gather", ["words", "ids"], ["a"]),
        helper.make_node("Cast", ["kinds"], ["k32"], to=TensorProto.INT32),
        helper.make_node("Gather", ["two", "k32"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node("Cast", ["mask"], ["m"], to=FLOAT),
        helper.make_node("Unsqueeze", ["m", "last"], ["m1"]),
        helper.make_node("Mul", ["sum", "m1"], ["y"]),
    ]
    inputs = [value(name, INT64, ["batch", "seq"]) for name in ("ids", "kinds", "mask")]
    last = numpy_helper.from_array(np.array([2]), "last")
    path = written(nodes, inputs, [table("words", 50, 4), table("two", 2, 4), last])
    feed = ask(path, ids=(1, 400))[0].feed
    assert 40 < feed["ids"].max() < 50 and set(feed["kinds"].ravel()) == {0, 1} and set(feed["mask"].ravel()) == {1}
    assert session(path, 1).run(None, dict(feed))[0].shape == (1, 400, 4)


def test_indices_inside_a_branch_are_found(ask, written):
    def branch(name):
        node = helper.make_node("Gather", ["words", "ids"], [name])
        return helper.make_graph([node], name, [], [value(name, FLOAT, None)])

    node = helper.make_node("If", ["flag"], ["y"], then_branch=branch("a"), else_branch=branch("b"))
    path = written([node], [value("flag", TensorProto.BOOL, []), value("ids", INT64, [1, 100])], [table("words", 7, 4)])
    assert set(ask(path)[0].feed["ids"].ravel()) == set(range(7))


def test_a_value_that_matters_can_be_given(ask, written):
    nodes = [helper.make_node("Cast", ["rate"], ["r"], to=FLOAT), helper.make_node("Mul", ["x", "r"], ["y"])]
    path = written(nodes, [value("x", FLOAT, [2]), value("rate", INT64, [])])
    assert ask(path, values={"rate": 16000.0})[0].feed["rate"] == 16000
    with pytest.raises(InputError, match=r"--input rate=0\.5: the input holds int64"):
        ask(path, values={"rate": 0.5})
    with pytest.raises(InputError, match=r"has no input 'rte'; did you mean rate\?"):
        ask(path, values={"rte": 1.0})


def test_a_component_is_no_part_of_a_file(ask, written):
    with pytest.raises(InputError, match=r"--component unet: .* is one network without components"):
        ask(matmul(written, [2, 8]), component="unet")


def test_the_scheme_is_reported_by_operators_and_weights(ask, written):
    half = numpy_helper.from_array(np.ones((8, 4), np.float16), "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    assert ask(written(nodes, [value("x", TensorProto.FLOAT16, [1, 8])], [half]))[0].scheme == "fp16"
    nodes = [helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"])]
    assert ask(written(nodes, [value("x", FLOAT, [1, 8])]))[0].scheme == "int8"
