"""The timesteps of few-step models, exactly, and noise that is each picture's own."""

from __future__ import annotations

import pytest
import torch

from workbench.errors import InputError
from workbench.models.scheduler import load_scheduler, noises, read_scheduler, timesteps
from workbench.models.sources import demo_folder

DEMO = read_scheduler(demo_folder())


@pytest.mark.parametrize(
    ("steps", "times"),
    [
        (1, [999]),
        (2, [999, 499]),
        (4, [999, 759, 499, 259]),
        (8, [999, 879, 759, 639, 499, 379, 259, 139]),
    ],
)
def test_few_steps_are_those_of_the_trained_grid(steps, times):
    assert timesteps(DEMO, steps, few=True) == times


def test_noise_levels_and_prediction_stay_the_pipelines():
    usual, few = load_scheduler(DEMO, 4), load_scheduler(DEMO, 4, few=True)
    assert few.config.prediction_type == usual.config.prediction_type
    assert torch.allclose(few.alphas_cumprod, usual.alphas_cumprod)


@pytest.mark.parametrize(
    ("kind", "extra", "count"),
    [
        ("DDIM", {}, 10),
        ("PNDM", {"skip_prk_steps": True}, 11),
        ("HeunDiscrete", {}, 19),
        ("KDPM2Discrete", {}, 19),
        ("LMSDiscrete", {}, 10),
    ],
)
def test_a_picture_takes_as_many_passes_as_its_scheduler_makes(kind, extra, count):
    assert len(timesteps({"_class_name": f"{kind}Scheduler", **extra}, 10)) == count
    assert len(timesteps({}, 10)) == 10, "a family without a scheduler"


def test_more_steps_than_the_grid_has_are_refused():
    load_scheduler(DEMO, 50, few=True)
    with pytest.raises(InputError, match=r"found 51; LCMScheduler makes at most 50"):
        load_scheduler(DEMO, 51, few=True)


def test_a_pictures_noise_is_a_function_of_seed_and_place():
    def first(seed, place):
        return torch.randn(3, generator=noises(seed, [place])[0])

    assert torch.equal(first(0, 1), torch.randn(3, generator=noises(0, range(3))[1]))
    assert not torch.equal(first(0, 1), first(0, 2)) and not torch.equal(first(0, 1), first(1, 1))
