"""Files as they are in the wild on the runtimes that read ONNX: a pass and its layers, or one sentence of why not."""

from __future__ import annotations

import importlib.util
import re

import pytest

from tests.fixtures.wild_onnx import CASES
from workbench.errors import WorkbenchError
from workbench.profile.counts import count_network
from workbench.runtimes.base import all_described, runtime
from workbench.sources import Request, resolve
from workbench.store.store import Store

READERS = [one.name for one in all_described() if ".onnx" in one.reads and importlib.util.find_spec(one.distribution)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


def run(name, place, path, store):
    """One pass and the layers of the network, and the count of it."""
    (network,) = resolve(Request(str(path), store, shapes=CASES[name].shapes))
    assert place.refuses(network) is None
    count = count_network(network)
    place.load(network, 1)()
    return count, place.layers(network, count, 1, 1, 2)


RUNS = [(place, name) for place in READERS for name, case in CASES.items() if not case.refused and place in case.places]
"""Not those that may end the process in a runtime."""


@pytest.mark.filterwarnings("ignore:Result of a string type")
@pytest.mark.parametrize(("place", "name"), RUNS)
def test_a_file_runs_or_the_node_and_the_reason_are_told(tmp_path, capfd, shared, place, name):
    case = CASES[name]
    path, code, said = case.write(tmp_path, name), *(getattr(case, place) or (0, ""))
    if not code:
        count, layers = run(name, runtime(place), path, shared)
        assert (count.macs, count.macs_with_attention - count.macs) == (case.macs, case.attention)
        assert layers.table.attention_macs.sum() == case.attention
        assert layers.table.macs.sum() == case.macs
    else:
        with pytest.raises(WorkbenchError) as caught:
            run(name, runtime(place), path, shared)
        assert caught.value.exit_code == code
        assert re.search(said, caught.value.message) and f"{name}.onnx" in caught.value.message
        assert "\n" not in caught.value.message and "onnxruntime_src" not in caught.value.message
    assert "onnxruntime:" not in capfd.readouterr().err  # the sentence is all that is said
