"""The store: a result is whole or absent, a failure is never one, keys follow what matters."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workbench.errors import InputError
from workbench.store.files import hash_file, write_atomic
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
    (store.root / "work" / key / "half.safetensors").write_text("half written")
    assert store.compute(key, lambda out: {"found": (out / "state" / "half").read_text()}) == {"found": "half way"}
    assert [file.name for file in store.folder(key).iterdir()] == ["result.json"]


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


def test_what_a_killed_write_left_is_overwritten_by_the_next(tmp_path: Path):
    (tmp_path / ".result.json.part").write_text("a longer text that was never whole")
    write_atomic(tmp_path / "result.json", "new")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("result.json", "new")]


def test_writers_of_one_file_at_once_leave_one_whole_text_and_no_litter(tmp_path: Path):
    texts = [letter * 100_000 for letter in "abcdefgh"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: write_atomic(tmp_path / "result.json", text), texts * 5))
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"] and (tmp_path / "result.json").read_text() in texts


def _made(store: Store) -> Path:
    def work(out: Path):
        (out / "unet").mkdir()
        (out / "unet" / "w").write_bytes(b"weights")
        return {"value": 1}

    store.compute("k", work)
    return store.folder("k")


DAMAGES = {
    "a flipped byte": lambda folder: (folder / "unet" / "w").write_bytes(b"weighst"),
    "a file cut short": lambda folder: (folder / "unet" / "w").write_bytes(b""),
    "a missing file": lambda folder: (folder / "unet" / "w").unlink(),
    "a file too many": lambda folder: (folder / "other").write_bytes(b""),
    "a record cut short": lambda folder: (folder / "result.json").write_bytes(
        (folder / "result.json").read_bytes()[:-9]
    ),
    "a record of something else": lambda folder: (folder / "result.json").write_text("[]"),
    "a record with another number": lambda folder: (folder / "result.json").write_text(
        (folder / "result.json").read_text().replace('"value": 1', '"value": 2')
    ),
    "a record that is deeper than can be read": lambda folder: (folder / "result.json").write_text("[" * 100_000),
    "no record": lambda folder: (folder / "result.json").unlink(),
    "a record that is a folder": lambda folder: (
        (folder / "result.json").unlink(),
        (folder / "result.json").mkdir(),
    ),
    "another result in its place": lambda folder: (
        Store(folder.parent.parent).compute("other", lambda _: {"value": 2}),
        shutil.rmtree(folder),
        folder.with_name("other").rename(folder),
    ),
    "a file in its place": lambda folder: (folder.rename(folder.with_name("other")), folder.write_text("")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_result_is_set_aside_said_and_made_again(store: Store, capsys, damage: str):
    DAMAGES[damage](_made(store))
    again = Store(store.root)
    assert again.get("k") is None
    assert str(store.folder("k")) in capsys.readouterr().err
    assert [folder.name for folder in (store.root / "damaged").iterdir()] == ["k.0"]
    assert (_made(again) / "unet" / "w").read_bytes() == b"weights" and Store(store.root).get("k") == {"value": 1}


def test_a_sound_result_is_hashed_once_in_a_run(store: Store):
    folder = _made(store)
    again = Store(store.root)
    assert again.get("k") == {"value": 1}
    (folder / "unet" / "w").write_bytes(b"weighst")
    assert again.get("k") == {"value": 1} and Store(store.root).get("k") is None


def test_damaged_hashes_are_said_and_made_again(store: Store, tmp_path: Path, capsys, monkeypatch):
    file = tmp_path / "w"
    file.write_text("weights")
    first = store.folder_hash(tmp_path, [file])
    os.utime(file, (0, 0))
    monkeypatch.setattr("workbench.store.store.RACY_NS", 0)
    store.folder_hash(tmp_path, [file])
    kept = (store.root / "hashes.json").read_text()
    assert str(file) in kept
    for damage in ('{"', "[]", '{"marks": 5}', kept.replace(hash_file(file), "0" * 64)):
        (store.root / "hashes.json").write_text(damage)
        assert store.folder_hash(tmp_path, [file]) == first
        assert "hashes.json" in capsys.readouterr().err


def test_a_file_rewritten_within_its_time_stamp_is_hashed_again(store: Store, tmp_path: Path):
    file = tmp_path / "w"
    file.write_text("weights")
    stat = file.stat()
    first = store.folder_hash(tmp_path, [file])
    file.write_text("weighst")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert store.folder_hash(tmp_path, [file]) != first


def test_files_and_folders_are_on_the_disk_before_a_result_is_final(store: Store, monkeypatch):
    """As the system sees it: every file and folder is synced before the rename, the folder of results after it."""
    seen: list[str] = []
    fsync = os.fsync
    replace = Path.replace
    monkeypatch.setattr(
        os, "fsync", lambda fd: (seen.append(str(Path(f"/proc/self/fd/{fd}").readlink())), fsync(fd))[1]
    )
    monkeypatch.setattr(Path, "replace", lambda self, to: (seen.append(f"rename {self}"), replace(self, to))[1])
    folder = _made(store)
    work = store.root / "work" / "k"
    last = seen.index(f"rename {work}")
    assert {str(work / "unet" / "w"), str(work / "unet"), str(work)} <= set(seen[:last])
    assert str(folder.parent) in seen[last:]
