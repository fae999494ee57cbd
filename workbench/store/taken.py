"""What making a result took: seconds, peak memory, bytes on disk. A file for each lies beside the results.

Of work within work, such as an export that a step asks for, only the inner one's part counts as its own. Memory is that
of this process and of those below it, which are looked at some times a second.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.store.files import read_sealed, write_sealed
from workbench.store.memory import forget_peak, of_children, resident

FOLDER = "taken"
LOOK_EVERY_S = 0.25


@dataclass
class Taken:
    """Work that is under way, then what it took without the work within it."""

    started: float = field(default_factory=time.monotonic)
    within: float = 0.0
    seconds: float = 0.0
    computed: float = field(default_factory=lambda: _computed())
    """Seconds of processors, of all threads: less than ``seconds`` of one thread where others used the machine."""
    computed_within: float = 0.0
    peak: int = 0
    waits: bool = False
    """While the work within it is under way."""


class _Watch:
    """Keeps the peaks of all work that is under way in this process."""

    def __init__(self) -> None:
        self.highest = 0
        self._lock, self._stacks = threading.RLock(), dict[int, list[Taken]]()

    def start(self) -> Taken:
        with self._lock:
            self._look()
            stack = self._stacks.setdefault(threading.get_ident(), [])
            if stack:
                stack[-1].waits = True
            work = Taken()
            first = not any(self._stacks.values())
            stack.append(work)
            if first:
                threading.Thread(target=self._watch, daemon=True).start()
            return work

    def stop(self, work: Taken) -> None:
        with self._lock:
            self._look()
            stack = self._stacks[threading.get_ident()]
            stack.remove(work)
            whole = time.monotonic() - work.started
            computed = _computed() - work.computed
            work.seconds, work.computed = whole - work.within, computed - work.computed_within
            if stack:
                stack[-1].within += whole
                stack[-1].computed_within += computed
                stack[-1].waits = False
            else:
                del self._stacks[threading.get_ident()]

    def _look(self) -> None:
        """Gives what memory has been at most since the last look to all that is under way and doesn't wait."""
        peak = max(resident("VmHWM") or 0, (resident() or 0) + of_children())
        self.highest = max(self.highest, peak)
        for stack in self._stacks.values():
            for work in stack:
                work.peak = work.peak if work.waits else max(work.peak, peak)
        forget_peak()

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            with self._lock:
                if not self._stacks:
                    return
                self._look()


def _computed() -> float:
    """Seconds of processors that this process and those below it that have ended have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


_WATCH = _Watch()


@contextmanager
def watched() -> Iterator[Taken]:
    """Work whose seconds and peak are known at its end."""
    work = _WATCH.start()
    try:
        yield work
    finally:
        _WATCH.stop(work)


def highest() -> int:
    """The peak of this process and those below it while something was watched; 0: nothing was."""
    return _WATCH.highest


def keep(root: Path, key: str, facts: Mapping[str, Any]) -> None:
    """Adds to what is known of the making of a result in the store at ``root``."""
    write_sealed(_file(root, key), {**(read(root, key) or {}), **facts})


def read(root: Path, key: str) -> dict[str, Any] | None:
    """What is known of the making of a result; None where nothing is."""
    return read_sealed(_file(root, key))


def every(root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """All that is known, by key; what can't be read is left out."""
    for file in sorted((root / FOLDER).glob("*.json")):
        if facts := read(root, file.stem):
            yield file.stem, facts


def made_by(root: Path, key: str) -> str | None:
    """What made a result: a stage of a run, else the last word of the module that did; None: nobody told."""
    facts = read(root, key) or {}
    return facts.get("stage") or facts.get("by")


def _file(root: Path, key: str) -> Path:
    return root / FOLDER / f"{key}.json"
