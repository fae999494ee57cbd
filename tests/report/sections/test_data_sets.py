"""The page tells what came into a data set, what was dropped and why, and what was trained on it, as manifests say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.data.scenes import scene
from workbench.data.build import build
from workbench.data.operation import Context
from workbench.data.sets import DataSet
from workbench.models.sources import demo_folder
from workbench.report.page import fill
from workbench.report.sections.data_sets import Set, gather

RAW = {
    "a.png": ((1, 120, 60), "a dog"),
    "b.png": ((2, 96, 96), "a cat"),
    "c.png": ((3, 60, 130), "a red kite in the sky"),
    "d.png": ((4, 80, 80), "an owl"),
    "again.png": ((2, 96, 96), "the same cat"),
    "small.png": ((5, 30, 40), "a mouse"),
    "held.png": ((6, 120, 60), "a snail", "held_out"),
    "none.png": ((7, 60, 60), " "),
}
CLEAN = {
    "name": "clean",
    "from": "raw",
    "deduplicate": {"distance": 3},
    "min_side": 50,
    "crop": "best_of_3",
    "captions": {"template": ["{}", "a picture of {}"]},
    "curate": {"keep": 0.75},
}
DRAWN = {"name": "drawn", "synthesize": {"prompts": {"captions_of": "raw"}, "count": 8, "steps": 7}}
WHOLE = {"name": "whole", "join": ["clean", "drawn"]}


def score(pictures: np.ndarray, captions: Sequence[str]) -> np.ndarray:
    return pictures.mean(axis=(1, 2, 3)) / 255


def draw(prompts: Sequence[str], steps: int, guidance_scale: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (len(prompts), 16, 16, 3), dtype=np.uint8)


def made(out: Path, *settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Manifests of the sets, each made in ``out/NAME`` of the ones before."""
    context = Context(demo_folder(), 0, 64, score, draw, frozenset({"an owl"}))
    found: dict[str, dict[str, Any]] = {}
    for each in settings:
        inputs = {name: out / name for name in found}
        found[each["name"]] = build(DataSet.model_validate(each), inputs, context, out / each["name"])
    return found


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one's own, with a broken picture."""
    root = tmp_path_factory.mktemp("own") / "mine"
    root.mkdir()
    lines = []
    for name, ((seed, *size), text, *split) in RAW.items():
        scene(seed, *size).save(root / name)
        lines.append({"file_name": name, "text": text} | ({"split": split[0]} if split else {}))
    (root / "<b>.png").write_bytes(b"no picture")
    lines.append({"file_name": "<b>.png", "text": "broken"})
    (root / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return root


@pytest.fixture(scope="module")
def manifests(mine: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """A chain of sets as recipes have it, made by the real code."""
    found = made(tmp_path_factory.mktemp("sets"), {"name": "raw", "from": str(mine)}, CLEAN, DRAWN, WHOLE)
    return found | {"clean": found["clean"] | {"seconds": 150.0}}


@pytest.fixture
def sets(make: SimpleNamespace, manifests: dict[str, Any]) -> dict[str, Set]:
    """The section's sets for a recipe of which two steps train on one set, and one on the recipe's own data."""
    steps = [
        {"distill": {"candidate": "tiny", "data": "whole"}},
        {"quantize": {"scheme": "w8a8"}},
        {"distill": {"candidate": "plain"}},
        {"distill_consistency": {"candidate": "few", "data": "whole"}},
        {"distill": {"candidate": "odd", "data": "clean"}},
    ]
    run = SimpleNamespace(recipe=make.recipe(steps=steps), data_sets=manifests)
    return {s.name: s for s in gather(run, None)}


def hows(found: Set) -> dict[str, str]:
    return {o.name: o.how for o in found.operations}


def test_what_came_in_and_what_is_there_is_counted_by_split(sets):
    assert list(sets) == ["raw", "clean", "drawn", "whole"]
    raw, clean, drawn, whole = sets.values()
    assert raw.came_in == "9 from mine (8 train, 1 held_out)", "no path of this machine"
    assert raw.dropped == "2: 1 no caption, 1 broken" and (raw.total, raw.splits) == ("7", "6 train, 1 held_out")
    assert raw.short_side == "30 to 96 px, median 60" and raw.captions == "7"
    assert clean.came_in == "7 from raw (6 train, 1 held_out)" and clean.splits == "3 train, 1 held_out"
    assert drawn.came_in == "1 from raw (1 held_out) and 8 drawn by base"
    assert (drawn.dropped, drawn.short_side) == ("none", "16 to 60 px, median 16")
    assert whole.came_in == "4 from clean (3 train, 1 held_out) and 9 from drawn (8 train, 1 held_out)"
    assert whole.dropped == "1: 1 the same pair twice" and whole.total == "12"
    assert (clean.took, raw.took) == ("2.5 min", "–")


def test_the_candidates_trained_on_a_set_are_named_and_the_sets_made_of_it(sets):
    assert {name: s.used_by for name, s in sets.items()} == {
        "raw": "set clean and set drawn",
        "clean": "odd and set whole",
        "drawn": "set whole",
        "whole": "tiny and few",
    }


def test_operations_are_told_in_order_with_their_settings(sets, manifests):
    clean, drawn, whole = sets["clean"], sets["drawn"], sets["whole"]
    assert [(o.name, o.came_in, o.dropped, o.altered, o.left) for o in clean.operations] == [
        ("deduplicate", "6", "1: 1 near-duplicate", "0", "5"),
        ("min_side", "5", "1: 1 smaller than 50 px", "0", "4"),
        ("crop", "4", "none", "2", "4"),
        ("captions", "4", "none", "4", "4"),
        ("curate", "4", "1: 1 not among the best 75%", "0", "3"),
    ]
    told, records = hows(clean), {o["operation"]: o for o in manifests["clean"]["operations"]}
    assert "at most 3 of 64 bits" in told["deduplicate"] and "5 levels of colour" in told["deduplicate"]
    assert told["min_side"] == "short side of at least 50 px"
    taken = records["crop"]["taken"]
    assert sum(taken.values()) == 2
    assert f"taken: centre {taken['centre']}, start {taken['start']}, end {taken['end']}; mean score" in told["crop"]
    assert told["captions"] == "the old caption in one of 2 templates, by seed: “{}” and “a picture of {}”"
    before, after = records["curate"]["score_before"], records["curate"]["score_after"]
    assert before < after
    assert told["curate"] == f"the best 75 % by the scorer; mean score {before:.3f} before, {after:.3f} after"
    assert hows(drawn)["synthesize"] == (
        "base drew in 7 steps, guidance_scale 3, for 5 of 6 different prompts from the training captions of raw; "
        "1 held out, never drawn"
    )
    assert (drawn.operations[0].came_in, drawn.operations[0].left) == ("–", "8")
    assert hows(whole)["join"] == "all rows of clean and drawn, no pair twice; rows of every split"


def test_captions_and_prompts_of_files_are_told_without_the_folders_that_they_lie_in(mine, tmp_path, make):
    (tmp_path / "new.jsonl").write_text('{"file_name": "a.png", "text": "x"}\n{"file_name": "gone.png", "text": "y"}\n')
    (tmp_path / "prompts.txt").write_text("a fox\n")
    words = {"templates": ["a {thing}"], "words": {"thing": ["fox", "hen"]}}
    found = made(
        tmp_path / "sets",
        {"name": "mine", "from": str(mine), "crop": "centre", "captions": {"file": str(tmp_path / "new.jsonl")}}
        | {"curate": {"least": 0.0}},
        {"name": "listed", "synthesize": {"prompts": str(tmp_path / "prompts.txt"), "steps": 1}},
        {"name": "filled", "synthesize": {"prompts": words, "guidance_scale": 1.5}},
    )
    own, listed, filled = gather(SimpleNamespace(recipe=make.recipe(), data_sets=found), None)
    told = hows(own)
    assert told["crop"] == "to a square: centre 3"
    assert (
        told["captions"] == "new captions from new.jsonl; old one kept: 5; lines of the file without a picture here: 1"
    )
    assert told["curate"].startswith("score of at least 0; mean score 0.")
    assert hows(listed)["synthesize"] == (
        "base drew in 1 step, guidance_scale 3, for 1 of 1 different prompt from prompts.txt"
    )
    assert hows(filled)["synthesize"].endswith("guidance_scale 1.5, for 2 of 2 different prompts from “a {thing}”")
    assert own.used_by == "–" and str(tmp_path) not in repr([own, listed, filled])


def test_a_few_dropped_pictures_are_named_and_the_rest_counted(sets, make, manifests):
    reasons = {r.why: r for r in sets["raw"].reasons}
    assert reasons["broken"].names[0].startswith("<b>.png: ")
    assert (reasons["broken"].count, reasons["broken"].more) == ("1", "")
    raw = manifests["raw"]
    many = raw | {"dropped": {"broken": 30}, "dropped_named": {"broken": [f"{i}.png" for i in range(20)]}}
    (found,) = gather(SimpleNamespace(recipe=make.recipe(), data_sets={"raw": many}), None)
    (reason,) = found.reasons
    assert (reason.names, reason.more) == (("0.png", "1.png", "2.png"), "and 27 more")


def test_sets_are_in_the_recipes_order_whichever_step_asked_first(make, manifests):
    recipe = make.recipe(data_sets=[{"name": "raw", "from": "mine"}, CLEAN, DRAWN, WHOLE])
    found = gather(SimpleNamespace(recipe=recipe, data_sets=dict(sorted(manifests.items(), reverse=True))), None)
    assert [(s.name, s.used_by) for s in found] == [
        ("raw", "set clean and set drawn"),
        ("clean", "set whole"),
        ("drawn", "set whole"),
        ("whole", "–"),
    ]


def test_a_run_without_data_sets_has_no_section(make):
    assert gather(SimpleNamespace(recipe=make.recipe(), data_sets={}), None) is None


def test_names_and_prompts_of_users_are_escaped(sets):
    hostile = replace(sets["raw"].operations[0], how="<script>alert(1)</script>")
    shown = [replace(sets["raw"], came_in="1 from <img src=x>", operations=(hostile,)), sets["clean"]]
    page = fill("data_sets/section.html", facts=shown)
    assert "&lt;b&gt;.png" in page and "&lt;script&gt;" in page and "1 from &lt;img src=x&gt;" in page
    assert not any(tag in page for tag in ("<b>", "<script", "<img"))
    assert page.count("<details>") == 2 and "Rows of other splits than train pass unchanged" in page
    assert "2.5 min" in page
