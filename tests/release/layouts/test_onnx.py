"""ONNX candidates as optimum reads them: any batch, its names, and the same numbers in every row."""

from __future__ import annotations

import json
import os
import venv
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import torch

from tests.fixtures.command import process, workbench
from workbench.errors import RunError
from workbench.release.layouts.onnx.free_batch import free_batch
from workbench.run.history import finished
from workbench.runtimes.onnxruntime.session import session
from workbench.store.store import Store

NAMES = {
    "text_encoder": (["input_ids"], ["last_hidden_state"]),
    "unet": (["sample", "timestep", "encoder_hidden_states"], ["out_sample"]),
    "vae_decoder": (["latent_sample"], ["sample"]),
}
"""What optimum-onnx 0.1.0 gives its sessions and asks of them."""


def test_files_have_the_names_and_the_open_batch_that_optimum_asks_for(shipped):
    for name, (inputs, outputs) in NAMES.items():
        found = session(shipped("w8a8") / name / "model.onnx", 1)
        assert ([i.name for i in found.get_inputs()], [o.name for o in found.get_outputs()]) == (inputs, outputs)
        open_sides = {i.name: i.shape[0] for i in found.get_inputs() if i.name != "timestep"}
        assert set(open_sides.values()) == {"batch"}
    config = json.loads((shipped("w8a8") / "vae_decoder" / "config.json").read_text())
    assert config["scaling_factor"] and config["latent_channels"] == 4


def test_both_passes_of_guidance_in_one_are_what_two_of_batch_1_are(shipped, small_run: Path):
    """To the bit for the U-Net in integers, which would carry any difference through every step."""
    run = finished(Store(small_run / "store"), "small")
    candidate, files = run.candidate("w8a8"), run.exports["w8a8"]
    for part in candidate.family.parts:
        spec, folder = candidate.spec(part.name), "vae_decoder" if part.role == "decoder" else part.folder
        own, freed = session(files[part.name], 1), session(shipped("w8a8") / folder / "model.onnx", 1)
        a, b = spec.seeded(0), spec.seeded(1)
        if spec.time:
            b[spec.time] = a[spec.time]
        both = [a[name] if name == spec.time else np.concatenate([a[name], b[name]]) for name in spec.inputs]
        expected = np.concatenate([own.run(None, one)[0] for one in (a, b)])
        (found,) = freed.run(None, dict(zip([i.name for i in freed.get_inputs()], both, strict=True)))
        if part.role == "denoiser":
            assert np.array_equal(found, expected)
        assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_what_fixes_the_batch_otherwise_is_refused_not_shipped():
    model = ir.from_onnx_text(
        '<ir_version: 9, opset_import: ["": 20]> g (float[1, 4] x) => (float[1, 4] y) '
        "<int64[2] shape = {1, 4}> { y = Expand(x, shape) }"
    )
    with pytest.raises(RunError, match="Expand fixes the batch"):
        free_batch(model, ["x"])


def test_without_optimum_it_is_shipped_and_says_that_nothing_drew_it(shipped):
    manifest = json.loads((shipped("w8a8") / "manifest.json").read_text())
    assert manifest["agreement"] is None and "isn't installed" in manifest["not_drawn"]
    done = workbench("ship", "--verify", str(shipped("w8a8")))
    assert done.exit_code == 2 and "--python" in done.stderr and "optimum" in done.stderr


@pytest.mark.long
def test_optimum_in_an_environment_of_its_own_draws_what_the_run_drew(shipped, small_run: Path, tmp_path: Path):
    venv.create(tmp_path / "optimum", with_pip=True)
    python = tmp_path / "optimum" / "bin" / "python"
    wanted = ["optimum-onnx[onnxruntime]==0.1.0", "diffusers", f"torch=={torch.__version__.partition('+')[0]}"]
    made = process([str(python), "-m", "pip", "install", "-q", *wanted], env=dict(os.environ), timeout=1800)
    assert made.returncode == 0, made.stderr[-2000:]
    asked = ("ship", "small/w8a8", "-o", str(tmp_path / "out"), "--python", str(python), "--json", "--store", "store")
    done = workbench(*asked, cwd=small_run)
    assert done.exit_code == 0, done.stderr[-2000:]
    assert min(db or 99 for db in json.loads(done.stdout)["agreement"]["apart_db"]) > 40
    assert workbench("ship", "--verify", str(tmp_path / "out"), "--python", str(python)).exit_code == 0
