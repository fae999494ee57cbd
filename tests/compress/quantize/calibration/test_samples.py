"""What calibrates: captions, or prompts where a model has no pictures."""

from __future__ import annotations

import shutil

from workbench.compress.quantize.calibration.samples import Calibration, Samples
from workbench.compress.registry import StepContext
from workbench.progress import quiet
from workbench.recipe.load import load_recipe
from workbench.recipe.plan import plan_steps


def test_prompts_calibrate_where_there_is_no_data(own_tiny, shared, tmp_path):
    (tmp_path / "prompts.txt").write_text("a\nb\na\nc\nd\n")
    ctx = StepContext(
        own_tiny, own_tiny, 0, None, tmp_path, tmp_path, quiet, shared.export, prompts=str(tmp_path / "prompts.txt")
    )
    assert ctx.captions()[:2] != ["a", "b"], "the model's own come first"
    shutil.rmtree(own_tiny.source / "data")
    assert ctx.captions() == ["a", "b", "c", "d"]
    assert Samples(ctx, "text_encoder", Calibration()).count() == 2, "two are held back"


def test_another_file_of_prompts_quantizes_anew_only_where_there_is_no_data(tmp_path):
    prompts, recipe = tmp_path / "prompts.txt", tmp_path / "r.yaml"
    recipe.write_text(f"version: 1\nname: x\nmodel: demo\nsteps: [quantize: {{}}]\nevaluate: {{prompts: {prompts}}}\n")
    keys = []
    for text in ("a", "b"):
        prompts.write_text(text)
        plans = (plan_steps(load_recipe(recipe).recipe, "base", data)[0].key for data in ("none", "data"))
        keys.append(list(plans))
    assert keys[0][0] != keys[1][0] and keys[0][1] == keys[1][1]
