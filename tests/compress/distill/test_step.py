"""Distillation on the embedded model: it learns, its pairs are the published ones, a killed run ends the same."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from tests.fixtures.command import environment
from workbench.compress.distill.step import DistillConfig, distill
from workbench.compress.registry import StepContext
from workbench.compress.remove_blocks.layouts import student_of
from workbench.compress.remove_blocks.step import RemoveBlocksConfig, remove_blocks
from workbench.models.candidate import Candidate
from workbench.models.families.stable_diffusion.architectures import UNETS
from workbench.models.families.stable_diffusion.layouts import LAYOUTS
from workbench.progress import quiet
from workbench.recipe.load import load_recipe
from workbench.run.execute import candidates_of
from workbench.store.store import Store
from workbench.training.features import published_pairs


def test_tiny_pairs_are_the_published_six():
    teacher = UNETS["sd-v1"]
    assert published_pairs(teacher, student_of(teacher, LAYOUTS["bk-tiny"]).config) == [
        ("down_blocks.0", "down_blocks.0"),
        ("down_blocks.1", "down_blocks.1"),
        ("down_blocks.2.attentions.1.proj_out", "down_blocks.2.attentions.0.proj_out"),
        ("up_blocks.1", "up_blocks.0"),
        ("up_blocks.2", "up_blocks.1"),
        ("up_blocks.3", "up_blocks.2"),
    ]


@pytest.mark.parametrize("layout", ["bk-base", "bk-small"])
def test_base_and_small_pair_all_eight_blocks(layout):
    teacher = UNETS["sd-v1"]
    names = [f"{side}_blocks.{i}" for side in ("down", "up") for i in range(4)]
    pairs = published_pairs(teacher, student_of(teacher, LAYOUTS[layout]).config)
    assert pairs == [(name, name) for name in names]


@pytest.fixture(scope="module")
def cut(demo_candidate, tmp_path_factory):
    """The context of a step after the removal of blocks."""
    base, out = demo_candidate, tmp_path_factory.mktemp("cut")
    ctx = StepContext(base, base, 0, None, out, out / "state", quiet, export=lambda *_: None)
    tiny = remove_blocks(ctx, RemoveBlocksConfig(layout="bk-tiny"))
    return replace(ctx, parent=replace(base, name="bk_tiny", components={**base.components, **tiny.components}))


@pytest.fixture
def context(cut, tmp_path):
    return replace(cut, out=tmp_path / "out", state=tmp_path / "out" / "state")


def test_all_three_terms_fall_and_are_logged(context):
    weights = {"task": 1.0, "output": 1.0, "feature": 1.0}
    as_cut = {"start": "copied", "reuse": 1}  # what is fitted has fallen before
    config = DistillConfig(steps=16, batch=4, lr=1e-3, warmup=2, save_every=100, weights=weights, **as_cut)
    result = distill(context, config)
    first, last = result.report["first_tenth"], result.report["last_tenth"]
    assert set(first) == {"loss", "task", "output", "feature"}
    assert last["output"] < first["output"] and last["feature"] < first["feature"]
    rows = [json.loads(line) for line in (context.out / "loss.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(16))
    assert rows[5]["loss"] == pytest.approx(rows[5]["task"] + rows[5]["output"] + rows[5]["feature"], rel=1e-5)


def test_the_optimiser_takes_the_betas_of_the_config(context, tmp_path):
    made = []
    for i, betas in enumerate([(0.9, 0.99), (0.9, 0.99), (0.5, 0.6)]):
        place = replace(context, out=tmp_path / f"out{i}", state=tmp_path / f"state{i}")
        place.out.mkdir()
        made.append(distill(place, DistillConfig(steps=3, batch=2, warmup=0, betas=betas)).report["weights_sha256"])
    assert made[0] == made[1] != made[2]
    with pytest.raises(ValidationError, match="betas"):
        DistillConfig(betas=(0.9, 1.0))


def test_models_in_two_places_give_the_same_files(own_tiny, tiny, tmp_path):
    torch.set_num_threads(1)
    files = []
    for candidate in (tiny, own_tiny):
        out = tmp_path / candidate.source.parent.name / "out"
        ctx = StepContext(candidate, candidate, 0, None, out, out / "state", quiet, export=lambda *_: None)
        shutil.rmtree(out, ignore_errors=True)
        removed = remove_blocks(ctx, RemoveBlocksConfig(blocks=["down_blocks.0.attentions.0"]))
        distill(replace(ctx, out=out / "d", state=out / "d" / "state"), DistillConfig(steps=1, batch=2))
        folders = (removed.components["unet"].path, out / "d" / "unet")
        files.append([file.read_bytes() for folder in folders for file in sorted(folder.iterdir())])
    assert files[0] == files[1] and len(files[0]) == 4


@pytest.mark.parametrize(("output", "asked"), [(0.0, 1), (0.5, 2)])
def test_the_teacher_is_run_only_where_its_answer_counts(context, monkeypatch, output, asked):
    from diffusers import UNet2DConditionModel

    ran, forward = set(), UNet2DConditionModel.forward

    def seen(self, *args, **more):
        ran.add(id(self))
        return forward(self, *args, **more)

    monkeypatch.setattr(UNet2DConditionModel, "forward", seen)
    weights = {"task": 1.0, "output": output, "feature": 0.0}
    report = distill(context, DistillConfig(steps=1, batch=2, weights=weights)).report
    assert len(ran) == asked
    assert ("output" in report["last_tenth"]) == (asked == 2)


def test_a_freshly_cut_student_is_fitted_unless_it_is_to_start_as_it_was_cut(context, tmp_path):
    found = []
    for start in ("copied", "fitted"):
        place = replace(context, out=tmp_path / start, state=tmp_path / f"{start}_state")
        place.out.mkdir()
        found.append(distill(place, DistillConfig(steps=1, batch=2, start=start)).report["fitted"])
    assert found[0] is None and found[1]["pictures"] == 2
    assert found[1]["error"]["after"] < found[1]["error"]["before"]


RECIPE = """
version: 1
name: killed
model: {model}
steps:
  - distill: {{steps: 40, batch: 4, save_every: 2, weights: {{feature: 0.0}}}}
"""
BUILD = """
import sys
from pathlib import Path
from tests.compress.distill.test_step import build
build(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def build(recipe: Path, store: Path) -> str:
    torch.set_num_threads(1)
    return candidates_of(load_recipe(recipe), Store(store), quiet)[-1].report["weights_sha256"]


def test_killed_in_the_middle_it_goes_on_to_the_same_weights(tiny: Candidate, tmp_path: Path):
    recipe, store = tmp_path / "killed.yaml", tmp_path / "store"
    recipe.write_text(RECIPE.format(model=tiny.source))
    victim = subprocess.Popen([sys.executable, "-c", BUILD, str(recipe), str(store)], env=environment())
    while victim.poll() is None and not list((store / "work").glob("*/state/state.safetensors")):
        time.sleep(0.01)
    assert victim.poll() is None, "it ended before it could be killed"
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert build(recipe, store) == build(recipe, tmp_path / "another")


def test_the_same_seed_gives_the_same_student_and_another_seed_another(context, tmp_path):
    config = DistillConfig(steps=3, batch=4, precision="fp32")
    torch.set_num_threads(1)
    hashes = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        ctx = replace(context, seed=seed, out=tmp_path / name, state=tmp_path / name / "state")
        hashes.append(distill(ctx, config).report["weights_sha256"])
    assert hashes[0] == hashes[1] != hashes[2]
