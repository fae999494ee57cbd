"""A picture by a candidate of a run, without its recipe."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.fixtures.command import workbench
from workbench.run.history import finished
from workbench.store.store import Store


def sample(place: Path, *arguments: str) -> dict:
    done = workbench("sample", *arguments, "--prompt", "red apple", "--store", "store", "--json", cwd=place)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_a_run_draws_what_its_recipe_does_without_it(own_run: Path, run_store: Store):
    pictures = []
    for i, asked in enumerate(
        (["small.yaml", "--candidate", "w8a8"], ["small/w8a8"], ["small@1", "--candidate", "w8a8"])
    ):
        assert sample(own_run, *asked, "-o", f"{i}.png")["candidate"] == "w8a8"
        pictures.append((own_run / f"{i}.png").read_bytes())
    assert pictures[0] == pictures[1] == pictures[2]
    chosen = finished(run_store, "small").choice.chosen
    assert sample(own_run, "small", "-o", "chosen.png")["candidate"] == chosen


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["small/w8a"], "did you mean small/w8a8?"),
        (["small/w8a8", "--candidate", "base"], "small/w8a8 names one already"),
        (["small.yaml"], "--candidate: is missing"),
        (["small@2"], "small@2: no such file"),
        (["smal/w8a8"], "has no run 'smal'; did you mean small?"),
    ],
)
def test_bad_input_is_told_in_one_sentence(small_run: Path, asked: list[str], says: str):
    done = workbench("sample", *asked, "--prompt", "x", "-o", "x.png", "--store", "store", cwd=small_run)
    assert done.exit_code == 2 and says in done.stderr


def test_a_file_of_the_same_name_is_the_recipe(own_run: Path):
    shutil.copyfile(own_run / "small.yaml", own_run / "small")
    done = workbench("sample", "small", "--prompt", "x", "-o", "x.png", "--store", "store", cwd=own_run)
    assert done.exit_code == 2 and "--candidate: is missing" in done.stderr


def test_compare_and_profile_take_a_run_and_its_candidates(own_run: Path):
    quick = ("--component", "unet", "--threads", "1", "--store", "store", "--json")
    done = workbench("profile", "small", "--iterations", "3", "--min-seconds", "0", *quick, cwd=own_run)
    assert done.exit_code == 0, done.stderr
    few = ("--iterations", "8", "--min-seconds", "0", "--max-seconds", "1", "--no-layers")
    done = workbench("compare", "small@1/base", "small/pruned", *few, *quick, cwd=own_run)
    assert done.exit_code == 0 and list(json.loads(done.stdout)["components"]) == ["unet"], done.stderr
