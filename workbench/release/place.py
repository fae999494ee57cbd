"""The place of a release: a folder that is whole or not there, made by one process at a time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import InputError
from workbench.release.figures import MANIFEST
from workbench.store.files import check_writable, existing, sync, sync_tree
from workbench.store.scratch import remove
from workbench.system import lock


def check_place(target: Path, force: bool, size: int) -> int:
    """Whether a release of ``size`` bytes can be written to ``target``; the bytes that are free there.

    Raises:
        InputError: something else is there, the disk is too small, or nothing can be written.
    """
    check_writable({target.parent: "-o"})
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        if not (target / MANIFEST).is_file():
            raise InputError(f"-o: {target}: is there and isn't a shipped folder; name a new one")
        if not force:
            raise InputError(f"-o: {target}: holds a release already", hint="--force replaces it")
    free = shutil.disk_usage(existing(target.parent)).free
    if size > free:
        raise InputError(f"-o: {target}: needs about {size / 1e6:,.0f} MB; {free / 1e6:,.0f} MB are free there")
    return free


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """An empty folder beside ``target``, which takes its place where the block ends well, and else is removed.

    Raises:
        InputError: another process writes there.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    handle = _alone(part, target)
    try:
        for left in part.iterdir():  # by a process that was killed
            remove(left)
        try:
            yield part
            sync_tree(part)
            _exchange(part, target)
        except BaseException:
            remove(part)
            raise
    finally:
        os.close(handle)


def _alone(part: Path, target: Path) -> int:
    """The folder, made and locked; the lock ends with the process."""
    part.mkdir(exist_ok=True)
    handle = os.open(part, os.O_RDONLY)
    try:
        lock(handle, wait=False)
        if not part.is_dir() or not os.path.samestat(part.stat(), os.fstat(handle)):
            raise BlockingIOError  # another has just renamed it
    except BlockingIOError:
        os.close(handle)
        raise InputError(f"-o: {target}: another ship is writing there", hint="wait for it") from None
    return handle


def _exchange(part: Path, target: Path) -> None:
    """The new folder in the place of the old one, if there is one."""
    old = target.with_name(f".{target.name}.old")
    remove(old)
    if target.exists():
        target.rename(old)
    part.rename(target)
    sync(target.parent)
    remove(old)
