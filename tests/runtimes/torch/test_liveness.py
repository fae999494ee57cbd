"""Live bytes in PyTorch: values die with their last holder, views and in-place work take no new room."""

from __future__ import annotations

import torch

from workbench.runtimes.torch.liveness import live_bytes

VALUE = 16 * 4


def watched(*parts):
    net, x = torch.nn.Sequential(*parts), torch.randn(16)
    with torch.inference_mode():
        return live_bytes(net, lambda: net(x))


def test_a_chain_holds_two_values_however_long_it_is():
    found = watched(*(torch.nn.Sigmoid() for _ in range(8)))
    assert found.alive == {"0": VALUE} | {str(i): 2 * VALUE for i in range(1, 8)}
    assert found.peak == 2 * VALUE and found.peak_at == "1"
    assert found.written == {str(i): VALUE for i in range(8)}


def test_what_is_written_in_place_is_written_but_takes_no_room():
    found = watched(torch.nn.Sigmoid(), torch.nn.ReLU(inplace=True))
    assert found.written == {"0": VALUE, "1": VALUE}
    assert found.peak == VALUE


def test_a_view_is_neither_written_nor_alive():
    found = watched(torch.nn.Unflatten(0, (4, 4)), torch.nn.Sigmoid(), torch.nn.Flatten(0))
    assert found.written == {"0": 0, "1": VALUE, "2": 0}
    assert found.peak == VALUE


def test_weights_and_inputs_are_not_among_activations():
    found = watched(torch.nn.Linear(16, 16))
    assert found.peak == VALUE and found.written == {"0": VALUE}
