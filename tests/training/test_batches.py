"""Batches of the denoising task: the target is what the model's scheduler says that it predicts."""

from __future__ import annotations

import json
from typing import get_args

import pytest
import torch

from workbench.data.captioned import load
from workbench.models.scheduler_config import SchedulerConfig
from workbench.training.batches import Batches
from workbench.training.consistency import Grid
from workbench.training.loop import step_rng


def test_every_equal_part_of_the_timesteps_has_its_share_of_a_batch(own_tiny):
    batches = Batches(own_tiny.source, None, 10, drop_captions=0.0)
    times = [batches.draw(step_rng(0, step)).timesteps for step in range(3)]
    assert all(t.dtype == torch.int64 and (t // 100).tolist() == list(range(10)) for t in times)
    assert not torch.equal(times[0], times[1])


@pytest.mark.parametrize("prediction", get_args(SchedulerConfig.model_fields["prediction_type"].annotation))
def test_the_target_stands_for_the_picture_that_was_made_noisy(own_tiny, prediction):
    file = own_tiny.source / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"prediction_type": prediction}))
    batches = Batches(own_tiny.source, None, 4, drop_captions=0.0)
    batch = batches.draw(step_rng(0, 0))
    clean, _ = Grid(batches.alphas).split(batch.target, batch.noisy, batch.timesteps, prediction)
    latents = load(None, own_tiny.source).latents
    nearest = (clean[:, None] - latents).abs().amax((2, 3, 4)).min(1).values
    assert torch.all(nearest < 0.01)
