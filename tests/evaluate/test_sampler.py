"""The sampler: what it draws is what diffusers' own pipeline draws, and depends on the seed alone."""

from __future__ import annotations

import inspect
import json
import shutil
from dataclasses import replace

import diffusers
import numpy as np
import pytest
import torch

from workbench.compress.distill.consistency import with_guidance
from workbench.evaluate.sampler import Networks, draw, first_noise
from workbench.limits import at_most
from workbench.models.candidate import Component
from workbench.models.families.stable_diffusion import FAMILY
from workbench.models.folder import inspect_folder
from workbench.models.scheduler import noises
from workbench.models.scheduler_config import ACCEPTED, REFUSED
from workbench.models.unet import load_unet, save_unet


@pytest.fixture(scope="module")
def networks(exported, demo):
    return Networks.load(exported, demo)


def test_it_draws_what_the_diffusers_pipeline_draws(networks, demo):
    prompt, seed = "red apple", 3
    own, _ = draw(networks, [prompt], 4, 3.0, seed)
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(demo).to(torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.from_numpy(first_noise((4, 16, 16), seed, 0))
    theirs = pipeline(prompt, num_inference_steps=4, guidance_scale=3.0, latents=noise, output_type="np").images[0]
    assert np.abs(own[0].astype(int) - (theirs * 255).round().astype(int)).max() <= 2


def test_a_limit_on_memory_changes_how_many_are_drawn_at_a_time_and_no_picture(exported, demo):
    usual = Networks.load(exported, demo, threads=3)
    with at_most(1):
        least = Networks.load(exported, demo, threads=3)
    assert (usual.lanes, least.lanes) == (3, 1)
    drawn = [draw(networks, ["red apple", "a cat"], 2, 3.0, 0)[0] for networks in (usual, least)]
    assert np.array_equal(*drawn)


SCHEDULERS = sorted(name for name in dir(diffusers.schedulers) if name.endswith("Scheduler"))


NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def made(name: str):
    """A scheduler of diffusers with Stable Diffusion's noise levels; beyond that its defaults, sensible or not."""
    kind = getattr(diffusers, name)
    return kind(**{key: value for key, value in NOISE.items() if key in inspect.signature(kind).parameters})


@pytest.fixture(scope="module")
def in_diffusers(tiny):
    """Draws latents with a scheduler by diffusers' own pipeline."""
    parts = dict(diffusers.StableDiffusionPipeline.from_pretrained(tiny.source, local_files_only=True).components)

    def draw_latents(scheduler):
        parts["scheduler"] = scheduler
        pipeline = diffusers.StableDiffusionPipeline(**parts, requires_safety_checker=False)
        pipeline.set_progress_bar_config(disable=True)
        noise = torch.from_numpy(first_noise((4, 8, 8), 1, 0))
        how = {"num_inference_steps": 4, "guidance_scale": 3.0, "generator": noises(1, [0])}
        return pipeline("red apple", latents=noise, output_type="latent", **how).images.numpy()

    return draw_latents


@pytest.fixture(scope="module")
def tiny_networks(tiny, shared):
    return Networks.load({name: shared.export(tiny, name) for name in FAMILY.names}, tiny.source)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_draws_as_in_the_diffusers_pipeline_or_is_refused(name, in_diffusers, tiny_networks, tmp_path):
    if name not in {*ACCEPTED, *REFUSED}:
        with pytest.raises((AttributeError, ImportError, KeyError, TypeError, ValueError)):
            in_diffusers(made(name))
    if name in ACCEPTED:
        made(name).save_pretrained(tmp_path / "scheduler")
        own, theirs = (
            draw(replace(tiny_networks, source=tmp_path), ["red apple"], 4, 3.0, 1)[1],
            in_diffusers(made(name)),
        )
        assert np.abs(own - theirs).max() <= 1e-5 * max(1.0, np.abs(theirs).max())


def test_a_tiny_autoencoder_decodes_as_in_the_diffusers_pipeline(own_tiny, shared):
    source = own_tiny.source
    shutil.rmtree(source / "vae")
    sides = {f"{side}_block_out_channels": (8, 8) for side in ("encoder", "decoder")}
    diffusers.AutoencoderTiny(**sides, num_encoder_blocks=(1, 1), num_decoder_blocks=(2, 1)).save_pretrained(
        source / "vae"
    )
    index = json.loads((source / "model_index.json").read_text())
    (source / "model_index.json").write_text(json.dumps(index | {"vae": ["diffusers", "AutoencoderTiny"]}))
    assert inspect_folder(source) == [] and FAMILY.side(FAMILY.configs(source)) == 16
    drawn = Networks.load({name: shared.export(own_tiny, name) for name in FAMILY.names}, source)
    own, _ = draw(drawn, ["red apple"], 4, 3.0, 1)
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(source, local_files_only=True)
    noise = torch.from_numpy(first_noise((4, 8, 8), 1, 0))
    how = {"num_inference_steps": 4, "guidance_scale": 3.0, "output_type": "np"}
    theirs = pipeline("red apple", latents=noise, **how).images[0]
    assert np.abs(own[0].astype(int) - (theirs * 255).round().astype(int)).max() <= 1


def test_a_picture_depends_on_its_seed_and_place_not_on_how_many_are_drawn(networks):
    two, _ = draw(networks, ["cat", "dog"], 2, 3.0, 0)
    one, _ = draw(networks, ["cat"], 2, 3.0, 0)
    other, _ = draw(networks, ["cat"], 2, 3.0, 1)
    assert np.array_equal(two[0], one[0]) and not np.array_equal(one[0], other[0])
    assert np.array_equal(first_noise((4, 16, 16), 0, 1), first_noise((4, 16, 16), 0, 1))


def test_a_few_step_picture_too_although_noise_is_added_between_its_steps(tiny, shared, tmp_path):
    save_unet(with_guidance(load_unet(tiny.components["unet"].path), 256), tmp_path / "few", None)
    few = replace(tiny, key="few", components={**tiny.components, "unet": Component("unet", "torch", tmp_path / "few")})
    drawn = Networks.load({name: shared.export(few, name) for name in FAMILY.names}, few.source)
    (three, latents), (one, alone) = draw(drawn, ["cat", "dog", "owl"], 4, 3.0, 0), draw(drawn, ["cat"], 4, 3.0, 0)
    assert np.array_equal(latents[:1], alone) and np.array_equal(three[:1], one)
    again = draw(drawn, ["cat", "cat"], 4, 3.0, 0)[1]
    assert not np.allclose(again[0] - latents[0], again[1] - latents[1]), "each picture has noise of its own"


def test_without_guidance_there_is_one_pass_per_step(networks):
    done = []
    draw(networks, ["cat"], 3, 1.0, 0, done.append)
    assert done == [1, 2, 3]
