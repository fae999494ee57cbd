"""Whole recipes through the command line on the embedded model, shrunk by ``--set``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import Result

from tests import ROOT
from tests.fixtures import command
from tests.run.checks import host_rows
from workbench.store.store import Store

MAIN = ROOT / "recipes" / "bk_tiny_w8a8_qat.yaml"
"""Blocks removed, distilled, quantized after training and with it. `make test` runs no other one of the project's."""

ON_TORCH = ROOT / "recipes" / "bk_tiny_w8a8.yaml"
"""The one that is profiled on PyTorch, too."""

RECIPES = [
    pytest.param(recipe, id=recipe.stem, marks=() if recipe == MAIN else pytest.mark.long)
    for recipe in sorted((ROOT / "recipes").glob("*.yaml"))
]
SHRUNK = [
    *("distill.steps=3", "distill.batch=4", "quantize.calibration.prompts=1", "quantize.calibration.steps=2"),
    *("quantize.qat.steps=2", "quantize.qat.batch=2", "distill_consistency.steps=2", "distill_consistency.batch=2"),
    *("remove_blocks.search.prompts=1", "remove_blocks.search.pictures=2", "remove_blocks.search.steps=1"),
    "remove_blocks.search.remeasure=1",
    *("evaluate.pictures=4", "evaluate.shown=2", "evaluate.steps=2", "evaluate.samples=1"),
    *("profile.iterations=3", "profile.min_seconds=0", "profile.warmup=1", "rank.constraints.alignment_drop=1.0"),
]

STEPS = ("distill", "distill_consistency", "quantize", "remove_blocks")
"""Kinds of steps that ``SHRUNK`` names."""


@pytest.fixture(scope="module")
def place(exported, shared, tmp_path_factory) -> Path:
    """A folder to run in, with a store that has the embedded model's exports already."""
    place = tmp_path_factory.mktemp("place")
    shared.given_to(place / "store")
    return place


def workbench(place: Path, verb: str, *arguments: str) -> Result:
    return command.workbench(verb, *arguments, "--store", str(place / "store"), cwd=place)


def few_pictures(place: Path) -> Path:
    """A folder of ten captioned pictures, one of them held out."""
    folder = place / "pictures"
    folder.mkdir(exist_ok=True)
    captions = [f"{thing} on a {colour} background" for thing in ("cat", "dog", "owl", "apple", "car")
                for colour in ("red", "blue")]  # fmt: skip
    rows = []
    for i, caption in enumerate(captions):
        blocks = np.random.default_rng(i).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((64, 64)).save(folder / f"{i}.png")
        rows.append({"file_name": f"{i}.png", "text": caption, "split": "train" if i else "held_out"})
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def shrunk(place: Path, recipe: Path) -> list[str]:
    """The overrides that fit a recipe's steps, each step named by its place: a kind may come twice."""
    whole = yaml.safe_load(recipe.read_text())
    steps = [next(iter(entry.items())) for entry in whole["steps"]]
    drawn = [i for i, one in enumerate(whole.get("data_sets", ())) if "synthesize" in one]
    found = [f"data_sets.{i}.synthesize.{setting}" for i in drawn for setting in ("count=4", "steps=1")]
    if whole["model"] != "demo":  # one that isn't here: the embedded one is of the same family
        found += ["model=demo", "data=demo"]
        found += [
            f"steps.{i}.replace_unet.model=demo:teacher" for i, (kind, _) in enumerate(steps) if kind == "replace_unet"
        ]
    if recipe != ON_TORCH and "torch" in whole["profile"].get("runtimes", ()):
        found.append(f"profile.runtimes=[{', '.join(r for r in whole['profile']['runtimes'] if r != 'torch')}]")
    if drawn:  # every set is encoded again for every step that is taught on it
        found.append(f"data={few_pictures(place)}")
    if "few_steps" in whole["evaluate"] and "published" not in whole:  # published figures name their step counts
        found.append("evaluate.few_steps=[1]")
    drawing = whole["evaluate"]["pictures"] > 0
    for setting in [one for one in SHRUNK if drawing or not one.startswith(("evaluate.pictures", "rank"))]:
        kind, _, rest = setting.partition(".")
        section = next((name for name in ("qat", "search") if rest.startswith(f"{name}.")), None)
        fit = [i for i, (own, config) in enumerate(steps) if own == kind and (section is None or section in config)]
        found += [f"steps.{i}.{kind}.{rest}" for i in fit] if kind in STEPS else [setting]
    return found


def sets(place: Path, recipe: Path, *settings: str) -> list[str]:
    return [part for setting in (*shrunk(place, recipe), *settings) for part in ("--set", setting)]


def run(place: Path, recipe: Path, *settings: str) -> dict:
    done = workbench(place, "run", str(recipe), "--json", *sets(place, recipe, *settings))
    assert done.exit_code == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def results(place: Path) -> dict[str, int]:
    return {f.parent.name: f.stat().st_mtime_ns for f in (place / "store" / "results").glob("*/result.json")}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.stem)
def test_every_recipe_runs_to_a_report(place, recipe):
    outcome = run(place, recipe)
    if not yaml.safe_load(recipe.read_text())["evaluate"]["pictures"]:
        return
    assert all(-1 <= float(row["alignment"]) <= 1 for row in host_rows(place, recipe.stem, outcome))


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("sd*.yaml")), ids=lambda r: r.stem)
def test_a_recipe_for_a_full_size_model_fits_the_embedded_one_too(place, recipe):
    done = workbench(place, "check", str(recipe), *sets(place, recipe))
    assert done.exit_code == 0, done.stderr[-3000:]


def test_an_unchanged_recipe_computes_nothing(place):
    first = run(place, MAIN)
    report = place / "reports" / f"{MAIN.stem}.html"
    before, page = results(place), report.stat().st_mtime_ns
    asked = ["run", str(MAIN), "--json", "--store", str(place / "store"), *sets(place, MAIN)]
    again = command.process([*command.COMMAND, *asked], cwd=place)  # another process finds the same keys
    assert again.returncode == 0, again.stderr[-3000:]
    assert results(place) == before and report.stat().st_mtime_ns == page
    assert json.loads(again.stdout)["candidates"] == first["candidates"]


@pytest.mark.parametrize(
    ("change", "same", "other", "made"),
    [
        ("steps.2.quantize.calibration.steps=3", ("base", "bk_tiny", "distilled"), "w8a8", ["quantize"]),
        pytest.param(
            *("distill.steps=4", ("base", "bk_tiny"), "distilled", ["distill", "quantize", "quantize"]),
            marks=pytest.mark.long,
        ),
    ],
)
def test_a_changed_step_computes_only_what_follows(place, change, same, other, made):
    first = {(row["candidate"], row["target"]): row for row in run(place, MAIN)["candidates"]}
    before = results(place)
    changed = {(row["candidate"], row["target"]): row for row in run(place, MAIN, change)["candidates"]}
    for name in same:
        assert changed[name, "host"]["alignment"] == first[name, "host"]["alignment"]
    assert changed[other, "host"]["psnr_db"] != first[other, "host"]["psnr_db"]
    assert before.items() <= results(place).items(), "a stored result was made again"
    store = Store(place / "store")
    steps = [(store.get(key) or {}).get("step") for key in results(place).keys() - before.keys()]
    assert sorted(s for s in steps if s) == made


def test_sample_draws_with_a_torch_and_with_a_quantized_candidate(place):
    pictures = []
    for candidate in ("base", "w8a8"):
        out = place / f"{candidate}.png"
        asked = ("--candidate", candidate, "--prompt", "red apple", "-o", str(out), *sets(place, MAIN))
        done = workbench(place, "sample", str(MAIN), *asked)
        assert done.exit_code == 0, done.stderr[-3000:]
        with Image.open(out) as image:
            pictures.append(np.asarray(image))
    assert pictures[0].shape == pictures[1].shape == (64, 64, 3) and not np.array_equal(*pictures)


def test_sample_of_an_unknown_candidate_names_those_there_are(place):
    done = workbench(place, "sample", str(MAIN), "--candidate", "w4a16", "--prompt", "x")
    assert done.exit_code == 2 and "w8a8" in done.stderr
