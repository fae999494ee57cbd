"""torch.compile as a runtime: same numbers, compiled in the first call, gone from memory with the network."""

from __future__ import annotations

import gc
import sys
import weakref

import numpy as np
import pytest
import torch

from workbench.errors import RunError
from workbench.measure.network import Network, TorchForm
from workbench.runtimes.base import runtime
from workbench.runtimes.torch.form import build
from workbench.runtimes.torch.macs import count
from workbench.runtimes.torch_compile.inductor import Compiled, missing_compiler
from workbench.runtimes.torch_compile.runtime import CACHE, TorchCompile

needs_compiler = pytest.mark.skipif(missing_compiler() is not None, reason="no C++ compiler")


def small():
    """The factory that the test's network names."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.GELU(), torch.nn.Conv2d(8, 4, 3))
    return net, {"input": torch.zeros(1, 3, 16, 16)}


@pytest.fixture
def network():
    x = np.random.default_rng(0).standard_normal((1, 3, 16, 16), dtype=np.float32)
    return Network("small", "model", "fp32", {"input": x}, torch=TorchForm("factory", f"{__name__}:small", "model"))


@pytest.fixture
def compiling(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE, str(tmp_path))
    found = runtime("torch-compile")
    assert isinstance(found, TorchCompile)
    return found


@needs_compiler
def test_a_network_runs_as_in_eager_and_its_first_call_is_cold_once(compiling, network):
    assert compiling.refuses(network) is None
    call = compiling.load(network, threads=1)
    assert compiling.first_call(network) == "cold"  # loading builds nothing
    threads = torch.get_num_threads()
    found = call()
    assert compiling.first_call(network) == "warm"
    module, wrapper = build(network.torch)
    with torch.inference_mode():
        expected = module(torch.from_numpy(network.feed["input"]))
    assert torch.allclose(found[0], expected[0], atol=1e-5)
    assert torch.get_num_threads() == threads

    counted = count(module.get_submodule(wrapper), torch.from_numpy(network.feed["input"]))
    layers = compiling.layers(network, counted, threads=1, warmup=1, iterations=3)
    assert layers.unmapped_share == 0 and layers.passes == 3
    assert {"0", "1", "2"} <= set(layers.table["layer"])


@needs_compiler
def test_memory_is_freed_with_the_network(tmp_path):
    module = torch.nn.Linear(32, 32).eval().requires_grad_(False)
    compiled, alive = Compiled(module, tmp_path, "linear"), weakref.ref(module.weight)
    with torch.inference_mode():
        _, modules = compiled.compile((torch.randn(4, 32),), {})
    names, held = [m.__name__ for m in modules], [weakref.ref(m) for m in modules]
    assert names and not set(names) & set(sys.modules)
    del compiled, module, modules
    gc.collect()
    assert alive() is None and not any(reference() for reference in held)


@needs_compiler
def test_a_module_that_does_not_run_ends_in_one_sentence(tmp_path):
    compiled = Compiled(torch.nn.Linear(32, 32), tmp_path, "some.linear")
    with torch.inference_mode(), pytest.raises(RunError, match=r"^some\.linear: torch\.compile failed: .+$") as caught:
        compiled(torch.randn(4, 31))
    assert "\n" not in caught.value.message


def test_without_a_compiler_it_says_what_to_install(compiling, network, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    reason = runtime("torch-compile").refuses(network)
    assert "no-such-compiler" in reason and "install" in reason and "CXX" in reason


def test_a_network_that_is_only_a_file_is_refused(compiling, tmp_path):
    reason = compiling.refuses(Network("q", "unet", "w8a8", {}, file=tmp_path / "model.onnx"))
    assert reason == "there is no torch module of it"
