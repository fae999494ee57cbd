"""The embedded model exported once for all tests of this room, in float and quantized with made-up ranges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import onnx
import pytest
from onnx import helper

from workbench.compress.emit_weights import matrix_of
from workbench.compress.grid import Grid
from workbench.compress.linears import biased_linears_as_gemm
from workbench.compress.qdq import nodes_of, quantize_qdq, tensors_of
from workbench.compress.rounding import round_weights
from workbench.export.components import spec
from workbench.export.store import stored_export
from workbench.models.candidate import COMPONENTS, Candidate
from workbench.models.sources import base_candidate
from workbench.profile.attribution import RUNTIME
from workbench.store.store import Store

Samples = Mapping[str, Sequence[float]]


@pytest.fixture(scope="session")
def profile_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("profile") / "store")


@pytest.fixture(scope="session")
def demo_candidate(profile_store: Store) -> Candidate:
    return base_candidate("demo", profile_store)


@pytest.fixture(scope="session")
def exported(demo_candidate: Candidate, profile_store: Store) -> dict[str, Path]:
    return {name: stored_export(demo_candidate, name, profile_store) for name in COMPONENTS}


@pytest.fixture(scope="session")
def quantized_unet(exported: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """W8A8 in every convolution and linear; the ranges are made up, since nothing here asks for good numbers."""
    import onnx_ir as ir

    model = ir.load(exported["unet"])
    layers = {(node.name or "").rsplit("/", 1)[0] for node in model.graph}
    biased_linears_as_gemm(model, layers)
    nodes = nodes_of(model, layers)
    ranges = dict.fromkeys(tensors_of(nodes), (-4.0, 4.0))
    rounded = {str(node.name): round_weights(matrix_of(node), Grid(8), "nearest") for node in nodes}
    path = tmp_path_factory.mktemp("quantized") / "model.onnx"
    quantize_qdq(model, nodes, rounded, ranges, path)
    return path


@pytest.fixture(scope="session")
def feeds(demo_candidate: Candidate) -> dict[str, dict]:
    return {name: spec(demo_candidate, name).seeded() for name in COMPONENTS}


@pytest.fixture(scope="session")
def slowed_decoder(exported: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A convolution's name, and the decoder in which it takes about six times as long: Erfs that bear its name."""
    victim = "decoder.up_blocks.1.resnets.0.conv2"
    model = onnx.load(exported["vae_decoder"])
    at, conv = next((i, node) for i, node in enumerate(model.graph.node) if node.name == f"{victim}/Conv")
    value = conv.input[0]
    for k in range(48):
        name = f"{victim}/Erf#{k}"
        model.graph.node.insert(at + k, helper.make_node("Erf", [value], [f"{name}:0"], name=name))
        value = f"{name}:0"
    conv.input[0] = value
    path = tmp_path_factory.mktemp("slowed") / "slow.onnx"
    onnx.save(model, path)
    return victim, path


@pytest.fixture(scope="session")
def gained_most() -> Callable[[Samples, Samples], str]:
    """The layer whose share of a pass grew most: a machine that slows down between two passes moves no share."""

    def shares(samples: Samples) -> dict[str, float]:
        least = {layer: min(times) for layer, times in samples.items() if layer != RUNTIME}
        return {layer: ms / sum(least.values()) for layer, ms in least.items()}

    def find(before: Samples, after: Samples) -> str:
        old, new = shares(before), shares(after)
        return max(new, key=lambda layer: new[layer] - old[layer])

    return find
