"""Candidates that were distilled to few steps, at every number of steps asked for."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

from workbench.models.candidate import Candidate, Component
from workbench.models.sources import demo_folder
from workbench.run.chain import at_steps


def _candidate(folder: Path, name: str, parent: str | None, width: int | None) -> Candidate:
    own = folder / name
    own.mkdir()
    shutil.copyfile(demo_folder() / "model_index.json", folder / "model_index.json")
    (own / "config.json").write_text(json.dumps({"time_cond_proj_dim": width}))
    return Candidate(name, name, folder, {"unet": Component("unet", "torch", own)}, parent=parent)


def test_each_count_makes_a_candidate_whose_parent_draws_as_many(tmp_path):
    base, few = _candidate(tmp_path, "base", None, None), _candidate(tmp_path, "few", "base", 256)
    file = Component("unet", "onnx", tmp_path / "model.onnx", "w8a16")
    small = replace(few, name="w8a16", parent="few", components={"unet": file}, configs={"unet": tmp_path / "few"})
    found = at_steps([base, replace(few, report={"steps": 9}, teacher="base"), small], [4, 1])
    assert [(c.name, c.parent, c.steps) for c in found] == [
        ("base", None, None),
        ("few-4steps", "base", 4),
        ("few-1step", "base", 1),
        ("w8a16-4steps", "few-4steps", 4),
        ("w8a16-1step", "few-1step", 1),
    ]
    assert [c.report for c in found[1:3]] == [{"steps": 9}, {}]
    assert {c.teacher for c in found[1:]} == {"base"}, "a quantized student is held against its teacher too"


def test_a_candidate_drawn_in_many_steps_after_one_drawn_in_few_has_a_parent_that_is_there(tmp_path):
    base, few = _candidate(tmp_path, "base", None, None), _candidate(tmp_path, "few", "base", 256)
    other = _candidate(tmp_path, "other", "few", None)
    found = at_steps([base, few, other], [4, 1])
    assert [(c.name, c.parent) for c in found[1:]] == [
        ("few-4steps", "base"),
        ("few-1step", "base"),
        ("other", "few-4steps"),
    ]
