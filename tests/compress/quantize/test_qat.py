"""Quantization-aware training of a small U-Net: it beats PTQ, saves what it learned, a stopped run ends the same."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.compress.quantize.config import Qat
from workbench.compress.quantize.fake_quant import attach
from workbench.compress.quantize.qat import train_quantized
from workbench.compress.quantize.weights.grid import Activation, Grid
from workbench.compress.quantize.weights.rounding import round_weights
from workbench.compress.registry import StepContext
from workbench.measure.sqnr import sqnr_db
from workbench.models.candidate import Component
from workbench.models.unet import load_unet, meta_unet, save_unet
from workbench.models.widths import Widths, read_widths
from workbench.progress import quiet
from workbench.training.batches import Batches
from workbench.training.loop import step_rng

WIDTHS = Widths(
    {
        "down_blocks.0.resnets.0.conv1": (16, 24),
        "down_blocks.0.resnets.0.time_emb_proj": (64, 24),
        "down_blocks.0.resnets.0.norm2": (24, 24),
        "down_blocks.0.resnets.0.conv2": (24, 16),
    }
)
"""Those of a residual block with more channels inside than its config says, as pruning leaves fewer."""


@pytest.fixture
def context(base, tmp_path):
    """The embedded model's data, text encoder and scheduler around a small U-Net of random weights."""
    config = {
        "sample_size": 16,
        "block_out_channels": (16,),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D",),
        "up_block_types": ("CrossAttnUpBlock2D",),
        "cross_attention_dim": load_unet(base.components["unet"].path).config.cross_attention_dim,
        "attention_head_dim": 2,
        "norm_num_groups": 8,
        "mid_block_type": None,
    }
    unet = meta_unet(config, WIDTHS).to_empty(device="cpu")
    torch.manual_seed(0)
    for module in unet.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    save_unet(unet, tmp_path / "parent", WIDTHS)
    own = {"unet": Component("unet", "torch", tmp_path / "parent")}
    parent = replace(base, name="parent", components={**base.components, **own})
    (tmp_path / "out").mkdir()
    return StepContext(base, parent, 0, None, tmp_path / "out", tmp_path / "state", quiet, export=lambda *_: None)


def held_out(context):
    batches = Batches(context.base.source, None, 32, 0.1)
    return batches.draw(step_rng(1, 10**6))


def predict(unet, batch):
    with torch.no_grad():
        return unet(batch.noisy, batch.timesteps, batch.states).sample.numpy()


def quantized(context, grid, bits=None):
    """Every layer to the nearest integers, with ranges of what it sees; no search, so that there is much to learn."""
    unet = load_unet(context.parent.components["unet"].path)
    layers = {n: m for n, m in unet.named_modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)}
    rounded = {n: round_weights(m.weight.detach().flatten(1).numpy(), grid, "nearest") for n, m in layers.items()}
    seen: dict[str, dict[str, Activation]] = {"in": {}, "out": {}}
    if bits is None:
        return rounded, {}, {}

    def keep(kind, name, x):
        seen[kind][name] = Activation(min(0.0, float(x.min())), max(0.0, float(x.max())), bits)

    hooks = []
    for name, layer in layers.items():
        hooks.append(layer.register_forward_pre_hook(lambda _m, a, name=name: keep("in", name, a[0])))
        if isinstance(layer, torch.nn.Conv2d):
            hooks.append(layer.register_forward_hook(lambda _m, _a, y, name=name: keep("out", name, y)))
    predict(unet, held_out(context))
    return rounded, seen["in"], seen["out"]


def agreement(context, folder: Path, rounded, inputs, outputs) -> float:
    parent = load_unet(context.parent.components["unet"].path)
    unet, batch = load_unet(folder), held_out(context)
    attach(unet, rounded, inputs, outputs)
    return sqnr_db(predict(parent, batch), predict(unet, batch))


@pytest.mark.parametrize(("grid", "bits"), [(Grid(4), None), (Grid(4, group=4), 8)])
def test_it_beats_post_training_quantization(context, tmp_path, grid, bits):
    ptq = quantized(context, grid, bits)
    before = agreement(context, context.parent.components["unet"].path, *ptq)
    config = Qat(steps=40, batch=8, step_lr=0.02, lr=1e-4, save_every=1000)
    result = train_quantized(context, config, *ptq, tmp_path / "unet")
    after = agreement(context, result.folder, result.rounded, result.inputs, result.outputs)
    assert after > before + 1
    assert result.report["last_tenth"]["output"] < result.report["first_tenth"]["output"]


def test_the_saved_unet_holds_the_weights_of_the_result_and_its_trained_biases(context, tmp_path):
    result = train_quantized(context, Qat(steps=3, batch=2), *quantized(context, Grid(4), 8), tmp_path / "unet")
    before, after = load_unet(context.parent.components["unet"].path), load_unet(result.folder)
    assert read_widths(result.folder) == WIDTHS
    assert set(after.state_dict()) == set(before.state_dict())
    for path, rounded in result.rounded.items():
        assert np.array_equal(after.get_submodule(path).weight.detach().flatten(1).numpy(), rounded.weights())
    assert not torch.equal(before.conv_out.bias, after.conv_out.bias)
    assert not torch.equal(before.conv_norm_out.weight, after.conv_norm_out.weight)


def test_the_report_has_the_terms_and_their_curve(context, tmp_path):
    config = Qat(steps=12, batch=2)
    report = train_quantized(context, config, *quantized(context, Grid(4)), tmp_path / "unet").report
    rows = [json.loads(line) for line in (context.out / "loss.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(12))
    assert rows[5]["loss"] == pytest.approx(rows[5]["output"] + rows[5]["feature"], rel=1e-5)
    assert (report["steps"], report["pictures_seen"], len(report["curve"])) == (12, 24, 12)
    assert report["curve"][5] == [5, {n: rows[5][n] for n in ("loss", "output", "task", "feature")}]


def test_stopped_and_started_again_it_ends_with_the_same_weights(context, tmp_path):
    ptq = quantized(context, Grid(4, group=4), 8)
    config = Qat(steps=6, batch=2, save_every=2, precision="bf16")
    whole = train_quantized(context, config, *ptq, tmp_path / "whole")

    class Stop(Exception):
        pass

    @contextmanager
    def stops(_what, _total):
        def tick(done, _note=""):
            if done == 3:
                raise Stop

        yield tick

    cut = replace(context, state=tmp_path / "state of the second", progress=stops)
    with pytest.raises(Stop):
        train_quantized(cut, config, *ptq, tmp_path / "cut")
    resumed = train_quantized(replace(cut, progress=quiet), config, *ptq, tmp_path / "cut")
    assert resumed.report["weights_sha256"] == whole.report["weights_sha256"]
    assert (resumed.inputs, resumed.outputs) == (whole.inputs, whole.outputs)
