"""A slice of the mutation campaign, of what needs no process of its own; always the same inputs."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from tests.campaigns import fuzz, mutants
from workbench.models.candidate import Candidate
from workbench.store.store import Store

SEED = 7


@pytest.mark.parametrize("number", range(40))
def test_a_mutated_recipe_is_taken_or_refused_with_its_place(tmp_path: Path, number: int):
    assert fuzz.recipe(tmp_path, random.Random(f"{SEED} {number}"), tmp_path) is None


@pytest.mark.parametrize("number", range(15))
def test_a_mutated_model_is_taken_or_refused_with_its_place(tmp_path: Path, tiny: Candidate, number: int):
    shutil.copytree(tiny.source, tmp_path / "tiny", copy_function=os.link)
    what, _, fault = fuzz.checked_model(tmp_path, random.Random(f"{SEED} {number}"))
    assert fault is None, what


@pytest.mark.parametrize("number", range(60))
def test_of_a_damaged_store_only_what_was_stored_is_given_out(store: Store, number: int):
    def work(out: Path) -> dict[str, str]:
        (out / "unet").mkdir()
        (out / "unet" / "config.json").write_text('{"width": 8}')
        (out / "unet" / "weights.safetensors").write_bytes(bytes(range(256)))
        return {"made": out.name}

    for key in ("a", "b", "c"):
        store.compute(key, work)
    before = {key: tree(store.folder(key)) for key in ("a", "b", "c")}
    rng = random.Random(f"{SEED} {number}")
    what = mutants.damage(rng.choice(sorted((store.root / "results").rglob("*"))), rng)

    again = Store(store.root)
    for key in before:
        if again.get(key) is not None:
            assert (again.get(key), tree(store.folder(key))) == ({"made": key}, before[key]), what
        assert again.compute(key, work) == {"made": key} and tree(store.folder(key)) == before[key], what


def tree(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
