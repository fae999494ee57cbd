"""The losses of the steps that train: they call the model that the loop hands them, and run where it is."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys

import pytest
import torch

from tests import ROOT
from workbench.compress.distill import consistency
from workbench.compress.distill import step as distill_step
from workbench.compress.quantize import qat
from workbench.compress.registry import StepContext
from workbench.models.unet import load_unet
from workbench.progress import quiet
from workbench.training.loop import step_rng

CPU = torch.device("cpu")


@pytest.fixture
def context(tiny, tmp_path):
    out = tmp_path / "out"
    return StepContext(tiny, tiny, 0, "demo", out, out / "state", quiet, export=lambda *_: None)


def features(ctx, teacher, student, **keys):
    config = distill_step.DistillConfig(batch=2, **keys)
    return distill_step._loss(ctx, config, teacher, student, (None, None), CPU)


def few_steps(ctx, teacher, student, **keys):
    config = consistency.DistillConsistencyConfig(batch=2, **keys)
    return consistency._loss(ctx, config, teacher, copy.deepcopy(student), CPU)


def quantized(ctx, teacher, student):
    return qat._loss(ctx, qat.Qat(batch=2), teacher, student, CPU)


class Around(torch.nn.Module):
    """As the loop wraps a model where several processes train; what goes past it isn't averaged over them."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner, self.calls = inner, 0

    def forward(self, *given, **named):
        self.calls += 1
        return self.inner(*given, **named)


@pytest.mark.parametrize("made", [features, few_steps, quantized])
def test_the_loss_goes_through_the_model_that_it_is_given_and_features_are_still_tapped(context, made):
    folder = context.parent.components["unet"].path
    teacher, student = load_unet(folder).requires_grad_(False), load_unet(folder)
    if made is few_steps:
        student = consistency.with_guidance(student, 256)
    with torch.no_grad():
        student.conv_in.weight.mul_(1.5)  # else it says what its teacher says
    around = Around(student)
    found = made(context, teacher, student)(around, 0, step_rng(0, 0))
    (terms,) = [found] if made is quantized else found
    terms["loss"].backward()
    assert around.calls == 1 and student.conv_in.weight.grad.abs().max() > 0
    assert terms.get("feature", torch.ones(())) > 0


@pytest.mark.parametrize("made", [features, few_steps])
def test_a_batch_in_parts_that_are_computed_twice_has_the_gradient_of_the_whole_batch(context, made):
    folder, gradients = context.parent.components["unet"].path, []
    for parts in (1, 2):
        teacher, student = load_unet(folder).requires_grad_(False), load_unet(folder)
        if made is few_steps:
            student = consistency.with_guidance(student, 256)
        if parts > 1:
            student.enable_gradient_checkpointing()
        with torch.no_grad():
            student.conv_in.weight.mul_(1.5)
        found = list(made(context, teacher, student, at_once=2 // parts)(student.train(), 0, step_rng(0, 0)))
        for terms in found:
            terms["loss"].backward()
        assert len(found) == parts
        gradients.append(torch.cat([p.grad.flatten() for p in student.parameters()]))
    assert gradients[0].norm() > 0 and (gradients[1] - gradients[0]).norm() < 1e-4 * gradients[0].norm()


ON_A_DEVICE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.fixtures import tiny_pipeline
from workbench.compress.distill.step import DistillConfig, distill
from workbench.compress.distill.consistency import DistillConsistencyConfig, distill_consistency
from workbench.compress.registry import StepContext
from workbench.models.sources import demo_folder
from workbench.models.unet import load_unet
from workbench.progress import quiet

root = Path(sys.argv[1])
tiny = tiny_pipeline.make(root / "tiny", demo_folder())
for step, config in ((distill, DistillConfig), (distill_consistency, DistillConsistencyConfig)):
    out = root / step.__name__
    ctx = StepContext(tiny, tiny, 0, "demo", out, out / "state", quiet, export=lambda *_: None)
    made = step(ctx, config(steps=3, batch=4, precision="fp32", save_every=1))
    load_unet(made.components["unet"].path)
"""


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_the_same_seed_starts_with_the_loss_that_a_cpu_finds(tmp_path):
    for name, visible in (("gpu", {}), ("cpu", {"CUDA_VISIBLE_DEVICES": ""})):
        command = [sys.executable, "-c", ON_A_DEVICE, str(tmp_path / name), str(ROOT)]
        subprocess.run(command, env={**os.environ, **visible}, check=True)
    for step in ("distill", "distill_consistency"):
        gpu, cpu = (
            [json.loads(line)["loss"] for line in (tmp_path / name / step / "loss.jsonl").read_text().splitlines()]
            for name in ("gpu", "cpu")
        )
        assert len(gpu) == 3 and gpu == pytest.approx(cpu, rel=0.02)
