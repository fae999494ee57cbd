"""Temporary files in the store: what a killed process left is found there and removed."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from workbench.system import lock

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
    before, outside = tempfile.tempdir, os.environ.get("TMPDIR")

    def leave(kind: type[BaseException] | None, *_: object) -> None:
        with _undisturbed():
            if kind is not None and not issubclass(kind, Exception):
                end_children()  # it was a signal, and they may still write there
            tempfile.tempdir = before
            os.environ.pop("TMPDIR")
            os.environ.update({} if outside is None else {"TMPDIR": outside})
            remove(folder)

    with ExitStack() as held:
        with _undisturbed(), locked(root / LOCK, wait=True):  # none looks for leftovers while one isn't locked yet
            for left in [entry for entry in root.iterdir() if entry.is_dir()]:
                with suppress(BlockingIOError), locked(left / LOCK):
                    remove(left)
            folder = Path(tempfile.mkdtemp(dir=root))
            held.enter_context(locked(folder / LOCK))
            tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
            held.push(leave)
        yield folder


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals wait meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def locked(path: Path, wait: bool = False) -> Iterator[None]:
    """Holds the lock of a file, which is made; without ``wait`` raises BlockingIOError where a process has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        lock(handle, wait)
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
