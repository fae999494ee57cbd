"""A content-addressed store: a result lies under the key of all that went into it, or is not there.

Work happens in ``work/KEY`` (kept after a crash, so that long steps resume) and is renamed to ``results/KEY`` as the
last act. A failure never becomes a result.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.errors import InputError
from workbench.store.files import hash_file, write_atomic

RESULT = "result.json"


def key_of(parts: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical JSON of ``parts``: what a result depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Store:
    """The folder of results (default ``.workbench`` under the current folder, or ``$WORKBENCH_STORE``)."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = Path(root or os.environ.get("WORKBENCH_STORE") or ".workbench").absolute()

    def folder(self, key: str) -> Path:
        """Where the finished result of ``key`` lies."""
        return self.root / "results" / key

    def get(self, key: str) -> dict[str, Any] | None:
        """The ``result.json`` of ``key``, or None when it was never finished."""
        file = self.folder(key) / RESULT
        return json.loads(file.read_text()) if file.is_file() else None

    def compute(self, key: str, work: Callable[[Path], Mapping[str, Any]], together: bool = False) -> dict[str, Any]:
        """The stored result of ``key``; else ``work(folder)`` makes it and what it returns is stored with its files.

        ``folder`` is the same one again after a crash; its subfolder ``state`` is dropped from the result.
        ``together``: processes that were started together all have to do the work (see ``Follower``).
        """
        found = self.get(key)
        if found is not None:
            return found
        folder = self.root / "work" / key
        folder.mkdir(parents=True, exist_ok=True)
        result = work(folder)
        shutil.rmtree(folder / "state", ignore_errors=True)
        write_atomic(folder / RESULT, json.dumps(result, indent=1))
        target = self.folder(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.replace(target)
        return dict(result)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the store for one run; a second one is refused instead of working on the same folders."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(
                    f"{self.root}: another run is using this store", hint="wait for it, or use --store"
                ) from None
            yield

    def check_writable(self) -> None:
        """Raises InputError when nothing can be written here."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            write_atomic(self.root / ".writable", b"")
        except OSError as error:
            raise InputError(
                f"{self.root}: can't write there ({error.strerror})", hint="name another folder with --store"
            ) from error

    def folder_hash(self, folder: Path, files: Iterable[Path]) -> str:
        """SHA-256 over names and contents of ``files`` in ``folder``; read anew only if size or mtime differ."""
        cache_file = self.root / "hashes.json"
        cache = json.loads(cache_file.read_text()) if cache_file.is_file() else {}
        digest, changed = hashlib.sha256(), False
        for file in sorted(files):
            stat = file.stat()
            mark = [stat.st_size, stat.st_mtime_ns]
            known = cache.get(str(file.absolute()))
            if known is None or known[:2] != mark:
                known = [*mark, hash_file(file)]
                cache[str(file.absolute())] = known
                changed = True
            digest.update(f"{file.relative_to(folder)}\0{known[2]}\n".encode())
        if changed:
            write_atomic(cache_file, json.dumps(cache))
        return digest.hexdigest()
