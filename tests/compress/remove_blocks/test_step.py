"""Removing blocks from the embedded model: weights come from the right place and the report says what went."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from diffusers import UNet2DConditionModel

from workbench.compress.registry import StepContext
from workbench.compress.remove_blocks.step import RemoveBlocksConfig, remove_blocks
from workbench.errors import InputError
from workbench.models.widths import PRUNED
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
    ("bad", "said"),
    [
        ({}, "found none of them"),
        ({"layout": "bk-tiny", "blocks": ["mid_block"]}, "found layout and blocks"),
        ({"layout": "bk-tiny", "search": {"budget": {"macs": 0.6}}}, "found layout and search"),
        ({"search": {"budget": {"macs": 0.6, "params": 0.6}}}, "found params and macs"),
        ({"search": {"budget": {"flops": 0.6}}}, "flops"),
        ({"search": {"budget": {"macs": 0.0}}}, "greater than 0"),
        ({"search": {"budget": {"macs": 1.2}}}, "less than 1"),
        ({"blocks": []}, "at least 1"),
        ({"layout": "bk-mini"}, "bk-base"),
    ],
)
def test_a_step_names_a_layout_or_blocks_or_a_search(bad, said):
    with pytest.raises(ValueError, match=said):
        RemoveBlocksConfig(**bad)


def check(demo, step, changed=None):
    config = json.loads((demo / "unet" / "config.json").read_text())
    return list(RemoveBlocksConfig(**step).check({**config, **(changed or {})}, ["base"]))


def test_a_budget_out_of_reach_is_told_before_any_work(demo):
    [(key, said)] = check(demo, {"search": {"budget": {"params": 0.2}}})
    assert key == "search.budget.params"
    assert "0.2 can't be reached" in said and "no less than 0.260 of the parameters is left" in said
    assert check(demo, {"search": {"budget": {"params": 0.27}}}) == []


def test_nothing_is_removed_after_prune_and_all_can_follow_a_search(demo):
    search = {"search": {"budget": {"macs": 0.6}}}
    assert [key for key, _ in check(demo, search, {PRUNED: True})] == ["search"]
    config = json.loads((demo / "unet" / "config.json").read_text())
    after = RemoveBlocksConfig(**search).unet_config_after(config)
    layout = RemoveBlocksConfig(layout="bk-tiny")
    assert list(layout.check(after, ["base", "x"])) == [] and layout.unet_config_after(after) == after


def test_blocks_that_a_search_may_have_taken_are_refused_when_the_step_runs(context, base, tmp_path):
    """What the recipe's check can't know, after a search: one sentence all the same."""
    first = remove_blocks(context, RemoveBlocksConfig(layout="bk-tiny"))
    parent = replace(base, components={**base.components, **first.components})
    with pytest.raises(InputError, match="remove_blocks: mid_block: this U-Net has no such block"):
        remove_blocks(replace(context, parent=parent, out=tmp_path / "b"), RemoveBlocksConfig(blocks=["mid_block"]))
