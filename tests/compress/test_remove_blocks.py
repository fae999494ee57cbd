"""Removing blocks from the embedded model: weights come from the right place and the report says what went."""

from __future__ import annotations

import json

import pytest
import torch
from diffusers import UNet2DConditionModel

from workbench.compress.registry import StepContext
from workbench.compress.remove_blocks import RemoveBlocksConfig, remove_blocks
from workbench.progress import quiet


@pytest.fixture
def context(base, tmp_path):
    return StepContext(base, base, 0, None, tmp_path, tmp_path / "state", quiet, export=lambda *_: None)


def test_tiny_keeps_the_teachers_weights_and_reports_every_dropped_block(context, base):
    result = remove_blocks(context, RemoveBlocksConfig(layout="bk-tiny"))
    teacher = UNet2DConditionModel.from_pretrained(base.components["unet"].path).float().state_dict()
    student = UNet2DConditionModel.from_pretrained(result.components["unet"].path).state_dict()
    assert torch.equal(student["up_blocks.0.resnets.1.conv1.weight"], teacher["up_blocks.1.resnets.2.conv1.weight"])
    report = result.report
    assert report["copied_tensors"] == len(student) == 358
    gone = {row["block"]: row for row in report["dropped"]}
    assert gone["mid_block"]["params"] > 0 and gone["down_blocks.0.attentions.1"]["macs_attention"] > 0
    lost = report["params"]["before"] - report["params"]["after"]
    assert sum(row["params"] for row in report["dropped"]) == lost
    json.dumps(report)


def test_a_dropped_middle_block_leaves_everything_else_in_place(context):
    result = remove_blocks(context, RemoveBlocksConfig(blocks=["mid_block"]))
    config = json.loads((result.components["unet"].path / "config.json").read_text())
    assert config["mid_block_type"] is None and config["layers_per_block"] == 2


@pytest.mark.parametrize(
    "bad", [{}, {"layout": "bk-tiny", "blocks": ["mid_block"]}, {"blocks": []}, {"layout": "bk-mini"}]
)
def test_a_step_names_a_layout_or_blocks(bad):
    with pytest.raises(ValueError):
        RemoveBlocksConfig(**bad)
