"""What making a result took lies beside it: its own seconds, its own peak, and whether it went on from a checkpoint."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from workbench.store.memory import forget_peak, of_children, resident
from workbench.store.store import Store
from workbench.store.taken import LOOK_EVERY_S, every, read, watched

MUCH = 300_000_000


def _fill(_out: Path) -> dict[str, int]:
    return {"bytes": len(bytes(bytearray(MUCH)))}


def test_work_within_work_is_not_counted_twice(store: Store):
    def outer(_out: Path) -> dict[str, int]:
        store.compute("inner", lambda _out: time.sleep(0.3) or {})
        return {}

    store.compute("outer", outer)
    outer_took, inner_took = (read(store.root, key) for key in ("outer", "inner"))
    assert outer_took and inner_took
    assert inner_took["seconds"] >= 0.3 > outer_took["seconds"]


@pytest.mark.skipif(not forget_peak(), reason="this system keeps one peak for the whole process")
def test_a_peak_is_that_of_its_own_stage(store: Store):
    def outer(_out: Path) -> dict[str, int]:
        return store.compute("large", _fill)

    store.compute("outer", outer)
    store.compute("small", lambda _out: {})
    peaks = {key: facts["peak_bytes"] for key, facts in every(store.root)}
    assert peaks["large"] > MUCH
    assert max(peaks["small"], peaks["outer"]) < peaks["large"] - 0.9 * MUCH


def test_children_count_while_they_live():
    script = f"x = bytearray({MUCH}); print(1, flush=True); import time; time.sleep(60)"
    with watched() as taken, subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
        assert child.stdout and child.stdout.readline()
        assert of_children() > MUCH
        time.sleep(3 * LOOK_EVERY_S)
        child.kill()
    assert taken.peak > MUCH + (resident() or 0) // 2


def test_a_stored_result_keeps_what_it_took_first(store: Store):
    store.compute("k", lambda _out: {})
    first = read(store.root, "k")
    store.compute("k", lambda _out: {})
    assert read(store.root, "k") == first and first and first["resumed"] is False


def test_work_that_goes_on_from_a_checkpoint_is_told(store: Store):
    def fails(out: Path) -> dict[str, int]:
        (out / "state").mkdir()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.compute("k", fails)
    assert read(store.root, "k") is None
    store.compute("k", lambda _out: {})
    assert (read(store.root, "k") or {})["resumed"] is True
