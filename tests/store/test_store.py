"""The store: a result is whole or absent, a failure is never one, keys follow what matters."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.errors import InputError
from workbench.store.files import write_atomic
from workbench.store.store import Store, key_of


def test_a_result_is_computed_once(store: Store):
    calls = []

    def work(out: Path):
        calls.append(out)
        (out / "file").write_text("made")
        return {"value": 1}

    key = key_of({"a": 1})
    assert store.get(key) is None
    assert store.compute(key, work) == store.compute(key, work) == {"value": 1}
    assert len(calls) == 1 and (store.folder(key) / "file").read_text() == "made"


def test_a_failure_is_not_stored_and_its_state_is_there_at_the_next_try(store: Store):
    key = key_of({"b": 1})

    def fails(out: Path):
        (out / "state").mkdir()
        (out / "state" / "half").write_text("half way")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.compute(key, fails)
    assert store.get(key) is None
    assert store.compute(key, lambda out: {"found": (out / "state" / "half").read_text()}) == {"found": "half way"}
    assert not (store.folder(key) / "state").exists()


def test_keys_depend_on_values_not_on_order():
    assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1}) != key_of({"a": 1, "b": [3]})


def test_a_changed_file_changes_the_folder_hash_and_a_moved_folder_does_not(store: Store, tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "w").write_text("weights")
    first = store.folder_hash(tmp_path / "one", [tmp_path / "one" / "w"])
    assert first == store.folder_hash(tmp_path / "two", [tmp_path / "two" / "w"])
    (tmp_path / "one" / "w").write_text("others!!")
    assert store.folder_hash(tmp_path / "one", [tmp_path / "one" / "w"]) != first


def test_a_second_run_on_the_same_store_is_refused(store: Store):
    with store.lock(), pytest.raises(InputError, match="another run"), Store(store.root).lock():
        pass
    with Store(store.root).lock():
        pass


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path):
    target = tmp_path / "result.json"
    write_atomic(target, "old")
    with pytest.raises(TypeError):
        write_atomic(target, 5)  # what is no text or bytes can't be written
    assert target.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["result.json"]
