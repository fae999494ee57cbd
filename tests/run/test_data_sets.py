"""A recipe that makes its own data: drawn by a candidate, joined, trained on, and found again in the store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import tiny_pipeline

from workbench.errors import InputError
from workbench.models.sources import demo_folder
from workbench.progress import quiet
from workbench.recipe.check import check_recipe
from workbench.recipe.load import load_recipe
from workbench.run.execute import candidates_of
from workbench.store.store import Store

RECIPE = """
version: 1
name: own_data
model: small
data_sets:
  - {{name: drawn, synthesize: {{prompts: prompts.txt, steps: 2, from: base}}}}
  - {{name: again, synthesize: {{prompts: prompts.txt, steps: 1, from: {teacher}}}}}
  - {{name: both, join: [drawn, again]}}
steps:
  - distill: {{candidate: longer, steps: 1, batch: 2, weights: {{feature: 0.0}}}}
  - distill: {{data: {data}, steps: 1, batch: 2, weights: {{feature: 0.0}}}}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tiny_pipeline.make(tmp_path / "small", demo_folder())
    shutil.copy(demo_folder() / "model_index.json", tmp_path / "small")
    (tmp_path / "prompts.txt").write_text("a purple zeppelin\na zebra in a hat\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _load(place: Path, data: str = "both", teacher: str = "longer"):
    (place / "recipe.yaml").write_text(RECIPE.format(data=data, teacher=teacher))
    return load_recipe(place / "recipe.yaml")


def test_a_step_is_trained_on_a_set_that_candidates_drew(place):
    store, loaded = Store(place / "store"), _load(place)
    check_recipe(loaded, store, place)
    chain = candidates_of(loaded, store, quiet)
    manifests = {m["name"]: m for m in map(json.loads, (f.read_text() for f in place.rglob("manifest.json")))}
    assert set(manifests) == {"drawn", "again", "both"}
    assert [entry["pictures"]["train"] for entry in manifests["both"]["came_in"]] == [2, 2]
    results = {f: f.stat().st_mtime_ns for f in place.rglob("result.json")}
    again = candidates_of(loaded, store, quiet)
    assert [c.key for c in again] == [c.key for c in chain]
    assert {f: f.stat().st_mtime_ns for f in place.rglob("result.json")} == results
    other = candidates_of(_load(place, data="drawn"), store, quiet)
    assert other[1].key == chain[1].key and other[2].key != chain[2].key


@pytest.mark.parametrize(
    "data, teacher, told",
    [
        ("boht", "longer", "found 'boht'; needs one of drawn, again, both; did you mean both?"),
        ("both", "distilled", "found 'both', for which 'distilled' draws; needs one of base, longer"),
    ],
)
def test_what_can_be_told_before_any_work(place, data, teacher, told):
    with pytest.raises(InputError, match=r"steps\.1\.distill\.data") as error:
        check_recipe(_load(place, data, teacher), Store(place / "store"), place)
    assert told in str(error.value)
