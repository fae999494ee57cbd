"""A check says whether profiles are in the store, and why they will be measured."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest

from workbench.recipe.load import load_recipe
from workbench.recipe.plan_profiles import measured_parts, note, state
from workbench.store.store import Store, key_of


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "r.yaml").write_text("version: 1\nname: x\nmodel: demo\nprofile: {iterations: 3}\n")
    return measured_parts(load_recipe(tmp_path / "r.yaml", []).recipe, [("base", "k0"), ("w8a8", "k1")], "unet")


def test_what_was_measured_is_found_in_a_copied_store_too(store: Store, parts: dict[str, Any], tmp_path: Path):
    assert state(store, "x", parts) == "will be measured"
    store.compute(key_of(parts), lambda _out: {})
    shutil.copytree(store.root, tmp_path / "copy")
    assert state(store, "x", parts) == state(Store(tmp_path / "copy"), "x", parts) == "stored"


@pytest.mark.parametrize(
    ("part", "change", "reason"),
    [
        ("host", {"cores_usable": 999}, "cores_usable was 999, is"),
        ("libraries", {"torch": "1.0"}, "torch was 1.0, is"),
        ("config", {"iterations": 7}, "iterations was 7, is 3"),
        ("candidates", [["base", "k0"], ["w8a8", "other"]], "changed (w8a8)"),
        ("candidates", [["base", "k0"], ["w8a8", "k1"], ["w4a16", "k2"]], "more candidates"),
        ("code", "0", "code"),
        ("seed", 9, "seed"),
    ],
)
def test_the_reason_is_what_has_changed_since(store: Store, parts: dict[str, Any], part: str, change: Any, reason: str):
    before = copy.deepcopy(parts)
    before[part] = before[part] | change if isinstance(change, dict) else change
    note(store, "x", before)
    said = state(store, "x", parts)
    assert said.startswith("will be measured again") and reason in said and ";" not in said


def test_a_damaged_note_is_no_reason(store: Store, parts: dict[str, Any]):
    note(store, "x", parts)
    (store.root / "measured" / "x.json").write_text('["')
    assert state(store, "x", parts) == "will be measured"
