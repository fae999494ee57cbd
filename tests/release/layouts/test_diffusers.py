"""Torch candidates as folders of diffusers: the real client draws the pictures that the run drew."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import diffusers
import pytest
import torch
from safetensors.torch import load_file

from tests.fixtures.command import process
from tests.release.drawn import agreement
from workbench.compress.distill.consistency import with_guidance
from workbench.models.candidate import Candidate
from workbench.models.unet import load_unet, save_unet
from workbench.release.layouts import layout_of
from workbench.release.layouts.base import Order


def test_diffusers_draws_what_the_run_drew(tiny: Candidate, exports, tmp_path: Path):
    found = agreement(tiny, {name: file for name, (file, _) in exports.items()}, tmp_path / "out")
    assert found["n"] == 2 and all(db is None or db >= 50 for db in found["apart_db"])
    assert found["client"]["diffusers"] == diffusers.__version__


def test_a_student_of_few_steps_is_a_latent_consistency_pipeline(tiny: Candidate, shared, tmp_path: Path):
    unet = with_guidance(load_unet(tiny.components["unet"].path), 256)
    torch.nn.init.normal_(unet.time_embedding.cond_proj.weight, std=0.1)  # so that guidance changes the picture
    save_unet(unet, tmp_path / "unet", None)
    few = replace(tiny.with_denoiser(tmp_path / "unet"), name="few", steps=2)
    found = agreement(few, {name: shared.export(few, name) for name in few.components}, tmp_path / "out", steps=2)
    assert all(db is None or db >= 50 for db in found["apart_db"])
    pipeline = diffusers.DiffusionPipeline.from_pretrained(tmp_path / "out", torch_dtype=torch.float32)
    assert type(pipeline).__name__ == "LatentConsistencyModelPipeline"
    assert type(pipeline.scheduler).__name__ == "LCMScheduler"
    assert pipeline.scheduler.config.prediction_type == "v_prediction"  # the model's own, as all its noise levels


def test_weights_are_the_same_and_no_config_says_where_they_lay(own_tiny: Candidate, tmp_path: Path):
    for name in ("unet", "text_encoder"):
        file = own_tiny.source / name / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "_name_or_path": str(own_tiny.source)}))
    layout_of(own_tiny).write(Order(own_tiny, {}), tmp_path / "out")
    for part in own_tiny.family.parts:
        weights = f"{part.folder}/{part.stem}.safetensors"
        shipped, own = load_file(tmp_path / "out" / weights), load_file(own_tiny.source / weights)
        # transformers 4 finds a text encoder's tensors by these names alone, and would draw with random ones
        own = {f"text_model.{n}": value for n, value in own.items()} if part.role == "prompt encoder" else own
        assert shipped.keys() == own.keys()
        assert all(torch.equal(shipped[n], own[n]) and shipped[n].dtype == own[n].dtype for n in own)
    for config in (tmp_path / "out").rglob("*.json"):
        assert str(tmp_path) not in config.read_text() and "_name_or_path" not in config.read_text()


def test_shards_get_an_index_and_a_variant_its_plain_name(own_tiny: Candidate, tmp_path: Path):
    unet = own_tiny.source / "unet"
    diffusers.UNet2DConditionModel.from_pretrained(unet).save_pretrained(unet, max_shard_size="200KB")
    (unet / "diffusion_pytorch_model.safetensors").unlink(missing_ok=True)
    text = own_tiny.source / "text_encoder"
    (text / "model.safetensors").rename(text / "model.fp16.safetensors")
    layout_of(own_tiny).write(Order(own_tiny, {}), tmp_path / "out")
    assert len(list((tmp_path / "out" / "unet").glob("*.safetensors"))) > 1
    loaded = diffusers.UNet2DConditionModel.from_pretrained(tmp_path / "out" / "unet").state_dict()
    shards = [load_file(file) for file in sorted(unet.glob("*.safetensors"))]
    expected = {name: value for shard in shards for name, value in shard.items()}
    assert loaded.keys() == expected.keys() and all(torch.equal(loaded[name], expected[name]) for name in loaded)
    assert (tmp_path / "out" / "text_encoder" / "model.safetensors").is_file()


def test_a_pruned_unet_is_loaded_by_the_file_beside_it_without_workbench(shipped, tmp_path: Path):
    folder = shutil.copytree(shipped("pruned"), tmp_path / "release")
    with pytest.raises(Exception, match=r"size|shape"):
        diffusers.DiffusionPipeline.from_pretrained(folder, low_cpu_mem_usage=False)
    code = next(part for part in (folder / "MODEL_CARD.md").read_text().split("```python\n")[1:]).split("```")[0]
    code = code.replace("FOLDER", str(folder)).replace("apple.png", str(tmp_path / "apple.png"))
    guard = "import sys\nsys.modules['workbench'] = None\n"  # an import of it would fail
    done = process([sys.executable, "-c", guard + code], cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "apple.png").stat().st_size > 100
