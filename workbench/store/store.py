"""A content-addressed store: a result is stored under the key of everything that it depends on.

Work happens in ``work/KEY`` (kept after a crash, so that long steps resume) and is renamed to ``results/KEY`` at the
very end. A failure never becomes a result.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from workbench.errors import InputError
from workbench.progress import warn
from workbench.store.files import check_writable, hash_file, hashes, sync, sync_tree, write_atomic
from workbench.store.memory import give_back
from workbench.store.scratch import LOCK, locked, remove, scratch
from workbench.store.taken import keep, watched

RESULT = "result.json"
SCHEMA = 3
"""Of ``result.json``: the key, the hash of every file of the result, what the work returned, and the hash of it all."""
RACY_NS = 2_000_000_000
"""A file changed this shortly before hashing can change again within the same time stamp."""


def key_of(parts: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical JSON of ``parts``, everything that a result depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Store:
    """The folder of results (default ``.workbench`` under the current folder, or ``$WORKBENCH_STORE``)."""

    def __init__(self, root: str | Path | None = None) -> None:
        self.root = Path(root or os.environ.get("WORKBENCH_STORE") or ".workbench").absolute()
        self._read: dict[str, dict[str, Any]] = {}
        self._noted: list[set[str]] = []

    @contextmanager
    def noted(self) -> Iterator[set[str]]:
        """Keys of all results that are read or made meanwhile: what is done meanwhile needs them."""
        keys: set[str] = set()
        self._noted.append(keys)
        try:
            yield keys
        finally:
            self._noted = [noted for noted in self._noted if noted is not keys]

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
        folder = self.folder(key)
        if not os.path.lexists(folder):
            return None
        if key not in self._read:
            record, wrong = self._checked(key)
            if wrong:
                damaged = self.root / "damaged"
                damaged.mkdir(exist_ok=True)
                folder.rename(damaged / f"{key}.{len(list(damaged.glob(f'{key}*')))}")
                warn(f"{folder}: {wrong} isn't what was stored; it was moved to {damaged} and is made again")
                return None
            self._read[key] = record["result"]
        self._note(key)
        return dict(self._read[key])

    def compute(self, key: str, work: Callable[[Path], Mapping[str, Any]], together: bool = False) -> dict[str, Any]:
        """The stored result of ``key``; else ``work(folder)`` makes it, and its return value is stored with its files.

        ``folder`` is empty but for its subfolder ``state`` (checkpoints), which stays when the work dies and isn't part
        of the result.
        ``together``: all processes that were started together have to do the work (see ``Follower``).
        """
        if (stored := self.get(key)) is not None:
            return stored
        folder, target = self.root / "work" / key, self.folder(key)
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.iterdir():  # by an attempt that was killed
            if left.name != "state":
                remove(left)
        resumed = (folder / "state").exists()
        with watched() as taken, redirect_stdout(sys.stderr):  # bars of libraries must not get into a verb's own output
            result = json.loads(json.dumps(dict(work(folder))))
        give_back()
        remove(folder / "state")
        write_atomic(folder / RESULT, json.dumps(_record(key, hashes(folder), result), indent=1))
        sync_tree(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        facts = {
            "by": _module(work),
            "seconds": taken.seconds,
            "cpu_seconds": taken.computed,
            "peak_bytes": taken.peak or None,
        }
        keep(self.root, key, {**facts, "disk_bytes": size, "resumed": resumed})
        folder.replace(target)
        sync(target.parent)
        self._read[key] = result
        self._note(key)
        return dict(result)

    def damage(self, key: str) -> str:
        """The first file of a result that isn't what was stored; "" where all are. All are read."""
        return self._checked(key)[1]

    def _checked(self, key: str) -> tuple[dict[str, Any], str]:
        """The record of a result, and its first file that isn't as it was stored."""
        folder, record = self.folder(key), dict[str, Any]()
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            kept = json.loads((folder / RESULT).read_bytes())
            record = kept if kept == _record(key, kept["files"], kept["result"]) else {}
        return record, _differing(folder, record["files"]) if record else RESULT

    def _note(self, key: str) -> None:
        for noted in self._noted:
            noted.add(key)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Locks the store for one run; a second run is refused instead of working in the same folders.

        Temporary files lie in the store meanwhile.
        """
        check_writable({self.root: "--store"})
        self.root.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            try:
                held.enter_context(locked(self.root / LOCK))
            except BlockingIOError:
                raise InputError(
                    f"{self.root}: another run is using this store", hint="wait for it, or use --store"
                ) from None
            held.enter_context(self.scratch())
            yield

    def scratch(self) -> AbstractContextManager[Path]:
        """A folder for temporary files: see ``scratch.scratch``."""
        return scratch(self.root / "tmp")

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
            write_atomic(cache_file, json.dumps({"marks": cache, "sha256": key_of(cache)}))
        return digest.hexdigest()


def _module(work: Callable[..., Any]) -> str:
    """The last word of the module whose function does the work."""
    return str(getattr(work, "func", work).__module__).rpartition(".")[2]


def _record(key: str, files: Mapping[str, str], result: Mapping[str, Any]) -> dict[str, Any]:
    record = {"schema": SCHEMA, "key": key, "files": files, "result": result}
    return record | {"sha256": key_of(record)}


def _differing(folder: Path, files: Mapping[str, str]) -> str:
    """The first file of a result that isn't as it was stored, or is missing, or one too many; "" where all are."""
    there = {name: digest for name, digest in hashes(folder).items() if name != RESULT}
    return min((name for name in there.keys() | files.keys() if there.get(name) != files.get(name)), default="")


def _marks(file: Path) -> dict[str, list[Any]]:
    """Hashes of files by path, each with the file's size, times and inode; empty where the cache is damaged."""
    with suppress(ValueError, KeyError, TypeError, RecursionError):
        if not file.exists():
            return {}
        cache = json.loads(file.read_bytes())
        if cache["sha256"] == key_of(cache["marks"]):
            return dict(cache["marks"])
    warn(f"{file}: isn't what was stored; the files are hashed again")
    return {}
