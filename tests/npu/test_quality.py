"""The simulated NPU beside the CPU, computed by the real simulator."""

from __future__ import annotations

import numpy as np

from tests.fixtures.qnn import TARGET, needs_qnn
from workbench.measure.network import network_of
from workbench.npu.quality import Input, quality
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
