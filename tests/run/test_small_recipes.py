"""Recipes of a small pipeline through the command line: what steps ``test_run``'s main recipe doesn't have."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.fixtures import tiny_pipeline
from tests.fixtures.command import workbench
from tests.run.checks import host_rows
from workbench.models.sources import demo_folder

FEW_STEPS = """
version: 1
name: few_steps
model: {model}
steps:
  - prune: {{ratio: 0.3, candidate: small}}
  - replace_unet: {{model: {model}, from: base, candidate: teacher}}
  - distill_consistency: {{from: small, candidate: few, teacher: teacher, steps: 2, batch: 4}}
  - quantize: {{scheme: w8a16, candidate: few_w8a16, calibration: {{prompts: 1, steps: 2}}}}
evaluate: {{pictures: 4, shown: 2, steps: 2, few_steps: [1], samples: 1}}
profile: {{runtimes: [onnxruntime], iterations: 3, min_seconds: 0.0, warmup: 1}}
rank: {{maximize: smallness}}
"""
PRUNED = """
version: 1
name: pruned
model: {model}
steps:
  - prune: {{ratio: 0.3, candidate: small}}
  - distill: {{steps: 3, batch: 4, weights: {{feature: 0.0}}}}
  - quantize: {{scheme: w8a8, calibration: {{prompts: 1, steps: 2}}}}
evaluate: {{pictures: 4, shown: 2, steps: 2, samples: 1}}
profile: {{runtimes: [onnxruntime], iterations: 3, min_seconds: 0.0, warmup: 1}}
rank: {{maximize: speed}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with both recipes; the pipeline's U-Net is wide enough for weights to be most of its file."""
    place = tmp_path_factory.mktemp("place")
    tiny_pipeline.make(place / "wide", demo_folder(), widths=(48, 96))
    for name, recipe in (("few_steps", FEW_STEPS), ("pruned", PRUNED)):
        (place / f"{name}.yaml").write_text(recipe.format(model="wide"))
    return place


@pytest.fixture(scope="module")
def few(place) -> dict:
    return ran(place, "few_steps")


def ran(place: Path, name: str) -> dict:
    done = workbench("run", f"{name}.yaml", "--json", "--store", "store", cwd=place)
    assert done.exit_code == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_a_pruned_student_of_few_steps_runs_to_a_report(place, few):
    rows = host_rows(place, "few_steps", few)
    assert [row["candidate"] for row in rows] == ["base", "small", "teacher", "few-1step", "few_w8a16-1step"]


def test_a_pruned_recipe_runs_to_a_report(place, few):
    rows = host_rows(place, "pruned", ran(place, "pruned"))
    assert [row["scheme"] for row in rows] == ["fp32", "fp32", "fp32", "w8a8"]


def test_a_copied_store_has_the_profiles_too(place, few):
    shutil.copytree(place / "store", place / "copy")
    done = workbench("check", "few_steps.yaml", "--json", "--store", "copy", cwd=place)
    assert json.loads(done.stdout)["profiles"] == "stored" and all(json.loads(done.stdout)["stored"].values())


def test_sample_takes_a_few_step_candidate_as_the_report_names_it(place, few):
    asked = ("sample", "few_steps.yaml", "--store", "store", "--prompt", "red apple", "-o", "few.png", "--candidate")
    done = workbench(*asked, "few-1step", cwd=place)
    assert done.exit_code == 0, done.stderr[-3000:]
    with Image.open(place / "few.png") as image:
        assert image.size == (16, 16) and np.asarray(image).std() > 1
    for wrong, why in (("few-3steps", "no 'few-3steps'"), ("teacher-1step", "wasn't distilled to few steps")):
        refused = workbench(*asked, wrong, cwd=place)
        assert refused.exit_code == 2 and why in refused.stderr
