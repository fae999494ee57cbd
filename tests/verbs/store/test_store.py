"""The store says what takes its space, lets go only of what no kept run needs, and finds what is damaged."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.fixtures.command import workbench
from tests.fixtures.shared import Shared
from tests.fixtures.small_run import NAME, run
from workbench.models.record import read_record, states
from workbench.run.history import finished
from workbench.run.kept import entries, needs
from workbench.store.store import Store

DAY = 86_400


def answer(place: Path, *arguments: str) -> dict:
    done = workbench(*arguments, "--store", "store", "--json", cwd=place)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def aged(store: Store, days: float) -> None:
    then = time.time() - days * DAY
    for file in store.root.rglob("*"):
        os.utime(file, (then, then))


@pytest.fixture
def three(small_run: Path, shared: Shared, tmp_path: Path) -> Path:
    """A store with ``small@1``; ``small@2``, that drew other pictures; and ``other@1``, of another name."""

    def make(place: Path) -> None:
        shutil.copytree(small_run, place)
        run(place, "evaluate.pictures=3")
        (place / "other.yaml").write_text((place / f"{NAME}.yaml").read_text().replace("name: small", "name: other"))
        run(place, "evaluate.pictures=5", name="other")

    return shutil.copytree(shared.made("three_runs", make), tmp_path / "three")


def test_what_takes_the_space_adds_up_by_kind_and_each_run_has_its_part(three: Path):
    run_store = Store(three / "store")
    found = answer(three, "store")
    results = sum(entry.size for entry in entries(run_store))
    assert sum(kind["bytes"] for kind in found["kinds"].values()) == results < found["bytes"]
    assert {"prune", "quantize", "export", "evaluate", "profile", "publish"} <= set(found["kinds"])
    assert list(found["runs"]) == ["other@1", "small@1", "small@2"] and found["unneeded"] == {"results": 0, "bytes": 0}
    for part in found["runs"].values():
        assert 0 < part["alone_bytes"] < part["bytes"] <= results


def test_kept_runs_answer_after_a_clean_without_computing(three: Path):
    run_store = Store(three / "store")
    pages = {name: finished(run_store, name).page.read_bytes() for name in ("small@2", "other")}
    alone = needs(run_store)["small@1"] - needs(run_store)["small@2"] - needs(run_store)["other@1"]
    before, asked = set(needs(run_store)["small@1"]), ("store", "clean", "--forget", "small@1")
    would = answer(three, *asked, "--dry-run")
    assert {one["key"] for one in would["results"]} == alone and alone < before
    assert states(run_store, "small") == ["small@1", "small@2"] and all(run_store.has(key) for key in before)
    assert answer(three, *asked) == would | {"dry_run": False}
    assert states(run_store, "small") == ["small@2"] and not any(run_store.has(key) for key in alone)
    assert {name: finished(Store(run_store.root), name).page.read_bytes() for name in pages} == pages
    made = {entry.key: entry.made for entry in entries(run_store)}
    run(three, "evaluate.pictures=3")
    run(three, "evaluate.pictures=5", name="other")
    assert {entry.key: entry.made for entry in entries(run_store)} == made


def test_only_what_is_old_enough_goes_and_never_what_a_run_needs(own_run: Path, run_store: Store):
    run_store.compute("idle", lambda out: (out / "file").write_text("x" * 1000) and {})
    assert answer(own_run, "store", "clean")["results"] == []
    aged(run_store, days=8)
    (gone,) = answer(own_run, "store", "clean")["results"]
    assert gone["key"] == "idle" and gone["bytes"] > 1000
    finished(run_store, "small")


def test_earlier_runs_go_when_asked_and_the_latest_of_each_name_stays(three: Path):
    run_store = Store(three / "store")
    found = answer(three, "store", "clean", "--earlier", "--older-than", "0d")
    assert found["runs"] == ["small@1"] and found["results"]
    assert (finished(run_store, "small").name, finished(run_store, "other").name) == ("small@2", "other@1")


def test_a_store_is_made_as_small_as_asked_or_it_is_said_that_its_runs_need_more(own_run: Path, run_store: Store):
    for i in range(3):
        run_store.compute(f"idle{i}", lambda out: (out / "file").write_bytes(bytes(1_000_000)) and {})
        aged(Store(run_store.folder(f"idle{i}")), days=3 - i)
    whole = answer(own_run, "store")["bytes"]
    found = answer(own_run, "store", "clean", "--to", f"{(whole - 1_500_000) / 1e6}MB")
    assert [one["key"] for one in found["results"]] == ["idle0", "idle1"]
    done = workbench("store", "clean", "--to", "1kB", "--store", "store", cwd=own_run)
    assert done.exit_code == 1 and "its runs need it" in done.stderr and not run_store.has("idle2")
    finished(run_store, "small")


def test_work_that_was_begun_goes_by_age_alone(own_run: Path, run_store: Store):
    state = run_store.root / "work" / "k" / "state"
    state.mkdir(parents=True)
    (state / "checkpoint").write_bytes(bytes(100))
    assert answer(own_run, "store", "clean")["folders"] == [] and answer(own_run, "store")["unfinished"]["results"] == 1
    aged(run_store, days=8)
    assert answer(own_run, "store", "clean")["folders"] == [{"folder": str(state.parent), "bytes": 100}]
    assert not state.parent.exists()


def test_a_run_that_is_not_finished_keeps_what_it_has_made(own_run: Path, run_store: Store):
    record = run_store.root / "runs" / "small.json"
    facts = json.loads(record.read_text())
    (run_store.root / "runs" / "small@1.json").unlink()
    record.write_text(json.dumps({**facts, "report": "", "needs": []}))
    answer(own_run, "store", "clean", "--older-than", "0d")
    made = read_record(run_store, "small").candidates[1:]
    assert all(run_store.has(candidate.key) for candidate in made)
    assert all(component.path.exists() for candidate in made for component in candidate.components.values())


def test_verify_names_the_file_that_is_not_what_was_stored(own_run: Path, run_store: Store):
    count = len(entries(run_store))
    assert answer(own_run, "store", "verify") == {"sound": count} == answer(own_run, "store", "verify", "small")
    file = next((own_run / "store").glob("results/*/unet/diffusion_pytorch_model.safetensors"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    done = workbench("store", "verify", "--store", "store", cwd=own_run)
    assert done.exit_code == 1 and f"{file}: isn't what was stored" in done.stderr and file.exists()


def test_path_says_where_a_component_lies(own_run: Path, run_store: Store):
    w8a8 = finished(run_store, "small").candidate("w8a8").components
    assert answer(own_run, "store", "path", "small/w8a8/unet") == {"path": str(w8a8["unet"].path)}
    assert answer(own_run, "store", "path", "small@1/pruned/vae_decoder") == {"path": str(w8a8["vae_decoder"].path)}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("path", "small/w8a8"), "needs RUN/CANDIDATE/COMPONENT"),
        (("path", "small/w8a/unet"), "did you mean small/w8a8?"),
        (("path", "small/w8a8/unit"), "did you mean unet?"),
        (("clean", "--older-than", "7"), "--older-than: found '7'; needs an age"),
        (("clean", "--to", "much"), "--to: found 'much'; needs a size"),
        (("clean", "--forget", "smal"), "did you mean small?"),
        (("verify", "smal"), "did you mean small?"),
    ],
)
def test_bad_input_is_told_in_one_sentence(small_run: Path, arguments: tuple[str, ...], says: str):
    done = workbench("store", *arguments, "--store", "store", cwd=small_run)
    assert done.exit_code == 2 and says in done.stderr and "Traceback" not in done.stderr


def test_a_record_that_can_not_be_read_stops_a_clean_unless_it_is_forgotten(own_run: Path, run_store: Store):
    shutil.copyfile(run_store.root / "runs" / "small.json", run_store.root / "runs" / "bad.json")
    (run_store.root / "runs" / "bad.json").write_text("{}")
    done = workbench("store", "clean", "--store", "store", cwd=own_run)
    assert done.exit_code == 2 and "bad.json: not a run's record" in done.stderr
    assert answer(own_run, "store", "clean", "--forget", "bad")["runs"] == ["bad"]
    assert not (run_store.root / "runs" / "bad.json").exists()
