"""A step is one file: the recipe's schema, the checks, the keys and the chain know it by its decorator."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.fixtures.command import environment, process
from workbench.compress.registry import steps
from workbench.models.candidate import Candidate

(EXAMPLE,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "architecture.md").read_text(), re.S)
RECIPE = """
version: 1
name: toy
model: {model}
steps:
  - round: {{decimals: {decimals}}}
rank: {{maximize: psnr_db}}
"""
RUN = """
import json, sys
from pathlib import Path
from workbench.models.unet import load_unet
from workbench.progress import quiet
from workbench.recipe.load import load_recipe
from workbench.recipe.schema import Recipe
from workbench.run.execute import candidates_of
from workbench.store.store import Store

base, made = candidates_of(load_recipe(Path("toy.yaml")), Store(Path("store")), quiet)
before, after = (load_unet(candidate.denoiser.path).conv_in.weight for candidate in (base, made))
print(json.dumps({
    "schema": Recipe.model_json_schema()["$defs"]["RoundConfig"]["properties"]["decimals"],
    "name": made.name, "lineage": made.lineage, "report": made.report, "key": made.key,
    "before": before.flatten()[:9].tolist(), "after": after.flatten()[:9].tolist(),
}))
"""


@pytest.fixture
def place(tmp_path: Path, tiny: Candidate) -> Path:
    """A folder with a recipe that has one more step, which stands in one file of a copy of the package."""
    package = tmp_path / "packages" / "workbench"
    shutil.copytree(ROOT / "workbench", package, ignore=shutil.ignore_patterns("__pycache__", "demo"))
    (package / "compress" / "round_weights.py").write_text(EXAMPLE)
    (tmp_path / "toy.yaml").write_text(RECIPE.format(model=tiny.source, decimals=2))
    return tmp_path


def run(place: Path, *command: str):
    options = {"PYTHONPATH": str(place / "packages"), "WORKBENCH_STORE": "store", "OMP_NUM_THREADS": "1"}
    return process([sys.executable, *command], place, env=environment(**options))


@pytest.mark.long
def test_the_example_of_the_docs_is_a_step_as_soon_as_its_file_is_there(place, tiny):
    done = run(place, "-c", RUN)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["schema"]["description"] == "Decimals that are kept." and found["schema"]["maximum"] == 6
    assert (found["name"], found["lineage"], found["report"]) == ("rounded_2", ["round"], {"decimals": 2})
    assert found["after"] == pytest.approx([round(weight, 2) for weight in found["before"]], abs=1e-6)
    assert found["after"] != found["before"]

    step = place / "packages" / "workbench" / "compress" / "round_weights.py"
    step.write_text(EXAMPLE.replace('"""Rounds every', '"""Rounds each'))
    assert json.loads(run(place, "-c", RUN).stdout)["key"] == found["key"], "its words are no part of the result"
    step.write_text(EXAMPLE.replace("decimals=config.decimals)", "decimals=config.decimals) * 1.0"))
    assert json.loads(run(place, "-c", RUN).stdout)["key"] != found["key"]


def test_check_knows_it_and_says_what_is_wrong_with_it(place, tiny):
    done = run(place, "-m", "workbench.cli.main", "check", "toy.yaml")
    assert done.returncode == 0 and "rounded_2" in done.stdout, done.stderr
    (place / "toy.yaml").write_text(RECIPE.format(model=tiny.source, decimals=9))
    done = run(place, "-m", "workbench.cli.main", "check", "toy.yaml")
    assert done.returncode == 2
    assert done.stderr == "error: toy.yaml:6: steps.0.round.decimals: found 9; needs a number ≤ 6\n"


def test_the_packages_own_steps_are_found_in_whatever_folder_they_stand():
    assert list(steps()) == ["distill", "distill_consistency", "prune", "quantize", "remove_blocks", "replace_unet"]
