"""Why nodes stay off the NPU, in plain words; and that the mends mend, compiled by the real compiler."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fixtures.qnn import TARGET, Write, needs_qnn
from workbench.npu.compile import compile_network
from workbench.npu.trace import Compiled
from workbench.store.store import Store

pytestmark = needs_qnn


def compiled(parsed: Write, store: Store, op: str, quantized_output: bool, per_channel: bool) -> Compiled:
    """One linear layer ``a.fc`` of int8 weights between two float activations."""
    channel = {axis: f" <axis = {axis}> " if per_channel else " " for axis in (0, 1)}
    biased, bias = (", bd", f"bd = DequantizeLinear{channel[0]}(b, bs)") if op == "Gemm" else ("", "")
    out = "yq = QuantizeLinear(y, ys, yz) yd = DequantizeLinear(yq, ys, yz)" if quantized_output else ""
    text = f"""g (float[16, 64] x) => (float[16, 128] o) {{
        r = Relu(x) rq = QuantizeLinear(r, xs, xz) rd = DequantizeLinear(rq, xs, xz)
        wd = DequantizeLinear{channel[1]}(w, ws) {bias} y = {op}(rd, wd{biased}) {out}
        o = Sigmoid({"yd" if quantized_output else "y"}) }}"""
    names = ["a.act/Relu", "a.fc/Q", "a.fc/DQ", "a.fc/DQ#1", *(["a.fc/DQ#2"] if bias else []), f"a.fc/{op}"]
    names += ["a.fc/Q#1", "a.fc/DQ#3"] if quantized_output else []
    scale = (128,) if per_channel else ()
    weights = {
        "xs": np.float32(0.02),
        "xz": np.int8(0),
        "w": np.random.default_rng(0).integers(-127, 127, (64, 128)).astype(np.int8),
        "ws": np.full(scale, 0.01, np.float32),
        "b": np.zeros(128, np.int32),
        "bs": np.full(scale, 0.0002, np.float32),
        "ys": np.float32(0.05),
        "yz": np.int8(0),
    }
    used = {name: np.asarray(v) for name, v in weights.items() if f" {name}" in text or f"({name}" in text}
    return compile_network(parsed(text, [*names, "a.out/Sigmoid"], used), TARGET, store)


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_gemm_of_integers_that_gives_floats_is_off_and_quantizing_its_output_mends_it(parsed, store, per_channel):
    off = compiled(parsed, store, "Gemm", quantized_output=False, per_channel=per_channel)
    assert len(off.partitions) == 2, "the CPU computes between them"
    (gemm,) = [one for one in off.off if one.computes]
    assert (gemm.op, gemm.layer) == ("Gemm", "a.fc")
    assert gemm.why == "takes integers and gives floats; the NPU's FullyConnected gives what it takes"
    assert gemm.mend.startswith("quantize its output too")
    assert {one.mend for one in off.off if not one.computes} == {"mend the Gemm"}
    mended = compiled(parsed, store, "Gemm", quantized_output=True, per_channel=per_channel)
    assert (mended.off, len(mended.partitions)) == ((), 1)


def test_weights_with_a_scale_for_each_channel_are_off_where_the_product_gives_floats(parsed, store):
    off = compiled(parsed, store, "MatMul", quantized_output=False, per_channel=True)
    (dequantize,) = off.off
    assert (dequantize.op, dequantize.layer, dequantize.computes) == ("DequantizeLinear", "a.fc", False)
    assert dequantize.mend == "quantize the MatMul's output too, or give its weights one scale"
    for quantized_output, per_channel in ((True, True), (False, False)):
        assert compiled(parsed, store, "MatMul", quantized_output, per_channel).off == ()


def test_quantizing_at_the_networks_edge_is_told_as_nothing_to_mend(parsed, store):
    text = """g (float[4, 8] x) => (float[4, 8] o) {
        q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) r = Relu(d)
        p = QuantizeLinear(r, s, z) o = DequantizeLinear(p, s, z) }"""
    network = parsed(
        text,
        ["a/Q", "a/DQ", "a/Relu", "a/Q#1", "a/DQ#1"],
        {"s": np.array(0.1, np.float32), "z": np.array(0, np.uint8)},
    )
    edge = compile_network(network, TARGET, store)
    assert {one.mend for one in edge.off} == {"nothing; or hand integers in and out"}
    assert sorted(one.op for one in edge.off) == ["DequantizeLinear", "QuantizeLinear"]


def test_an_operator_that_the_npu_lacks_is_named(parsed, store):
    nothing = compile_network(
        parsed("g (float[3, 3] x) => (float o) { y = Erf(x) o = Det(y) }", ["l.a/Erf", "l.b/Det"]), TARGET, store
    )
    assert [(one.layer, one.why) for one in nothing.off] == [
        ("l.a", "the NPU has no Erf"),
        ("l.b", "the NPU has no Det"),
    ]
    assert (nothing.partitions, nothing.npu_ops, nothing.context_bytes) == ((), {}, 0)
