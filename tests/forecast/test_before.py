"""A forecast takes what was measured before: the same stage as it was, another of its kind scaled, and else MACs."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.forecast.before import done, expect, remember
from workbench.forecast.cost import Cost, Pass, Passes, Speed
from workbench.store.files import write_sealed
from workbench.store.store import Store
from workbench.store.taken import FOLDER, keep, read

NETWORK = Pass(macs=10**9, written=0, alive=0, params=0, layers=1)
SPEED = Speed(fp32=100.0, half=100.0, int8=100.0, memory=50.0, of="a test")


def cost(passes: int) -> Cost:
    return Cost((Passes(NETWORK, passes),), memory=10**9)


def stored(store: Store, key: str, identity: str, passes: int, seconds: float, **more: object) -> None:
    store.compute(key, lambda _out: {})
    keep(store.root, key, {"seconds": seconds, "peak_bytes": 2 * 10**9, **more})
    remember(store, key, "evaluate", identity, cost(passes), "here")


def test_with_an_empty_store_it_is_from_macs(store):
    found = expect("evaluate", "a", cost(7), SPEED, done(store, "here"))
    assert (found.source, found.memory_bytes) == ("from MACs", 10**9)
    assert found.seconds == pytest.approx(cost(7).on(SPEED))


def test_the_same_stage_takes_what_it_took(store):
    stored(store, "k", "a", 7, 123.0)
    found = expect("evaluate", "a", cost(7), SPEED, done(store, "here"))
    assert (found.seconds, found.memory_bytes, found.source) == (123.0, 2 * 10**9, "measured before")


def test_another_of_its_kind_is_scaled_by_macs_and_passes(store):
    stored(store, "k", "a", 8, 3 * cost(8).on(SPEED))
    found = expect("evaluate", "b", cost(4), SPEED, done(store, "here"))
    assert found.source == "measured before" and found.memory_bytes == 2 * 10**9
    assert found.seconds == pytest.approx(3 * cost(4).on(SPEED))
    assert expect("export", "b", cost(4), SPEED, done(store, "here")).source == "from MACs"


def test_a_small_one_that_took_long_to_begin_says_little_of_a_large_one(store):
    stored(store, "k", "a", 1, 100 * cost(1).on(SPEED))
    large = expect("evaluate", "b", cost(10_000), SPEED, done(store, "here"))
    assert cost(10_000).on(SPEED) < large.seconds < 3 * cost(10_000).on(SPEED)


def test_other_machines_and_stages_that_went_on_from_a_checkpoint_say_nothing(store):
    stored(store, "k", "a", 7, 123.0, resumed=True)
    assert done(store, "here") == []
    stored(store, "l", "b", 7, 123.0)
    assert len(done(store, "here")) == 1 and done(store, "elsewhere") == []


def test_what_belongs_to_a_stage_counts_with_it_and_damaged_notes_are_left_out(store):
    stored(store, "k", "a", 7, 100.0, also=["metric", "never made"])
    keep(store.root, "metric", {"seconds": 11.0})
    (once,) = done(store, "here")
    assert once.seconds == 111.0
    file: Path = store.root / FOLDER / "k.json"
    file.write_text("{")
    assert done(store, "here") == [] and read(store.root, "k") is None
    write_sealed(file, {"stage": "evaluate", "machine": "here", "resumed": False, "cost": 3})
    assert done(store, "here") == []
    file.write_text(file.read_text().replace("here", "there"))
    assert read(store.root, "k") is None
