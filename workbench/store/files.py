"""Atomic writing: a file is complete or absent. And what keeps a path from being read or written."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from workbench.errors import InputError
from workbench.system import lock


def write_atomic(path: Path, data: bytes | str) -> None:
    """Writes ``data`` under a temporary name in the same folder, syncs it and renames it to ``path``.

    The name is always the same: what a killed process left is overwritten, and a second writer waits for the first.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """As ``write_atomic``, for what writes a file by itself: gives the temporary name to write to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    with _alone(temporary) as file:
        try:
            file.truncate(0)
            yield temporary
            with temporary.open("rb") as written:  # safetensors renames a file of its own to that name
                os.fsync(written.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_sealed(path: Path, facts: Mapping[str, Any]) -> None:
    """Writes facts (JSON) so that ``read_sealed`` knows whether they are what was written."""
    text = json.dumps(facts, sort_keys=True)
    write_atomic(path, f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")


def read_sealed(path: Path) -> dict[str, Any] | None:
    """What ``write_sealed`` wrote; None where there is nothing, or something else."""
    try:
        seal, _, text = path.read_text().partition("\n")
    except (OSError, ValueError):
        return None
    return dict(json.loads(text)) if hashlib.sha256(text.encode()).hexdigest() == seal else None


def _alone(path: Path) -> BinaryIO:
    """The file of that name, opened and locked."""
    while True:
        file = path.open("ab")
        lock(file)
        try:
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                return file
        except FileNotFoundError:  # another has just renamed it
            pass
        file.close()


def unreadable(path: Path, most_bytes: int | None = None) -> str | None:
    """Why ``path`` can't be read as a file, after "found …, "; None where it can. A device may have no end."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return f"no such file ({path.absolute()})"
    except (OSError, ValueError) as error:
        return f"which can't be read ({getattr(error, 'strerror', error)})"
    if not stat.S_ISREG(status.st_mode):
        return f"which is a {'folder' if stat.S_ISDIR(status.st_mode) else 'device or pipe'}; needs a file"
    if not os.access(path, os.R_OK):
        return "which can't be read (permission denied)"
    if most_bytes is not None and status.st_size > most_bytes:
        return f"which has {status.st_size:,} bytes; needs at most {most_bytes:,}"
    return None


def existing(path: Path) -> Path:
    """The path itself, or the nearest one above it that is there."""
    path = path.absolute()
    return next((above for above in (path, *path.parents) if os.path.lexists(above)), Path("/"))


def unwritable(folder: Path) -> str | None:
    """Why nothing could be written in ``folder``, which need not be there yet; found without writing."""
    there = existing(folder)
    if not there.is_dir():
        return f"can't write there ({there} is not a folder)"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"can't write there (no permission in {there})"
    return None


def check_writable(folders: Mapping[Path, str]) -> None:
    """Notices before any work that a folder can't be written.

    Args:
        folders: with the option that names another one.

    Raises:
        InputError: with a line for each that can't be written.
    """
    problems = [
        f"{f.absolute()}: {why}; name another folder with {option}"
        for f, option in folders.items()
        if (why := unwritable(f))
    ]
    if problems:
        raise InputError("\n".join(problems))


def sync(path: Path) -> None:
    """Waits until a file's bytes, or a folder's entries, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Syncs everything in a folder and the folder itself."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if not path.is_symlink():
            sync(path)
    sync(folder)


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder, by its relative path."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hash_file(file) for file in files}


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
