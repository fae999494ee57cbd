"""What a network is given on the simulated NPU, and which one its results are compared with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from workbench.measure.network import network_of
from workbench.models.candidate import Candidate, Component
from workbench.models.record import write_record
from workbench.runtimes.onnxruntime.session import session
from workbench.sources import Request, resolve
from workbench.verbs.npu.inputs import inputs_of, reference_of


@pytest.fixture
def run(tiny, exports, store) -> str:
    """A run ``own`` whose candidate ``w8a8`` is a file made from ``cut``, made from ``base``."""
    cut = replace(tiny, name="cut", parent="base")
    file = Component("unet", "onnx", exports["unet"][0], "w8a8")
    configs = {"unet": tiny.components["unet"].path}
    last = replace(cut, name="w8a8", parent="cut", components={**tiny.components, "unet": file}, configs=configs)
    write_record(store, "own", [tiny, cut, last])
    return "own/w8a8"


def test_a_quantized_candidate_is_compared_with_the_nearest_float_one_that_it_was_made_from(run, store):
    request = Request(run, store, "unet")
    (network,) = resolve(request)
    reference = reference_of(network, request)
    assert reference is not None and (reference.label, reference.scheme) == ("cut.unet", "fp32")


def test_a_float_network_is_compared_with_itself_and_a_lone_quantized_file_with_none(tiny: Candidate, exports, store):
    network = network_of(tiny, "unet", exports["unet"][0], 0)
    request = Request(str(exports["unet"][0]), store)
    assert reference_of(network, request) is network
    assert reference_of(replace(network, scheme="int8", family=None), request) is None


def test_a_denoiser_is_given_what_it_sees_while_it_draws(run, store):
    request = Request(run, store, "unet")
    (network,) = resolve(request)
    found = inputs_of(network, network, 3, "a red apple", request)
    assert [one.label for one in found] == ["timestep 999", "timestep 599", "timestep 99"]
    assert [one.feed["timestep"].tolist() for one in found] == [[999.0], [599.0], [99.0]]
    assert found[0].feed.keys() == network.feed.keys()
    again = session(network.path).run(None, dict(found[2].feed))[0]
    np.testing.assert_array_equal(found[2].reference, again)
    assert not np.array_equal(found[0].feed["sample"], found[2].feed["sample"])
    assert [one.label for one in inputs_of(network, None, 1, "a red apple", request)] == ["timestep 999"]


def test_other_networks_are_given_their_seeded_inputs_once(tiny, exports, store):
    network = network_of(tiny, "vae_decoder", exports["vae_decoder"][0], 0)
    (one,) = inputs_of(network, network, 3, "a red apple", Request("demo", store))
    assert one.label == "seeded" and one.feed is network.feed
