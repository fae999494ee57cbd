"""The machine's speed: its ceilings where the store has them, else a stand-in that is measured once."""

from __future__ import annotations

from workbench.forecast.machine import CEILINGS, STAND_IN, machine, speed
from workbench.profile.ceilings import _key
from workbench.runtimes.base import DEFAULT, described
from workbench.store.processor import default_threads

REACHED = {"best": 77.0, "bytes": 1}


def test_without_ceilings_a_product_of_matrices_stands_in_and_is_kept_where_there_are_results(store):
    found = speed(store)
    assert found.of == STAND_IN and min(found.fp32, found.half, found.int8, found.memory) > 0
    assert not store.root.exists()
    store.compute("k", lambda _out: {})
    assert speed(store) == speed(store)
    (store.root / "forecast" / "found.json").write_text("{broken")
    assert speed(store).fp32 > 0


def test_ceilings_that_were_measured_are_used(store):
    ceilings = {"fp32": REACHED, "int8": None, "memory": [{"best": 11.0, "bytes": 9}, {"best": 99.0, "bytes": 1}]}
    store.compute(_key(described(DEFAULT), default_threads()), lambda _out: ceilings)
    found = speed(store)
    assert (found.fp32, found.int8, found.memory, found.of) == (77.0, 77.0, 11.0, CEILINGS)


def test_another_number_of_threads_is_another_machine(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    one = machine()
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert machine() != one
