"""Exports that give what PyTorch gives, or nothing."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from workbench.errors import RunError
from workbench.export import onnx as exporter
from workbench.export.onnx import agreement, outputs
from workbench.export.stored import stored_export
from workbench.measure.sqnr import sqnr_db
from workbench.models.candidate import Candidate, Component
from workbench.models.families.stable_diffusion import FAMILY
from workbench.runtimes.onnxruntime.session import session


@pytest.mark.parametrize("component", FAMILY.names)
def test_output_equals_pytorchs_on_inputs_it_was_not_checked_with(tiny, exports, component):
    path, report = exports[component]
    inputs = tiny.spec(component).seeded(seed=7)
    found = session(path, 1).run([report["output"]], inputs)[0]
    with torch.no_grad():
        expected = tiny.load(component)(*map(torch.from_numpy, inputs.values())).numpy()
    assert sqnr_db(expected, found) > 80
    assert report["sqnr_db"] > 80


def test_the_contract_of_the_unet(exports):
    path, report = exports["unet"]
    assert report["opset"] == onnx.load(path).opset_import[0].version == 20
    assert report["inputs"]["sample"] == {"shape": [1, 4, 8, 8], "type": "float32"}
    assert report["inputs"]["timestep"] == {"shape": [1], "type": "float32"}
    assert list(report["inputs"]) == ["sample", "timestep", "encoder_hidden_states"]


def test_a_file_that_disagrees_with_pytorch_is_refused_with_the_figures(tiny, exports):
    module, feed = tiny.load("unet"), tiny.spec("unet").seeded()
    with torch.no_grad():
        module.net.conv_out.bias += 0.1
    with pytest.raises(
        RunError, match=r"disagrees with PyTorch: SQNR -?\d+\.\d dB \(least 80 dB\), largest error 0\.1"
    ):
        agreement(exports["unet"][0], feed, outputs(module, feed), 1)


def test_weights_too_large_for_the_file_lie_beside_it_and_load(tmp_path, monkeypatch):
    monkeypatch.setattr(exporter, "INLINE_LIMIT", 1000)
    feed = {"x": np.ones((1, 64), np.float32)}
    report = exporter.export_module(lambda: torch.nn.Linear(64, 64).eval(), feed, ["y"], tmp_path)
    beside = (tmp_path / "model.onnx.data").stat().st_size
    assert beside > (tmp_path / "model.onnx").stat().st_size - beside
    assert report["size_bytes"] == sum(f.stat().st_size for f in tmp_path.iterdir())


def test_an_export_is_made_once_per_weights(tiny, exports, shared, tmp_path):
    path, store = exports["vae_decoder"][0], shared.store
    made = path.stat().st_mtime_ns
    other = Candidate("other", "another key", tiny.source, tiny.components)
    assert stored_export(other, "vae_decoder", store) == path
    assert path.stat().st_mtime_ns == made
    ready = Candidate("q", "k", tiny.source, {"vae_decoder": Component("vae_decoder", "onnx", tmp_path / "x.onnx")})
    assert stored_export(ready, "vae_decoder", store) == tmp_path / "x.onnx"
