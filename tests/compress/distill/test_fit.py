"""A start by least squares: which layers stand for which, and that the fitted student is nearer to its teacher."""

from __future__ import annotations

import copy

import pytest
import torch
from diffusers import UNet2DConditionModel

from workbench.compress.distill.fit import feature_pairs, fit, stands_for
from workbench.compress.remove_blocks.layouts import student_of
from workbench.models.families.stable_diffusion.layouts import LAYOUTS
from workbench.training.batches import Batch

CONFIG = {
    "sample_size": 16,
    "block_out_channels": (8, 16, 16, 16),
    "layers_per_block": 2,
    "cross_attention_dim": 8,
    "attention_head_dim": 2,
    "norm_num_groups": 4,
}


@pytest.fixture(scope="module", params=[False, True], ids=["convolutions", "linear projections"])
def teacher(request) -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(**CONFIG, use_linear_projection=request.param).eval().requires_grad_(False)


def _cut(teacher: UNet2DConditionModel, dropped) -> UNet2DConditionModel:
    plan = student_of(dict(teacher.config), dropped)
    student = UNet2DConditionModel.from_config(plan.config).eval()
    plan.copy_weights(student, teacher)
    return student


def _batch(count: int, seed: int) -> Batch:
    torch.manual_seed(seed)
    noisy = torch.randn(count, 4, 16, 16)
    return Batch(noisy, torch.randint(0, 1000, (count,)), torch.randn(count, 5, 8), noisy)


def _error(teacher, student, batch: Batch) -> float:
    inputs = batch.noisy, batch.timesteps, batch.states
    with torch.no_grad():
        return float((teacher(*inputs).sample - student(*inputs).sample).square().mean())


def test_tinys_layers_stand_for_those_that_were_removed_after_them(teacher):
    student = _cut(teacher, LAYOUTS["bk-tiny"])
    pairs = stands_for(teacher, student)
    assert pairs == [
        ("down_blocks.0.{}.0", "down_blocks.0.{}.1"),
        ("down_blocks.1.{}.0", "down_blocks.1.{}.1"),
        ("down_blocks.2.{}.0", "down_blocks.2.{}.1"),
        ("up_blocks.0.{}.0", "up_blocks.1.{}.1"),
        ("up_blocks.0.{}.1", "up_blocks.1.{}.2"),
        ("up_blocks.1.{}.0", "up_blocks.2.{}.1"),
        ("up_blocks.1.{}.1", "up_blocks.2.{}.2"),
        ("up_blocks.2.{}.0", "up_blocks.3.{}.1"),
        ("up_blocks.2.{}.1", "up_blocks.3.{}.2"),
    ]
    assert feature_pairs(pairs, student) == [
        (f"up_blocks.{i + 1}.attentions.1", f"up_blocks.{i}.attentions.0") for i in range(3)
    ]


def test_a_student_that_has_all_layers_or_was_trained_already_is_left_alone(teacher):
    assert stands_for(teacher, copy.deepcopy(teacher)) == []
    trained = _cut(teacher, LAYOUTS["bk-tiny"])
    with torch.no_grad():
        trained.up_blocks[0].resnets[0].conv1.weight.add_(1e-3)
    assert stands_for(teacher, trained) == []


@pytest.mark.parametrize("layout", ["bk-base", "bk-small", "bk-tiny"])
def test_the_fitted_student_is_nearer_to_its_teacher_on_pictures_that_it_was_not_fitted_to(teacher, layout):
    student, held_out = _cut(teacher, LAYOUTS[layout]), _batch(8, 1)
    before = _error(teacher, student, held_out)
    report = fit(teacher, student, stands_for(teacher, student), _batch(48, 0))
    assert report["pictures"] == 48 and report["error"]["after"] < report["error"]["before"]
    assert _error(teacher, student, held_out) < 0.7 * before
    assert not any(
        module._forward_hooks or module._forward_pre_hooks for module in (*student.modules(), *teacher.modules())
    )


def test_what_it_reports_is_the_error_of_the_student_that_comes_out(teacher):
    student, batch = _cut(teacher, LAYOUTS["bk-tiny"]), _batch(16, 0)
    report = fit(teacher, student, stands_for(teacher, student), batch)
    assert report["error"]["after"] == pytest.approx(_error(teacher, student, batch), rel=1e-3)


def test_with_too_few_rows_a_map_stays_as_it_was(teacher):
    student = _cut(teacher, LAYOUTS["bk-tiny"])
    was = student.down_blocks[2].resnets[0].conv2.weight.clone()
    maps = fit(teacher, student, stands_for(teacher, student), _batch(1, 0))["maps"]
    assert maps < 19 and torch.equal(student.down_blocks[2].resnets[0].conv2.weight, was)
