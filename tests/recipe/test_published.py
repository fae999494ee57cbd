"""Published figures in a recipe: they may be set beside any candidate by the name under which the report shows it."""

from __future__ import annotations

from pathlib import Path

from workbench.models.read_json import read_object
from workbench.recipe.check import check_recipe
from workbench.recipe.check_steps import denoiser_problems, published_problems, shown_names
from workbench.recipe.load import Loaded, load_recipe
from workbench.store.store import Store

STEPS = """steps:
  - remove_blocks: {layout: bk-tiny}
  - distill_consistency: {candidate: student, steps: 3}
  - quantize: {scheme: fp16}
  - quantize: {scheme: fp16, from: bk_tiny, candidate: many}
evaluate: {few_steps: [4, 1]}
"""
SHOWN = {
    "base": ["base"],
    "bk_tiny": ["bk_tiny"],
    "student": ["student-4steps", "student-1step"],
    "fp16": ["fp16-4steps", "fp16-1step"],
    "many": ["many"],
}


def loaded(folder: Path, values: str, more: str = STEPS) -> Loaded:
    table = f"published:\n  - {{title: Table 1, source: arXiv 1, score: CLIP, values: {{{values}}}}}\n"
    (folder / "r.yaml").write_text(f"version: 1\nname: x\nmodel: demo\n{more}{table}")
    return load_recipe(folder / "r.yaml")


def test_everything_after_a_few_step_student_is_named_by_its_steps_and_branches_before_it_are_not(
    tmp_path: Path, demo: Path
) -> None:
    recipe = loaded(tmp_path, "base: 1, bk_tiny: 2").recipe
    assert shown_names(recipe, denoiser_problems(recipe, demo)[0]) == SHOWN


def test_a_model_that_takes_guidance_itself_is_named_by_its_steps_from_the_start(tmp_path: Path, demo: Path) -> None:
    recipe = loaded(tmp_path, "base: 1, bk_tiny: 2", "evaluate: {few_steps: [4, 1]}\n").recipe
    config = {**read_object(demo / "unet" / "config.json"), "time_cond_proj_dim": 256}
    assert shown_names(recipe, [config])["base"] == ["base-4steps", "base-1step"]


def test_all_names_that_the_report_shows_are_taken(tmp_path: Path, store: Store) -> None:
    names = [name for shown in SHOWN.values() for name in shown]
    values = ", ".join(f"{name}: {0.1 * i:.1f}" for i, name in enumerate(names))
    recipe = loaded(tmp_path, values)

    check_recipe(recipe, store, tmp_path)

    table = recipe.recipe.published[0]
    assert list(table.values) == names
    assert (recipe.recipe.metric_beside(table).name, table.better) == ("alignment", "high")


def test_every_wrong_name_is_told_with_the_line_it_stands_on(tmp_path: Path) -> None:
    recipe = loaded(tmp_path, "student: 1, bse: 2, many: 3").recipe
    found = list(published_problems(recipe, SHOWN))
    assert [place for place, _ in found] == [("published", 0, "values", "student"), ("published", 0, "values", "bse")]
    assert found[0][1].endswith("needs a name with their count: student-4steps, student-1step")
    assert found[1][1].endswith("did you mean base?")
