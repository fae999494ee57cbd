"""Reading recipes: what YAML means here, where values came from, and what overrides do."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.errors import InputError
from workbench.metrics.registry import metrics, qualities
from workbench.recipe.load import load_recipe

TEXT = """\
version: 1
name: x
model: demo
steps:
  - remove_blocks: {layout: bk-tiny}
  - distill:
      lr: 1e-4
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "r.yaml").write_text(TEXT)
    return tmp_path / "r.yaml"


def refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        load_recipe(path, overrides)
    return caught.value.message


def test_scientific_notation_is_a_number(recipe: Path) -> None:
    assert load_recipe(recipe).recipe.steps[1].config.lr == 1e-4


def test_words_of_yaml_1_1_stay_text(recipe: Path) -> None:
    assert load_recipe(recipe, ["name=on"]).recipe.name == "on"
    assert load_recipe(recipe, ["description=2024-01-01"]).recipe.description == "2024-01-01"
    assert load_recipe(recipe, ["description=12:30"]).recipe.description == "12:30"


def test_a_step_with_nothing_under_it_has_its_defaults(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("version: 1\nname: x\nmodel: demo\nsteps:\n  - distill:\n")
    assert load_recipe(tmp_path / "r.yaml").recipe.steps[0].config.steps == 300


def test_a_bare_step_name_is_told_how_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("version: 1\nname: x\nmodel: demo\nsteps:\n  - distill\n")
    told = f"{tmp_path}/r.yaml:5: steps.0: found the text 'distill'; needs a mapping; did you mean 'distill: {{}}'?"
    assert refusal(tmp_path / "r.yaml") == told


def test_where_points_at_the_line_or_at_the_nearest_one_above(recipe: Path) -> None:
    loaded = load_recipe(recipe)
    assert loaded.where(("steps", 1, "distill", "lr")) == f"{recipe}:7: steps.1.distill.lr"
    assert loaded.where(("steps", 1, "distill", "batch")) == f"{recipe}:6: steps.1.distill.batch"
    assert loaded.where(("seed",)) == f"{recipe}:1: seed"
    assert loaded.where() == str(recipe)


def test_where_points_at_the_override_that_put_a_value_there(recipe: Path) -> None:
    loaded = load_recipe(recipe, ["distill.lr=0.01", "steps.0={remove_blocks: {layout: bk-base}}"])
    assert loaded.where(("steps", 1, "distill", "lr")) == "--set distill.lr=0.01: steps.1.distill.lr"
    layout = loaded.where(("steps", 0, "remove_blocks", "layout"))
    assert layout == "--set steps.0={remove_blocks: {layout: bk-base}}: steps.0.remove_blocks.layout"
    assert loaded.where(("name",)) == f"{recipe}:2: name"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("distill.steps=20", 20),
        ("steps.1.distill.steps=21", 21),
        ("steps.1.distill={steps: 22}", 22),
    ],
)
def test_three_ways_to_override_a_step(recipe: Path, override: str, expected: int) -> None:
    assert load_recipe(recipe, [override]).recipe.steps[1].config.steps == expected


def test_overrides_make_sections_that_the_file_lacks_and_later_ones_win(recipe: Path) -> None:
    loaded = load_recipe(recipe, ["evaluate.pictures=8", "rank.constraints.latency_ms=5", "evaluate.pictures=16"])
    assert loaded.recipe.evaluate.pictures == 16
    assert loaded.recipe.rank.constraints.latency_ms == 5.0


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("distill.steps=-1", "steps.1.distill.steps: found -1; needs a number ≥ 1"),
        ("distill.steps=many", "steps.1.distill.steps: found the text 'many'; needs a whole number"),
        ("seed.x=1", "seed: found a mapping of x; needs a whole number"),
        ("name.x=1", "name: holds 'x', nothing can be set inside it"),
        ("steps.7.distill.steps=1", "steps: found 7 as a position in the list; it has 0 to 1"),
        ("evaluate.pictures", "needs KEY=VALUE, such as evaluate.pictures=8"),
        ("evaluate..pictures=8", "needs KEY=VALUE, such as evaluate.pictures=8"),
        ("name=[", "not valid YAML: expected the node content, but found '<stream end>'"),
        ("rank.maximize=speeed", "rank.maximize: found the text 'speeed'; needs one of AIMS; did you mean speed?"),
    ],
)
def test_a_bad_override_is_named(recipe: Path, override: str, told: str) -> None:
    aims = ", ".join([*qualities(metrics()), "speed", "smallness"])
    assert refusal(recipe, override) == f"--set {override}: {told.replace('AIMS', aims)}"


def test_an_unknown_override_is_told_what_was_meant(recipe: Path) -> None:
    assert refusal(recipe, "evalute.pictures=8").endswith("; did you mean evaluate.pictures?")
    assert refusal(recipe, "distil.steps=8").endswith("; did you mean distill.steps?")
    assert refusal(recipe, "distill.stepz=8").endswith("; did you mean steps?")


def test_a_kind_of_step_that_is_there_twice_or_not_at_all(recipe: Path) -> None:
    recipe.write_text(TEXT + "  - distill: {}\n")
    two = "distill: the recipe has 2 such steps; say which: --set steps.1.distill.lr=… or --set steps.2.distill.lr=…"
    assert refusal(recipe, "distill.lr=0.1") == f"--set distill.lr=0.1: {two}"
    recipe.write_text("version: 1\nname: x\nmodel: demo\nsteps: [remove_blocks: {layout: bk-tiny}]\n")
    told = "--set distill.lr=0.1: distill: the recipe has no such step; it has remove_blocks"
    assert refusal(recipe, "distill.lr=0.1") == told


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"a: 1\n\xff\xfe", ":2: found bytes that aren't UTF-8; needs a recipe file (YAML)"),
        (b"#" * 100_001, ": has 100,001 bytes; needs at most 100,000 (YAML)"),
    ],
)
def test_files_that_are_no_recipes(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "r.yaml").write_bytes(data)
    assert refusal(tmp_path / "r.yaml") == f"{tmp_path}/r.yaml{told}"


def test_a_folder_is_no_recipe(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path}: is a folder; needs a file (YAML)"


def test_an_unprintable_character_is_found_by_line(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_bytes(b"version: 1\nname: a\x01b\n")
    assert (
        refusal(tmp_path / "r.yaml") == f"{tmp_path}/r.yaml:2: not valid YAML: found the unprintable character '\\x01'"
    )


def test_relative_paths_follow_the_recipes_folder_and_those_of_set_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    paths = "model: ../m\ndata: ~/pictures\nevaluate: {prompts: p.txt}\n"
    sets = "data_sets: [{name: a, from: pictures}, {name: b, from: a}, {name: c, from: data}, {name: d, from: demo}]\n"
    steps = "steps: [replace_unet: {model: 'demo:few'}, quantize: {calibration: {prompts_from: q.txt}}]\n"
    Path("deep/r.yaml").write_text("version: 1\nname: x\n" + paths + sets + steps)
    recipe = load_recipe(Path("deep/r.yaml"), ["quantize.calibration={prompts_from: q.txt}"]).recipe

    assert (recipe.model, recipe.data, recipe.evaluate.prompts) == ("deep/../m", "/home/someone/pictures", "deep/p.txt")
    assert [one.from_ for one in recipe.data_sets] == ["deep/pictures", "a", "data", "demo"]
    assert recipe.steps[0].config.model == "demo:few"
    assert recipe.steps[1].config.calibration.prompts_from == "q.txt"
    assert load_recipe(Path("deep/r.yaml")).recipe.steps[1].config.calibration.prompts_from == "deep/q.txt"


def test_a_recipe_at_another_place_has_the_same_keys(tmp_path: Path) -> None:
    from workbench.recipe.plan import plan_steps

    sets = "data_sets: [{name: mine, from: pictures, captions: {file: q.txt}}]\n"
    steps = "steps: [distill: {data: mine}, quantize: {calibration: {prompts_from: q.txt}}]\n"
    text = f"version: 1\nname: x\nmodel: demo\n{sets}{steps}"
    keys = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "r.yaml").write_text(text)
        (tmp_path / name / "q.txt").write_text("a cat\n")
        recipe = load_recipe(tmp_path / name / "r.yaml").recipe
        keys.append([step.key for step in plan_steps(recipe, "b", "d", folder_key=lambda folder: Path(folder).name)])
    assert keys[0] == keys[1]
