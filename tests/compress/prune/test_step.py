"""Pruning real U-Nets: what is left runs, keeps what it could keep, and comes back the same in another process."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial

import pytest
import torch
from diffusers import UNet2DConditionModel

from tests.fixtures.command import process
from workbench.compress.distill.step import DistillConfig, distill
from workbench.compress.prune.config_widths import config_widths
from workbench.compress.prune.graph import WidthGraph
from workbench.compress.prune.step import PruneConfig, prune
from workbench.compress.registry import StepContext
from workbench.compress.remove_blocks.step import RemoveBlocksConfig, remove_blocks
from workbench.errors import InputError, RunError
from workbench.models.families.stable_diffusion.architectures import UNETS
from workbench.models.read_json import read_object
from workbench.models.sources import base_candidate
from workbench.models.unet import load_unet, meta_unet, save_unet
from workbench.models.widths import read_widths
from workbench.models.widths.load_pruned import channels_of
from workbench.progress import quiet
from workbench.runtimes.torch.counting import count_component
from workbench.store.store import Store
from workbench.training.features import FeatureLoss

by_weight = partial(PruneConfig, criterion="magnitude")


def context(candidate, folder, export=lambda *_: None, seed=0):
    return StepContext(candidate, candidate, seed, None, folder, folder / "state", quiet, export)


def inputs(unet, side=8, tokens=5):
    torch.manual_seed(1)
    shape = (1, unet.config["in_channels"], side, side)
    return torch.randn(shape), torch.tensor([500.0]), torch.randn(1, tokens, unet.config["cross_attention_dim"])


def says(unet):
    with torch.inference_mode():
        return unet(*inputs(unet), return_dict=False)[0]


FRESH = """
import sys, torch
from pathlib import Path
from tests.compress.prune.test_step import says
from workbench.models.unet import load_unet
torch.save(says(load_unet(Path(sys.argv[1]))), sys.argv[2])
"""


@pytest.mark.long
def test_a_pruned_model_says_the_same_in_a_fresh_process(tiny, tmp_path):
    folder = prune(context(tiny, tmp_path / "out"), by_weight(ratio=0.5)).components["unet"].path
    fresh = process([sys.executable, "-c", FRESH, str(folder), str(tmp_path / "there.pt")])
    assert fresh.returncode == 0, fresh.stderr
    assert torch.equal(torch.load(tmp_path / "there.pt"), says(load_unet(folder)))


def test_a_pruned_model_runs_and_its_export_agrees(tiny, shared, tmp_path):
    made = context(tiny, tmp_path / "out", shared.export)
    result = prune(made, by_weight(ratio=0.5))
    folder = result.components["unet"].path
    here = load_unet(folder)
    report = json.loads(json.dumps(result.report))
    assert report["unknown"] == []
    assert report["params"]["after"] == sum(p.numel() for p in here.parameters())
    counted = count_component(tiny.family.denoiser, folder, tiny.spec("unet").seeded())
    assert counted.params == report["params"]["after"] < report["params"]["before"]
    assert (here.conv_in.in_channels, here.conv_in.out_channels, here.conv_out.out_channels) == (4, 8, 4)
    attention = here.down_blocks[0].attentions[0].transformer_blocks[0].attn1
    assert (attention.heads, attention.to_q.out_features, attention.to_v.out_features) == (2, 8, 8)
    assert attention.scale == pytest.approx(4**-0.5)
    for module in here.modules():
        if isinstance(module, torch.nn.GroupNorm):
            assert module.num_channels % module.num_groups == 0


@pytest.mark.parametrize(("scope", "heads"), [("attention", "dims"), ("attention", "whole"), ("feed_forward", "dims")])
def test_taking_channels_that_do_nothing_changes_nothing(tiny, tmp_path, scope, heads):
    unet = load_unet(tiny.components["unet"].path)
    block = unet.down_blocks[0].attentions[0].transformer_blocks[0]
    with torch.no_grad():
        for attention in (block.attn1, block.attn2):  # two heads of eight
            idle = [8 + i for i in range(8)] if heads == "whole" else [1, 3, 5, 7, 8, 10, 12, 14]
            for layer in (attention.to_q, attention.to_k, attention.to_v):
                layer.weight[idle] = 0
            attention.to_out[0].weight[:, idle] = 0
        block.ff.net[2].weight[:, ::2] = 0
        block.ff.net[0].proj.weight[::2] *= 0.01
    save_unet(unet, tmp_path / "idle", None)
    idle_one = replace(tiny.components["unet"], path=tmp_path / "idle")
    candidate = replace(tiny, components={**tiny.components, "unet": idle_one})
    chosen = by_weight(ratio=0.5, scope=[scope], heads=heads, exempt=["^up_blocks"])
    result = prune(context(candidate, tmp_path), chosen)
    found = load_unet(result.components["unet"].path)
    after = found.down_blocks[0].attentions[0].transformer_blocks[0]
    if scope == "attention":
        assert (after.attn1.heads, after.attn1.to_q.out_features) == ((1, 8) if heads == "whole" else (2, 8))
    else:
        assert (after.ff.net[0].proj.out_features, after.ff.net[2].in_features) == (64, 32)
    torch.testing.assert_close(says(found), says(unet), rtol=1e-4, atol=1e-5)


def test_exempt_layers_keep_their_widths_and_a_block_has_its_own_ratio(tiny, tmp_path):
    chosen = by_weight(ratio=0.5, exempt=[r"^down_blocks\.0\.resnets"], per_block={r"up_blocks\.0": 0.0})
    result = prune(context(tiny, tmp_path), chosen)
    before, after = load_unet(tiny.components["unet"].path), load_unet(result.components["unet"].path)
    for name, module in after.named_modules():
        if name.startswith("down_blocks.0.resnets"):
            assert channels_of(module) == channels_of(before.get_submodule(name))
    assert after.up_blocks[0].resnets[0].conv1.out_channels == before.up_blocks[0].resnets[0].conv1.out_channels == 32
    assert after.up_blocks[1].resnets[0].conv1.out_channels == 8


def test_half_of_the_macs_are_left_where_half_is_asked_for(tiny, tmp_path):
    report = prune(context(tiny, tmp_path), by_weight(macs_target=0.5, round_to=1)).report
    share = report["macs_with_attention"]["after"] / report["macs_with_attention"]["before"]
    assert 0.4 < share <= 0.5


def test_a_latency_that_no_ratio_reaches_is_refused_after_measuring(tiny, tmp_path):
    with pytest.raises(RunError, match="latency_target: 1e-06 can't be reached"):
        prune(context(tiny, tmp_path), by_weight(latency_target=1e-6))


def test_random_channels_follow_the_seed(tiny, tmp_path):
    def left(seed, name):
        folder = tmp_path / name
        result = prune(context(tiny, folder, seed=seed), PruneConfig(ratio=0.5, criterion="random"))
        return read_widths(result.components["unet"].path).kept

    assert left(0, "a") == left(0, "b") != left(1, "c")


def test_what_was_kept_is_told_by_the_first_models_channels_after_pruning_twice(tiny, tmp_path):
    config = read_object(tiny.components["unet"].path / "config.json") | {"norm_num_groups": 4}
    teacher = UNet2DConditionModel.from_config(config).eval()
    save_unet(teacher, tmp_path / "first", None)
    first = replace(tiny.components["unet"], path=tmp_path / "first")
    candidate = replace(tiny, components={**tiny.components, "unet": first})
    for left in (12, 8):
        chosen = by_weight(ratio=0.3, scope=["blocks"], round_to=1)
        own = prune(context(candidate, tmp_path / str(left)), chosen)
        candidate = replace(tiny, components={**tiny.components, **own.components})
        folder = own.components["unet"].path
        student, widths = load_unet(folder), read_widths(folder)
        loss = FeatureLoss(teacher, student, [("conv_in", "conv_in")], (None, widths))
        says(teacher), says(student)
        assert len(widths.kept["conv_in"]) == student.conv_in.out_channels == left
        assert float(loss()) < 1e-12
    with pytest.raises(InputError, match=r"remove_blocks: .* was pruned: .* remove blocks first"):
        remove_blocks(context(candidate, tmp_path / "cut"), RemoveBlocksConfig(blocks=["down_blocks.1"]))


def test_features_of_other_widths_are_refused_unless_the_manifest_tells_them_apart(tiny):
    unet = load_unet(tiny.components["unet"].path)
    with pytest.raises(InputError, match=r"down_blocks.0 has 16 channels, down_blocks.1 32, and which"):
        FeatureLoss(unet, unet, [("down_blocks.0", "down_blocks.1")])
    with pytest.raises(InputError, match=r"no module down_block.0; did you mean down_blocks.0"):
        FeatureLoss(unet, unet, [("down_block.0", "down_blocks.0")])


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"ratio": 0.3, "exempt": ["attn3"]}, "prune.exempt: 'attn3' matches none"),
        ({"ratio": 0.3, "per_block": {"dawn": 0.1}}, "prune.per_block: 'dawn' matches none"),
        ({"ratio": 0.95}, r"prune.ratio: 0.95 leaves .* below one step"),
        ({"ratio": 0.3, "exempt": ["."]}, "nothing in scope"),
    ],
)
def test_what_only_the_traced_network_can_tell_is_an_input_error(tiny, tmp_path, bad, said):
    with pytest.raises(InputError, match=said):
        prune(context(tiny, tmp_path), by_weight(**bad))


@pytest.fixture(scope="module")
def pruned_demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    base = base_candidate("demo", Store(folder / "store"))
    chosen = PruneConfig(ratio=0.3, criterion="taylor", batches=1, batch=2)
    result = prune(context(base, folder), chosen)
    return base, result


def test_taylor_ranks_by_the_data_and_leaves_half_of_the_demo(pruned_demo, tmp_path):
    base, result = pruned_demo
    assert result.report["params"] == {"before": 14987812, "after": 7627812}
    plainly = prune(context(base, tmp_path), by_weight(ratio=0.3))
    ours, theirs = (read_widths(r.components["unet"].path) for r in (result, plainly))
    assert ours.layers == theirs.layers and ours.kept != theirs.kept


def test_it_can_be_distilled_from_its_unpruned_parent(pruned_demo, tmp_path):
    base, result = pruned_demo
    parent = replace(base, components={**base.components, **result.components})
    made = replace(context(base, tmp_path / "out"), parent=parent)
    learnt = distill(made, DistillConfig(steps=2, batch=2, warmup=0))
    assert learnt.report["first_tenth"]["feature"] > 0
    folder = learnt.components["unet"].path
    assert read_widths(folder) == read_widths(result.components["unet"].path)
    before, after = load_unet(result.components["unet"].path), load_unet(folder)
    assert not torch.equal(before.conv_in.weight, after.conv_in.weight)


@pytest.mark.parametrize("name", ["sd-v1", "bk-tiny"])
def test_the_check_of_a_recipe_knows_the_layers_that_are_there(name):
    unet = meta_unet(UNETS[name])
    there = {n for n, m in unet.named_modules() if channels_of(m) is not None}
    told = {layer for width in config_widths(UNETS[name], False) for layer in width.layers}
    assert told <= there | {"conv_in"}
    beside = {"samplers", "conv_shortcut", "attn2.to_k", "conv_norm_out", "conv_out"}
    assert all(any(part in layer for part in beside) for layer in there - told)


def test_the_check_tells_the_widths_that_the_traced_network_has(demo):
    config = read_object(demo / "unet" / "config.json")
    graph = WidthGraph(load_unet(demo / "unet"), 16, False)
    for scope in ("resnets", "attention", "feed_forward", "transformers", "time_embedding"):
        traced = sorted((w.channels, w.parts) for w in graph.widths if w.scope == scope)
        assert sorted((w.channels, w.parts) for w in config_widths(config, False) if w.scope == scope) == traced


def test_a_step_needs_one_target_and_sound_patterns():
    for bad in ({}, {"ratio": 0.3, "macs_target": 0.7}):
        with pytest.raises(ValueError, match="give one of ratio, macs_target and latency_target"):
            PruneConfig(**bad)


def test_weights_that_were_not_saved_as_they_are_in_memory_are_told(tiny):
    from workbench.compress.prune.verify import verify

    unet = load_unet(tiny.components["unet"].path)
    with torch.no_grad():
        unet.conv_in.weight[0, 0, 0, 0] += 1e-7 + unet.conv_in.weight[0, 0, 0, 0].abs() * 1e-6
    with pytest.raises(RunError, match=r"isn't what it was when it is loaded again: conv_in\.weight differs"):
        verify(context(tiny, tiny.source, lambda *_: pytest.fail("exported")), unet, tiny)
