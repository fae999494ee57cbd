"""Group sizes: what a layer takes by itself, and what is said where the one asked for doesn't fit."""

from __future__ import annotations

import json

import pytest
import torch

from workbench.compress.quantize.weights.groups import group_of, group_problem, layer_widths
from workbench.compress.remove_blocks.layouts import student_of
from workbench.models.families import denoiser_shapes, layouts
from workbench.models.families.stable_diffusion.architectures import UNETS
from workbench.models.sources import demo_folder
from workbench.models.unet import meta_unet


@pytest.mark.parametrize(
    ("width", "group"), [(320 * 9, 64), (1280, 128), (320, 64), (144, 48), (144 * 9, 48), (36, 36), (7, 7), (74, 74)]
)
def test_a_layer_takes_the_largest_group_that_divides(width, group):
    assert group_of(width, None) == group and width % group == 0
    assert group_of(width, 32) == 32


def test_a_group_that_does_not_divide_is_told_with_those_that_would():
    found = group_problem({"a": 64, "b": 144, "c": 144}, 64)
    assert found is not None and "64, which doesn't divide the 144 weights in a row of b and 1 more" in found
    assert "16, 8 would" in found
    assert group_problem({"a": 64, "b": 128}, 64) is None


def test_rows_of_every_layer_are_known_without_weights():
    widths = layer_widths(denoiser_shapes(json.loads((demo_folder() / "unet" / "config.json").read_text())))
    assert widths["conv_in"] == 4 * 9 and len(widths) == 282


@pytest.mark.parametrize("layout", layouts())
def test_rows_of_a_student_are_those_of_its_network(layout: str):
    student = student_of(UNETS["sd-v1"], layouts()[layout]).config
    modules = meta_unet(student).named_modules()
    rows = {path: m.weight[0].numel() for path, m in modules if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)}
    assert layer_widths(denoiser_shapes(student)) == rows
