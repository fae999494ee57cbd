"""Data sets as a recipe declares them: what is refused before anything is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from workbench.data.check_sets import set_problems, source_problems
from workbench.data.sets import DataSet


def sets(*declared: dict[str, Any]) -> list[DataSet]:
    return [DataSet.model_validate(one) for one in declared]


def test_a_sound_chain_has_no_problems(tmp_path):
    (tmp_path / "prompts.txt").write_text("a cat\n")
    chain = sets(
        {"name": "raw", "from": "demo"},
        {"name": "clean", "from": "raw", "deduplicate": {"distance": 4}, "min_side": 300, "crop": "best_of_3"},
        {"name": "drawn", "synthesize": {"prompts": str(tmp_path / "prompts.txt"), "count": 64, "from": "base"}},
        {"name": "all", "join": ["clean", "drawn"], "curate": {"keep": 0.8}},
    )
    assert list(set_problems(chain)) == []
    assert [one.needs_scorer for one in chain] == [False, True, False, True]
    assert [one.teacher for one in chain] == [None, None, "base", None]


@pytest.mark.parametrize(
    ("declared", "location", "says"),
    [
        ({"name": "b", "from": "rav"}, ("data_sets", 1, "from"), "no such set, folder or file .* did you mean raw"),
        ({"name": "b", "join": ["raw", "x"]}, ("data_sets", 1, "join", 1), "found 'x', no such set; needs raw$"),
        ({"name": "b", "join": ["raw", "raw"]}, ("data_sets", 1, "join", 1), "twice"),
        ({"name": "raw", "from": "demo"}, ("data_sets", 1, "name"), "the name of data_sets.0"),
        ({"name": "demo", "from": "raw"}, ("data_sets", 1, "name"), "embedded pictures"),
        ({"name": "data", "from": "raw"}, ("data_sets", 1, "name"), "recipe's own pictures"),
        ({"name": "b", "from": "dat"}, ("data_sets", 1, "from"), "has raw, demo, data; did you mean data"),
        ({"name": "b", "from": "b"}, ("data_sets", 1, "from"), "in a circle: b → b"),
        (
            {"name": "b", "from": "raw", "captions": {"file": "nowhere.jsonl"}},
            ("data_sets", 1, "captions", "file"),
            "no such file",
        ),
        (
            {"name": "b", "synthesize": {"prompts": {"captions_of": "r"}}},
            ("data_sets", 1, "synthesize", "prompts", "captions_of"),
            "found 'r', no such set",
        ),
    ],
)
def test_a_wrong_name_or_file_is_reported_with_its_location(declared, location, says):
    import re

    problems = list(set_problems(sets({"name": "raw", "from": "demo"}, declared)))
    assert [where for where, _ in problems] == [location]
    assert re.search(says, problems[0][1])


def test_sets_that_need_each_other_are_a_circle_and_one_declared_too_late_is_not():
    circle = dict(set_problems(sets({"name": "a", "from": "b"}, {"name": "b", "from": "a"})))
    assert circle.keys() == {("data_sets", 0, "from")} and "a → b → a" in circle["data_sets", 0, "from"]
    late = dict(set_problems(sets({"name": "a", "from": "b"}, {"name": "b", "from": "demo"})))
    assert "comes later (data_sets.1)" in late["data_sets", 0, "from"]


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ({}, "one of from, join and synthesize"),
        ({"from": "demo", "join": ["a", "b"]}, "one of from, join and synthesize"),
        ({"from": "demo", "captions": {"template": "a picture"}}, "needs {} once"),
        ({"from": "demo", "captions": {"template": "{} and {}"}}, "needs {} once"),
        ({"from": "demo", "captions": {"template": ["a {}", "{0.__class__}"]}}, "needs {} once"),
        ({"from": "demo", "captions": {"template": "a {"}}, "braces don't match"),
        ({"from": "demo", "captions": {}}, "one of template and file"),
        ({"from": "demo", "curate": {"keep": 0}}, "greater than 0"),
        ({"from": "demo", "curate": {"keep": 0.5, "least": 0.1}}, "one of keep and least"),
        ({"from": "demo", "crop": "best"}, "best_of_3"),
        ({"from": "demo", "minside": 3}, "minside"),
        ({"synthesize": {"prompts": {"templates": ["a cat"]}}}, "needs names in braces"),
        ({"synthesize": {"prompts": {"templates": ["a {}"]}}}, "needs names in braces"),
        ({"synthesize": {"prompts": {"templates": ["a {thing}"], "words": {"thin": ["x"]}}}}, "no words for thing"),
    ],
)
def test_settings_that_make_no_sense_are_refused(declared, says):
    with pytest.raises(ValidationError, match=says):
        DataSet.model_validate({"name": "a", **declared})


def test_a_folder_without_captions_and_a_model_without_scorer_are_reported(tmp_path: Path, demo: Path):
    (tmp_path / "pictures").mkdir()
    chain = sets(
        {"name": "raw", "from": str(tmp_path / "pictures")}, {"name": "best", "from": "raw", "curate": {"keep": 0.5}}
    )
    problems = dict(source_problems(chain, demo, has_scorer=False))
    assert "0 pictures and no captions there" in problems["data_sets", 0, "from"]
    assert problems["data_sets", 1, "curate"] == "needs a scorer, and this model brings none; drop the key"
    assert list(source_problems(chain[1:], demo, has_scorer=True)) == []


def test_without_a_scorer_each_key_that_needs_one_is_reported_with_what_to_do(demo: Path):
    chain = sets({"name": "best", "from": "demo", "crop": "best_of_3", "curate": {"keep": 0.5}})
    assert dict(source_problems(chain, demo, has_scorer=False)) == {
        (
            "data_sets",
            0,
            "crop",
        ): "best_of_3 needs a scorer, and this model brings none; use crop: centre, or drop the key",
        ("data_sets", 0, "curate"): "needs a scorer, and this model brings none; drop the key",
    }


def test_a_folder_in_another_encoding_is_reported_at_its_set(tmp_path: Path, demo: Path):
    (tmp_path / "metadata.jsonl").write_bytes('{"file_name": "a.png", "text": "caf\xe9"}\n'.encode("latin-1"))
    problems = dict(source_problems(sets({"name": "raw", "from": str(tmp_path)}), demo, has_scorer=True))
    assert problems.keys() == {("data_sets", 0, "from")}
    assert problems["data_sets", 0, "from"].startswith(f"{tmp_path / 'metadata.jsonl'}:1: not UTF-8")


def test_the_recipes_own_pictures_are_looked_for_in_its_folder_then_in_the_model(tmp_path: Path, demo: Path):
    chain = sets({"name": "raw", "from": "data"}, {"name": "again", "from": "data"})
    assert list(set_problems(chain)) == list(source_problems(chain, demo, has_scorer=True)) == []
    bare = tmp_path / "bare"
    bare.mkdir()
    problems = set(source_problems(chain, bare, has_scorer=True))
    assert problems == {(("data",), "this model brings no captioned pictures; name a folder of captioned pictures")}
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "a.png").write_bytes(b"")
    (mine / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "a"}\n')
    assert list(source_problems(chain, bare, has_scorer=True, data=str(mine))) == []
