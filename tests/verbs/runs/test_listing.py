"""What was done so far, from what the store holds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.fixtures.command import workbench
from tests.fixtures.small_run import run
from workbench.run.history import finished
from workbench.store.store import Store


def test_every_run_is_listed_with_its_choice_and_its_figures(own_run: Path, run_store: Store):
    run(own_run, "rank.maximize=speed")
    done = workbench("runs", "--store", "store", "--json", cwd=own_run)
    rows = json.loads(done.stdout)
    assert {row["run"]: row["latest"] for row in rows} == {"small@2": True, "small@1": False}
    found = finished(run_store, "small@2")
    (row,) = (row for row in rows if row["run"] == "small@2")
    profile = found.data.profiles["host", found.choice.chosen]
    assert row["latency_ms"] == profile["pipeline"]["latency_ms"]["median"]
    assert row["size_bytes"] == profile["size_bytes"] and row["disk_bytes"] > row["alone_bytes"] > 0
    shown = workbench("runs", "--store", "store", cwd=own_run).stdout
    assert "small@1" in shown and f"{found.date[:10]}" in shown and str(found.choice.chosen) in shown


def test_a_run_that_can_not_be_read_is_listed_with_why_beside_the_others(own_run: Path, run_store: Store):
    run(own_run, "rank.maximize=speed")
    shutil.rmtree(finished(run_store, "small@1").folder)
    rows = json.loads(workbench("runs", "--store", "store", "--json", cwd=own_run).stdout)
    problems = {row["run"]: row["problem"] for row in rows}
    assert problems["small@2"] == "" and "is no longer in the store" in problems["small@1"]
    assert "\nsmall@1: is no longer" in workbench("runs", "--store", "store", cwd=own_run).stdout


def test_one_run_is_shown_with_its_candidates_and_where_its_files_lie(small_run: Path):
    store = Store(small_run / "store")
    found = finished(store, "small")
    facts = json.loads(workbench("runs", "show", "small", "--store", "store", "--json", cwd=small_run).stdout)
    assert [row["candidate"] for row in facts["candidates"]] == ["base", "pruned", "w8a8"]
    assert facts["report"] == str(found.page) and facts["chosen"] == found.choice.chosen
    assert Path(facts["exports"]["w8a8"]["unet"]).is_file()
    text = workbench("runs", "show", "small@1", "--store", "store", cwd=small_run).stdout
    assert found.choice.reason in text and "w8a8" in text


def test_a_store_without_runs_says_how_to_make_one(tmp_path: Path):
    assert "workbench run RECIPE.yaml makes one" in workbench("runs", cwd=tmp_path).stdout
    done = workbench("runs", "show", "x", cwd=tmp_path)
    assert done.exit_code == 2 and "it has none" in done.stderr
