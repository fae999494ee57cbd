"""``model:`` in its long form: where its paths lie, at which key a problem is told, what is said of random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import save_file

from tests.models.intake.files import V1, V2, checkpoint, lora, with_unet
from workbench.errors import InputError
from workbench.models.intake.architecture import RANDOM
from workbench.models.sources import resolve
from workbench.recipe.check import CheckReport, check_recipe
from workbench.recipe.load import load_recipe
from workbench.store.store import Store

PROMPTS = "evaluate: {prompts: prompts.txt}\n"


def recipe(folder: Path, model: str, more: str = PROMPTS) -> Path:
    (folder / "prompts.txt").write_text("a cat\na dog\n")
    (folder / "r.yaml").write_text(f"version: 1\nname: x\nmodel: {model}\n{more}")
    return folder / "r.yaml"


def checked(folder: Path, store: Store, model: str, more: str = PROMPTS) -> CheckReport:
    return check_recipe(load_recipe(recipe(folder, model, more)), store)


def refusal(folder: Path, store: Store, model: str, more: str = PROMPTS) -> str:
    with pytest.raises(InputError) as told:
        checked(folder, store, model, more)
    return str(told.value).replace(str(folder), "HERE")


def test_every_path_follows_the_recipes_folder(tmp_path):
    file = recipe(tmp_path, "{path: a.safetensors, config: c, loras: [{path: l.safetensors}, {path: /m.safetensors}]}")
    model = load_recipe(file).recipe.model
    assert (model.path, model.config) == (f"{tmp_path}/a.safetensors", f"{tmp_path}/c")
    assert [(one.path, one.scale) for one in model.loras] == [
        (f"{tmp_path}/l.safetensors", 1.0),
        ("/m.safetensors", 1.0),
    ]
    assert load_recipe(file, ["model.loras.0.scale=0.5"]).recipe.model.loras[0].scale == 0.5
    for word in ("demo", "hub:a/b", "arch:sd-v1"):
        assert load_recipe(recipe(tmp_path, word)).recipe.model == word
        assert load_recipe(recipe(tmp_path, f"{{path: '{word}'}}")).recipe.model.path == word


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (
            "{path: demo, lora: []}",
            "model.lora: unknown key; known here: path, config, variant, loras, scheduler, allow_",
        ),
        ("{loras: []}", "model.path: missing; it is needed (What it would be alone: demo, a diff"),
        ("{path: demo, loras: [{scale: 1}]}", "model.loras.0.path: missing"),
        ("{path: demo, loras: [{path: a, scale: .nan}]}", "model.loras.0.scale: found "),
        ("{path: demo, scheduler: LCM}", "model.scheduler: found the text 'LCM'; needs "),
        ("{path: demo, allow_pickle: 1}", "model.allow_pickle: found 1; needs true or false"),
        ("7", "model: found 7; needs text"),
    ],
)
def test_a_wrong_key_is_told_at_its_place(model, told, tmp_path):
    with pytest.raises(InputError) as error:
        load_recipe(recipe(tmp_path, model))
    assert str(error.value).startswith(f"{tmp_path}/r.yaml:3: {told}") and "\n" not in str(error.value)


def test_what_is_wrong_with_a_file_is_told_at_the_key_that_names_it(own_tiny, tmp_path, store):
    source = own_tiny.source
    with_unet(source, **V1)
    save_file(checkpoint(source), tmp_path / "a.safetensors")
    lora(source, tmp_path / "l.safetensors")
    (tmp_path / "v2").mkdir()
    assert refusal(tmp_path, store, "{path: a.safetensors, config: no}").startswith(
        "HERE/r.yaml:3: model.config: found "
    )
    assert "model.path: HERE/a.safetensors: a single file has no tokenizer" in refusal(
        tmp_path, store, "{path: a.safetensors, config: v2}"
    )
    assert "model.loras.1.path: HERE/no.safetensors: no such file" in refusal(
        tmp_path, store, "{path: tiny, loras: [{path: l.safetensors}, {path: no.safetensors}]}"
    )
    with_unet(source, **V2)
    told = refusal(tmp_path, store, "{path: tiny, loras: [{path: l.safetensors}]}")
    assert "r.yaml:3: model.loras.0.path: HERE/l.safetensors: lora_unet_" in told and told.endswith("another base")
    assert "model: HERE/l.safetensors: holds a LoRA, not a model" in refusal(tmp_path, store, "l.safetensors")
    assert not store.root.exists()


def test_what_will_be_made_is_told_and_then_found(own_tiny, tmp_path, store):
    with_unet(own_tiny.source, **V1)
    lora(own_tiny.source, tmp_path / "l.safetensors")
    model = "{path: tiny, loras: [{path: l.safetensors, scale: 0.5}], scheduler: LCMScheduler}"
    steps = "steps:\n  - remove_blocks: {blocks: [mid_block]}\n"
    report = checked(tmp_path, store, model, PROMPTS + steps)
    assert report.folder == f"made from {tmp_path}/tiny and LCMScheduler and l.safetensors × 0.5"
    assert not store.root.exists() and report.params["unet"] > 0
    resolve(load_recipe(tmp_path / "r.yaml").recipe.model, store)
    results = sorted((store.root / "results").rglob("*"))
    assert list(checked(tmp_path, store, model, PROMPTS + steps).stored.values()) == [False]
    assert sorted((store.root / "results").rglob("*")) == results


def test_random_weights_are_said_wherever_a_metric_would_decide(tmp_path, store):
    report = checked(tmp_path, store, "arch:bk-tiny")
    where = f"{tmp_path}/r.yaml:1: rank.maximize"
    doubt = "the model's weights are random, so no metric says anything"
    assert report.warnings[:2] == (f"arch:bk-tiny: {RANDOM}", f"{where}: {doubt}; rank by speed or smallness")
    assert report.params["unet"] == 323_384_964 and not store.root.exists()
    limited = PROMPTS + "rank: {maximize: speed, constraints: {perceptual_drop: 0.3}}\n"
    warnings = checked(tmp_path, store, "arch:bk-tiny", limited).warnings
    assert f"{tmp_path}/r.yaml:5: rank.constraints.perceptual_drop: {doubt}" in warnings
    assert not any("rank.maximize" in one for one in warnings)
