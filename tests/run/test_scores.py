"""What candidates are judged by: captions that no training saw, where there are any."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.data.captioned import captions
from workbench.recipe.schema import Recipe
from workbench.run.scores import evaluation_set


def recipe(**evaluate: object) -> Recipe:
    return Recipe.model_validate({"version": 1, "name": "x", "model": "demo", "evaluate": evaluate})


def test_held_out_captions_are_judged_by_and_others_are_drawn_after_them(demo: Path):
    seen, unseen = (set(captions(None, demo, split)) for split in ("train", "held_out"))
    drawn = evaluation_set(recipe(pictures=50, trained_pictures=10), demo)
    assert len(drawn.prompts) == 50 and set(drawn.prompts) <= unseen
    assert len(drawn.trained) == 10 and set(drawn.trained) <= seen
    assert drawn.drawn == [*drawn.prompts, *drawn.trained] and set(drawn.captions) == seen | unseen
    assert evaluation_set(recipe(pictures=50, trained_pictures=0), demo).prompts == drawn.prompts


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_where_all_captions_are_of_one_kind_nothing_stands_apart(split: str, tmp_path: Path, demo: Path):
    table = "\n".join(f"{i}.png,a cat {i},{split}" for i in range(5))
    (tmp_path / "metadata.csv").write_text(f"file_name,text,split\n{table}\n")
    for i in range(5):
        (tmp_path / f"{i}.png").write_bytes((demo.parents[2] / "docs" / "report.png").read_bytes())
    own = recipe(pictures=5).model_copy(update={"data": str(tmp_path)})
    drawn = evaluation_set(own, demo)
    assert sorted(drawn.prompts) == [f"a cat {i}" for i in range(5)] and drawn.trained == []


def test_a_file_of_prompts_is_all_there_is(tmp_path: Path, demo: Path):
    (tmp_path / "prompts.txt").write_text("a red fox\nan owl\n")
    drawn = evaluation_set(recipe(pictures=3, prompts=str(tmp_path / "prompts.txt")), demo)
    assert set(drawn.prompts) == {"a red fox", "an owl"} and len(drawn.prompts) == 3 and drawn.trained == ()
