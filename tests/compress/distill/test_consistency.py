"""Distillation to few steps on a small pipeline: shapes, learning, resuming, and what follows it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from workbench.compress.distill.consistency import DistillConsistencyConfig, distill_consistency, with_guidance
from workbench.compress.quantize.config import QuantizeConfig
from workbench.compress.quantize.step import quantize
from workbench.compress.registry import StepContext
from workbench.compress.remove_blocks.layouts import student_of
from workbench.evaluate.sampler import Networks, draw
from workbench.models.families.stable_diffusion import FAMILY
from workbench.models.families.stable_diffusion.architectures import UNETS
from workbench.models.families.stable_diffusion.layouts import LAYOUTS
from workbench.models.guidance import guidance_embedding
from workbench.models.unet import load_unet, meta_unet
from workbench.progress import quiet
from workbench.runtimes.onnxruntime.session import session

QUICK = {"steps": 4, "batch": 4, "precision": "fp32", "w_min": 1.0, "w_max": 3.0}


@pytest.fixture
def context(tiny, shared, tmp_path):
    out = tmp_path / "out"
    return StepContext(tiny, tiny, 0, "demo", out, out / "state", quiet, export=shared.export)


def test_tiny_with_an_embedding_of_guidance_has_the_published_count():
    config = student_of(UNETS["sd-v1"], LAYOUTS["bk-tiny"]).config
    unet = meta_unet({**config, "time_cond_proj_dim": 256})
    assert sum(p.numel() for p in unet.parameters()) == 323_466_884
    assert unet.time_embedding.cond_proj.weight.shape == (320, 256) and unet.time_embedding.cond_proj.bias is None


def test_before_training_the_student_says_what_its_parent_says_whatever_the_guidance(tiny):
    unet = load_unet(tiny.components["unet"].path)
    sample, timestep, states = (torch.from_numpy(v) for v in tiny.spec("unet").seeded().values())
    with torch.no_grad():
        before = unet(sample, timestep, states).sample
        found = with_guidance(unet, 256)
        for w in (0.0, 9.0):
            embedded = torch.from_numpy(guidance_embedding(np.array([w])))
            assert torch.equal(found(sample, timestep, states, timestep_cond=embedded).sample, before)
    assert with_guidance(found, 256) is found


def test_the_loss_falls_and_guidance_comes_to_matter(context):
    result = distill_consistency(context, DistillConsistencyConfig(**(QUICK | {"steps": 60, "lr": 1e-3})))
    assert result.report["last_tenth"]["loss"] < 0.8 * result.report["first_tenth"]["loss"]
    assert result.report["solver_points"] == 50 and result.report["guidance_parameters"] == 256 * 16
    assert load_unet(result.components["unet"].path).time_embedding.cond_proj.weight.abs().max() > 0


def test_stopped_and_started_again_it_ends_with_the_same_weights(context, tmp_path):
    torch.set_num_threads(1)
    config = DistillConsistencyConfig(**QUICK, save_every=2)
    whole = distill_consistency(context, config).report["weights_sha256"]

    class Stopped(Exception):
        pass

    def stops(_what, _total):
        from contextlib import contextmanager

        @contextmanager
        def ticks():
            def tick(done, _said=""):
                if done == 3:
                    raise Stopped

            yield tick

        return ticks()

    cut = replace(context, out=tmp_path / "second", state=tmp_path / "second" / "state", progress=stops)
    with pytest.raises(Stopped):
        distill_consistency(cut, config)
    assert distill_consistency(replace(cut, progress=quiet), config).report["weights_sha256"] == whole


def test_the_student_is_exported_quantized_and_drawn_in_one_pass_a_step(context, tmp_path):
    trained = distill_consistency(context, DistillConsistencyConfig(**QUICK))
    own = trained.components["unet"]
    student = replace(context.base, name="few", key="few", components={**context.base.components, "unet": own})
    assert student.guidance_width == 256 and list(student.spec("unet").inputs)[-1] == "timestep_cond"
    after = replace(context, parent=student, out=tmp_path / "q")
    config = QuantizeConfig.model_validate({"scheme": "w8a16", "calibration": {"prompts": 1, "steps": 4}})
    quantized = quantize(after, config)
    told = quantized.report["components"]["unet"]
    assert told["calibration"]["timesteps"] == [999, 759, 499, 259] and told["calibration"]["n"] == 4
    smaller = replace(
        student,
        name="w8a16",
        components={**student.components, **quantized.components},
        configs={"unet": own.path},
    )
    assert smaller.guidance_width == 256
    for candidate in (student, smaller):
        files = {
            name: c.path if (c := candidate.components[name]).kind == "onnx" else context.export(candidate, name)
            for name in FAMILY.names
        }
        networks, done = Networks.load(files, context.base.source, 1), []
        pictures, _ = draw(networks, ["cat", "dog"], 2, 3.0, 0, done.append)
        assert networks.guidance_width == 256 and len(done) == 4 and pictures.shape == (2, 16, 16, 3)
        other, _ = draw(networks, ["cat"], 2, 3.0, 1)
        assert not np.array_equal(pictures[:1], other)
    assert [i.name for i in session(files["unet"], 1).get_inputs()][-1] == "timestep_cond"


@pytest.mark.parametrize(
    "settings, key, what",
    [
        ({"guidance_width": 255}, "guidance_width", "even"),
        ({"guidance_width": 128}, "guidance_width", "has an embedding of 256"),
    ],
)
def test_what_the_config_shows_to_be_wrong(settings, key, what):
    config = DistillConsistencyConfig(**settings)
    (found,) = config.check({"time_cond_proj_dim": 256}, ["base"])
    assert found[0] == key and what in found[1]


def test_a_range_of_guidance_that_is_none_is_refused():
    with pytest.raises(ValidationError, match="w_max: found 1, below w_min 2"):
        DistillConsistencyConfig(w_min=2.0, w_max=1.0)


@pytest.mark.parametrize("width", [2, 3])
def test_an_embedding_of_guidance_too_narrow_to_hold_numbers_is_refused(width):
    with pytest.raises(ValidationError, match="guidance_width"):
        DistillConsistencyConfig(guidance_width=width)
    assert np.isfinite(
        guidance_embedding(np.array([5.0]), DistillConsistencyConfig(guidance_width=4).guidance_width)
    ).all()
