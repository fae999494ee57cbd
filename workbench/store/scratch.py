"""Temporary files in the store: what a killed process left is found there and removed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

SYSTEM = Path(tempfile.gettempdir())
"""The system's folder of temporary files, for what all processes have to find at one place."""
LOCK = ".lock"
GRACE_S = 3.0
"""How long child processes may take to end before they are killed."""


@contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """A folder below ``root`` where ``tempfile`` puts things, here and in processes started from here; then removed.

    It is locked, and the lock ends with the process however that ends: folders that aren't locked are what killed
    processes left, and are removed first.
    """
    root.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        with locked(root / LOCK, wait=True):  # nobody looks for leftovers while another's folder isn't locked yet
            for left in [entry for entry in root.iterdir() if entry.is_dir()]:
                with suppress(BlockingIOError), locked(left / LOCK):
                    remove(left)
            folder = Path(tempfile.mkdtemp(dir=root))
            held.enter_context(locked(folder / LOCK))
        before, outside = tempfile.tempdir, os.environ.get("TMPDIR")
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        try:
            yield folder
        except KeyboardInterrupt:
            end_children()  # they may still write there
            raise
        finally:
            tempfile.tempdir = before
            if outside is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = outside
            remove(folder)


@contextmanager
def locked(path: Path, wait: bool = False) -> Iterator[None]:
    """Holds the lock of a file, which is made; without ``wait`` raises BlockingIOError where a process has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Removes a file or a folder with all that is in it, as far as that goes."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def end_children() -> None:
    """Ends what this process started and still runs: a signal may have been meant for this process alone."""
    import psutil

    children = psutil.Process().children(recursive=True)
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.terminate()
    _, left = psutil.wait_procs(children, timeout=GRACE_S)
    for child in left:
        with suppress(psutil.NoSuchProcess):
            child.kill()
