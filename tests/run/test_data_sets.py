"""A recipe that makes its own data: drawn by a candidate, joined, trained on, and found again in the store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from workbench.data.captioned import captions, data_key
from workbench.data.sets import DataSet
from workbench.errors import InputError
from workbench.models.candidate import Candidate
from workbench.models.sources import demo_folder
from workbench.progress import quiet
from workbench.recipe.check import check_recipe
from workbench.recipe.load import load_recipe
from workbench.recipe.plan_sets import Given, plan_sets, scorer_key
from workbench.recipe.schema import Recipe
from workbench.run.data_sets import made
from workbench.run.execute import candidates_of
from workbench.run.session import Session
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
rank: {{maximize: psnr_db}}
"""


@pytest.fixture
def place(tiny: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(tiny.source, tmp_path / "small")
    (tmp_path / "prompts.txt").write_text("a purple zeppelin\na zebra in a hat\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with prompts and no model."""
    (tmp_path / "prompts.txt").write_text("a purple zeppelin\n")
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


DRAWS = {"name": "drawn", "synthesize": {"prompts": "prompts.txt"}}
BEST = {"name": "best", "from": "demo", "curate": {"keep": 0.5}}
SQUARE = {"name": "square", "from": "demo", "crop": "best_of_3"}
PLAIN = {"name": "plain", "from": "demo", "crop": "centre"}


def _keys(scorer: str = "none", prompts: str | None = None) -> dict[str, str]:
    """Keys of sets that don't need each other, by name."""
    found = {}
    for one in (DRAWS, BEST, SQUARE, PLAIN):
        data_set = DataSet.model_validate(one)
        given = Given(0, "d", str, scorer, prompts)
        found[data_set.name] = plan_sets([data_set], data_set.name, ["base"], ["b"], given)[-1].key
    return found


def _session(store: Store, **told: Any) -> Session:
    steps = [{"quantize": {"scheme": "w8a8"}}]
    return Session(Recipe.model_validate({"version": 1, "name": "r", "model": "demo", "steps": steps, **told}), store)


def _changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def test_a_changed_scorer_makes_the_sets_anew_that_it_scores(bare, own_model, store):
    source = own_model()
    before = scorer_key(source, store)
    assert before == scorer_key(demo_folder(), store) and scorer_key(bare, store) == "none"
    file = source / "scorer" / "model.safetensors"
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    after = scorer_key(source, store)
    assert _changed(_keys(before), _keys(after)) == {"best", "square"}


@pytest.mark.parametrize(
    "module", ["workbench.evaluate.sampler", "workbench.models.scheduler", "workbench.export.onnx"]
)
def test_changed_code_that_draws_and_scores_makes_those_sets_anew(bare, package_copy, module):
    before = _keys()
    with package_copy.parent.joinpath(*module.split(".")).with_suffix(".py").open("a") as file:
        file.write("\n_EDITED = True\n")
    assert _changed(before, _keys()) == {"drawn", "best", "square"}


def test_prompts_of_evaluation_are_held_out_and_in_the_key_of_what_draws(bare, base, store):
    (bare / "asked.txt").write_text("A purple zeppelin.\r\n\n")
    before = _keys(prompts="asked.txt")
    assert _changed(_keys(), before) == {"drawn"}
    given = Given(0, "d", str, prompts="asked.txt")
    planned = plan_sets([DataSet.model_validate(DRAWS)], "drawn", ["base"], [base.key], given)
    with pytest.raises(InputError, match="no prompts: all 1 are held out"):
        made(planned, [base], _session(store, evaluate={"prompts": "asked.txt"}))
    (bare / "asked.txt").write_text("a zebra in a hat\n")
    assert _changed(before, _keys(prompts="asked.txt")) == {"drawn"}


def test_the_recipes_own_folder_is_taken_and_its_contents_are_in_the_key(bare, base, store):
    from PIL import Image

    mine = bare / "mine"
    mine.mkdir()
    Image.new("RGB", (16, 16)).save(mine / "a.png")
    (mine / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "a"}\n')
    taken = DataSet.model_validate({"name": "raw", "from": "data"})

    def planned(data: str | None):
        given = Given(0, data_key(data, base.source, store), str)
        return plan_sets([taken], "raw", ["base"], [base.key], given)

    out = made(planned("mine"), [base], _session(store, data="mine"))
    assert captions(str(out), base.source) == ["a"]
    keys = {planned("mine")[0].key, planned(None)[0].key}
    (mine / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "another"}\n')
    assert len(keys | {planned("mine")[0].key}) == 3


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
