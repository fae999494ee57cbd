"""Temporary files lie in the store, and nothing of them stays: not after an error, an interrupt, or a kill."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from workbench.store.scratch import LOCK, locked
from workbench.store.store import Store


def left(store: Store) -> list[str]:
    return [entry.name for entry in (store.root / "tmp").iterdir() if entry.name != LOCK]


def test_a_run_keeps_its_temporary_files_in_the_store_and_so_do_its_children(store: Store):
    before = tempfile.gettempdir(), os.environ.get("TMPDIR")
    with store.lock(), tempfile.TemporaryDirectory() as folder:
        ask = [sys.executable, "-c", "import tempfile; print(tempfile.gettempdir())"]
        child = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
        assert child == str(Path(folder).parent) and Path(child).parent == store.root / "tmp"
    assert left(store) == [] and (tempfile.gettempdir(), os.environ.get("TMPDIR")) == before


@pytest.mark.parametrize("ends_with", [ValueError, KeyboardInterrupt])
def test_a_run_that_fails_or_is_interrupted_leaves_none_and_no_children(store: Store, ends_with):
    with pytest.raises(ends_with), store.lock():
        child = subprocess.Popen(["sleep", "60"])
        (Path(tempfile.mkdtemp()) / "file").write_text("x")
        raise ends_with
    assert left(store) == []
    if ends_with is KeyboardInterrupt:
        assert child.poll() is not None
    child.kill()
    child.wait()


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_uses_stays(store: Store):
    killed = (
        "import os, signal, sys, tempfile; from pathlib import Path; from workbench.store.store import Store\n"
        "with Store(Path(sys.argv[1])).lock(): tempfile.mkdtemp(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", killed, store.root], check=False)
    (dead,) = left(store)
    (store.root / "tmp" / "living").mkdir()
    with locked(store.root / "tmp" / "living" / LOCK):
        with store.lock():
            assert "living" in left(store) and dead not in left(store)
        assert left(store) == ["living"]
    with store.lock():
        assert "living" not in left(store)
