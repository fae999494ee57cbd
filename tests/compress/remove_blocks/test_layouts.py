"""The layouts and the copy map: exact, since a wrong copy only shows as a worse model."""

from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel

from workbench.compress.remove_blocks.layouts import CannotDrop, blocks_of, student_of
from workbench.models.families.stable_diffusion.architectures import UNETS
from workbench.models.families.stable_diffusion.layouts import LAYOUTS


def meta(config: dict) -> UNet2DConditionModel:
    with torch.device("meta"):
        return UNet2DConditionModel.from_config(dict(config))


@pytest.fixture(scope="module")
def sd_v1() -> UNet2DConditionModel:
    return meta(UNETS["sd-v1"])


# papers.md 6.1: parameters and copied tensors of 686
@pytest.mark.parametrize(
    ("layout", "params", "copied"),
    [("bk-base", 579_384_964, 442), ("bk-small", 482_346_884, 396), ("bk-tiny", 323_384_964, 358)],
)
def test_full_size_students_have_the_published_shape_and_every_tensor_finds_its_teacher(sd_v1, layout, params, copied):
    plan = student_of(sd_v1.config, LAYOUTS[layout])
    student, weights = meta(plan.config), sd_v1.state_dict()
    assert len(weights) == 686
    assert sum(p.numel() for p in student.parameters()) == params
    taken = {name: plan.teacher_name(name) for name in student.state_dict()}
    assert len(taken) == copied
    assert [n for n, t in student.state_dict().items() if weights[taken[n]].shape != t.shape] == []


@pytest.mark.parametrize("layout", ["bk-base", "bk-small"])
def test_base_and_small_take_the_third_up_layer_for_their_second(sd_v1, layout):
    plan = student_of(sd_v1.config, LAYOUTS[layout])
    renamed = {n: plan.teacher_name(n) for n in meta(plan.config).state_dict() if plan.teacher_name(n) != n}
    blocks = {tuple(".".join(x.split(".")[:4]) for x in pair) for pair in renamed.items()}
    expected = {(f"up_blocks.{i}.resnets.1", f"up_blocks.{i}.resnets.2") for i in range(4)}
    expected |= {(f"up_blocks.{i}.attentions.1", f"up_blocks.{i}.attentions.2") for i in range(1, 4)}
    assert blocks == expected


def test_tiny_shifts_its_up_blocks_by_one(sd_v1):
    plan = student_of(sd_v1.config, LAYOUTS["bk-tiny"])
    assert plan.teacher_name("up_blocks.0.resnets.0.conv1.weight") == "up_blocks.1.resnets.0.conv1.weight"
    assert plan.teacher_name("up_blocks.2.attentions.1.norm.bias") == "up_blocks.3.attentions.2.norm.bias"
    assert plan.teacher_name("up_blocks.1.upsamplers.0.conv.weight") == "up_blocks.2.upsamplers.0.conv.weight"
    assert plan.teacher_name("down_blocks.2.resnets.0.conv1.weight") == "down_blocks.2.resnets.0.conv1.weight"


@pytest.mark.parametrize(
    ("dropped", "blamed", "says"),
    [
        (["up_blocks.9"], "up_blocks.9", "no such block"),
        (["down_blocks.0.resnets.1"], "down_blocks.0.resnets.1", "only together with down_blocks.0.attentions.1"),
        (["down_blocks.3"], "down_blocks.3", "only go together with up_blocks.0"),
        (["down_blocks.0", "up_blocks.3"], "down_blocks.0", "only the deepest"),
        (["down_blocks.0.downsamplers.0"], "down_blocks.0.downsamplers.0", "level below"),
        (["down_blocks.3.resnets.1"], "up_blocks.0", "must keep one more"),
        (
            [
                "down_blocks.1.resnets.0",
                "down_blocks.1.attentions.0",
                "up_blocks.2.resnets.1",
                "up_blocks.2.attentions.1",
            ],
            "down_blocks.1.resnets.0",
            "made for 640",
        ),
    ],
)
def test_what_would_leave_no_unet_is_refused_with_the_block_to_blame(dropped, blamed, says):
    with pytest.raises(CannotDrop, match=says) as caught:
        student_of(UNETS["sd-v1"], dropped)
    assert caught.value.block == blamed


def test_every_listed_block_is_a_module_of_the_network(sd_v1):
    modules = dict(sd_v1.named_modules())
    assert [name for name in blocks_of(sd_v1.config) if name not in modules] == []
