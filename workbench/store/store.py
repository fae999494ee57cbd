"""A content-addressed store: a result is stored under the key of everything that it depends on.

Work happens in ``work/KEY`` (kept after a crash, so that long steps resume) and is renamed to ``results/KEY`` at the
very end. A failure never becomes a result.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.errors import InputError
from workbench.progress import warn
from workbench.store.files import check_writable, hash_file, hashes, sync, sync_tree, write_atomic

RESULT = "result.json"
SCHEMA = 1
"""Of ``result.json``: the hash of every file of the result, and what the work returned."""
RACY_NS = 2_000_000_000
"""A file changed this shortly before hashing can change again within the same time stamp."""


def key_of(parts: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical JSON of ``parts``, everything that a result depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Store:
    """The folder of results (default ``.workbench`` under the current folder, or ``$WORKBENCH_STORE``)."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = Path(root or os.environ.get("WORKBENCH_STORE") or ".workbench").absolute()
        self._read: dict[str, dict[str, Any]] = {}

    def folder(self, key: str) -> Path:
        """The folder of the finished result of ``key``."""
        return self.root / "results" / key

    def has(self, key: str) -> bool:
        """Whether the result of ``key`` was finished; its files aren't looked at."""
        return (self.folder(key) / RESULT).is_file()

    def get(self, key: str) -> dict[str, Any] | None:
        """The result of ``key``, or None when it was never finished.

        Its files are hashed on the first read by this process. If they aren't what was stored, the result is reported,
        moved to ``damaged/`` and counts as never made.
        """
        if not self.has(key):
            return None
        if key not in self._read:
            try:
                record = json.loads((self.folder(key) / RESULT).read_bytes())
                stored, result = record["files"], dict(record["result"])
                files = {name: digest for name, digest in hashes(self.folder(key)).items() if name != RESULT}
            except (OSError, ValueError, KeyError, TypeError) as error:
                self._set_aside(key, f"{RESULT}: {type(error).__name__}: {error}")
                return None
            if files != stored:
                wrong = min(name for name in files.keys() | stored.keys() if files.get(name) != stored.get(name))
                self._set_aside(key, f"{wrong} isn't what was stored")
                return None
            self._read[key] = result
        return dict(self._read[key])

    def _set_aside(self, key: str, why: str) -> None:
        damaged = self.root / "damaged"
        damaged.mkdir(exist_ok=True)
        self.folder(key).replace(damaged / f"{key}.{len(list(damaged.glob(f'{key}*')))}")
        warn(f"{self.folder(key)}: {why}; it was moved to {damaged} and is made again")

    def compute(self, key: str, work: Callable[[Path], Mapping[str, Any]], together: bool = False) -> dict[str, Any]:
        """The stored result of ``key``; else ``work(folder)`` makes it, and its return value is stored with its files.

        After a crash ``folder`` is the same again; its subfolder ``state`` (checkpoints) isn't part of the result.
        ``together``: all processes that were started together have to do the work (see ``Follower``).
        """
        if (stored := self.get(key)) is not None:
            return stored
        folder, target = self.root / "work" / key, self.folder(key)
        folder.mkdir(parents=True, exist_ok=True)
        result = dict(work(folder))
        shutil.rmtree(folder / "state", ignore_errors=True)
        (folder / RESULT).unlink(missing_ok=True)  # of an attempt that died between here and the renaming
        record = {"schema": SCHEMA, "files": hashes(folder), "result": result}
        write_atomic(folder / RESULT, json.dumps(record, indent=1))
        sync_tree(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.replace(target)
        sync(target.parent)
        self._read[key] = json.loads(json.dumps(result))
        return dict(self._read[key])

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Locks the store for one run; a second run is refused instead of working in the same folders."""
        check_writable({self.root: "--store"})
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(
                    f"{self.root}: another run is using this store", hint="wait for it, or use --store"
                ) from None
            yield

    def folder_hash(self, folder: Path, files: Iterable[Path]) -> str:
        """SHA-256 over names and contents of ``files`` in ``folder``; a file is read again only if its mark changed."""
        cache_file = self.root / "hashes.json"
        cache = _marks(cache_file)
        digest, changed = hashlib.sha256(), False
        for file in sorted(files):
            stat, path = file.stat(), str(file.absolute())
            mark = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
            known = cache.get(path)
            if known is None or known[:-1] != mark:
                known = [*mark, hash_file(file)]
                if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > RACY_NS:
                    cache[path] = known
                    changed = True
            digest.update(f"{file.relative_to(folder)}\0{known[-1]}\n".encode())
        if changed:
            write_atomic(cache_file, json.dumps(cache))
        return digest.hexdigest()


def _marks(file: Path) -> dict[str, list[Any]]:
    """Hashes of files by path, each with the file's size, times and inode; empty where the cache is damaged."""
    try:
        marks = json.loads(file.read_bytes())
        return {path: mark for path, mark in marks.items() if isinstance(mark, list) and len(mark) == 5}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError):
        warn(f"{file}: is damaged; the files are hashed again")
        return {}
