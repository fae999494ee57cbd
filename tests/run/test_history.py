"""A finished run is read back as it was, without computing; what can't be is told in one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.fixtures.small_run import run
from workbench.errors import InputError
from workbench.models.record import candidate_of, read_record, states
from workbench.report.html import render
from workbench.run.history import FILE, finished, names
from workbench.store.store import Store


def test_the_page_of_a_run_that_was_read_back_is_the_same_to_the_byte(small_run: Path):
    found = finished(Store(small_run / "store"), "small")
    assert render(found.data, found.ranking).encode() == found.page.read_bytes()
    assert found.page.read_bytes() == (small_run / "reports" / "small.html").read_bytes()


def test_what_a_run_chose_made_and_drew_is_there_by_name(small_run: Path):
    found = finished(Store(small_run / "store"), "small")
    assert (found.name, [c.name for c in found.candidates]) == ("small@1", ["base", "pruned", "w8a8"])
    assert (found.choice.chosen, found.choice.target) == (found.ranking.chosen, found.ranking.target)
    assert found.choice.reason == found.ranking.decision
    for name, files in found.exports.items():
        assert set(files) == {"text_encoder", "unet", "vae_decoder"} and all(f.is_file() for f in files.values())
        scores = found.data.scores[name]
        assert scores["seed"] == 0 and len(scores["prompts"]) == len(scores["pictures"]) == 4
        assert all((found.data.pictures[name] / picture).is_file() for picture in scores["pictures"])
    assert found.candidate("w8a8") == candidate_of(Store(small_run / "store"), "small@1/w8a8")


def test_a_run_answers_wherever_its_store_is_moved(run_store: Store, tmp_path: Path):
    page = finished(run_store, "small").page.read_bytes()
    moved = Store(run_store.root.rename(tmp_path / "moved"))
    found = finished(moved, "small")
    assert render(found.data, found.ranking).encode() == page


def test_a_run_with_nothing_changed_is_no_new_one_and_an_earlier_one_stays(own_run: Path, run_store: Store):
    run(own_run)
    assert states(run_store, "small") == ["small@1"]
    before = finished(run_store, "small")
    run(own_run, "rank.maximize=speed")
    assert names(run_store) == ["small@1", "small@2"]
    assert finished(run_store, "small").name == "small@2"
    assert finished(run_store, "small").data.recipe.rank.maximize == "speed"
    assert finished(run_store, "small@1") == before


def test_what_a_run_reads_when_it_is_all_there_is_among_what_it_needs(own_run: Path, run_store: Store):
    """Alone with that, it computes nothing."""
    needs = set(read_record(run_store, "small").needs)
    there = {folder.name for folder in (run_store.root / "results").iterdir()}
    assert needs == there
    times = {key: (run_store.folder(key) / "result.json").stat().st_mtime_ns for key in there}
    run(own_run)
    assert times == {
        folder.name: (folder / "result.json").stat().st_mtime_ns for folder in (run_store.root / "results").iterdir()
    }


@pytest.mark.parametrize(
    ("name", "says", "hint"),
    [
        ("smal", r"has no run 'smal'; did you mean small\?", "it has: small"),
        ("small@3", r"has no run 'small@3'; did you mean small@1\?", "it has: small@1"),
    ],
)
def test_an_unknown_run_is_told_with_those_there_are(small_run: Path, name: str, says: str, hint: str):
    with pytest.raises(InputError, match=says) as caught:
        finished(Store(small_run / "store"), name)
    assert caught.value.hint == hint


def test_a_run_that_is_no_longer_in_the_store_is_told_with_how_much_is_gone(run_store: Store):
    gone = finished(run_store, "small").data.pictures["w8a8"]
    shutil.rmtree(gone)
    with pytest.raises(InputError, match=r"is no longer in the store .*: 1 of its \d+ results are gone\n  hint: run"):
        finished(run_store, "small")


def test_a_run_that_never_came_to_its_report_is_told_with_the_one_before(own_run: Path, run_store: Store):
    record = run_store.root / "runs" / "small.json"
    facts = json.loads(record.read_text())
    facts["candidates"][1]["key"] = "0" * 64
    record.write_text(json.dumps({**facts, "report": "", "needs": []}))
    with pytest.raises(InputError, match=r"hasn't come to a report\n  hint: the last that did is small@1; or run its"):
        finished(run_store, "small")
    run(own_run)
    assert finished(run_store, "small").name == "small@1"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda facts: facts | {"schema": 99}, "found version 99; needs 1"),
        (lambda facts: {k: v for k, v in facts.items() if k != "scores"}, "can't be read as a finished run .*scores"),
        (lambda facts: facts | {"recipe": {"version": 1}}, "can't be read as a finished run"),
        (lambda facts: [facts], "can't be read as a finished run"),
    ],
)
def test_a_run_that_another_version_wrote_or_that_is_damaged_is_refused(run_store: Store, change, says: str):
    file = finished(run_store, "small").folder / FILE
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    with pytest.raises(InputError, match=says):
        finished(run_store, "small")
