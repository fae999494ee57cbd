"""The simulated NPU beside the CPU, computed by the real simulator."""

from __future__ import annotations

import numpy as np

from tests.fixtures.qnn import TARGET, needs_qnn
from workbench.measure.network import network_of
from workbench.npu.quality import SOUND_DB, Input, quality
from workbench.progress import quiet

pytestmark = needs_qnn


def test_a_float_unet_is_near_the_cpu_and_the_second_time_comes_from_the_store(tiny, exports, store):
    network = network_of(tiny, "unet", exports["unet"][0], 0)
    inputs = [Input("zero", {name: np.zeros_like(value) for name, value in network.feed.items()})]
    inputs += [Input("seeded", network.feed, np.zeros((1, 4, 8, 8), np.float32))]
    found = quality(network, inputs, TARGET, store, quiet)
    assert [one.label for one in found.passes] == ["zero", "seeded"]
    assert all(one.npu_cpu_db > 30 for one in found.passes), "the NPU computes floats in fp16"
    assert [one.npu_db is None for one in found.passes] == [True, False]
    assert found.diverges is None
    assert quality(network, inputs, TARGET, store, quiet) == found
    assert len(list((store.root / "results").iterdir())) == 1


def test_the_first_layer_that_leaves_the_cpu_is_named_with_what_is_around_it(parsed, store):
    """Its square is beyond what fp16 holds."""
    text = """g (float[1, 64] x) => (float[1, 64] o) {
        a = Mul(x, k) b = Mul(a, a) c = Mul(b, l) o = Sigmoid(c) }"""
    scales = {"k": np.array([600], np.float32), "l": np.array([1e-5], np.float32)}
    network = parsed(text, ["in.scale/Mul", "square/Mul", "back/Mul", "out/Sigmoid"], scales)
    x = np.random.default_rng(0).standard_normal((1, 64)).astype(np.float32)
    found = quality(network, [Input("small", {"x": x / 100}), Input("large", {"x": x})], TARGET, store, quiet)
    assert found.passes[0].npu_cpu_db > SOUND_DB > found.passes[1].npu_cpu_db
    at = found.diverges
    assert at is not None and (at.layer, at.op, at.node, at.shape) == ("square", "Mul", "square/Mul", (1, 64))
    assert (at.before, at.sound_layer) == (("Mul of in.scale",), "in.scale")
    assert at.sound_db is not None and at.db < SOUND_DB < at.sound_db
