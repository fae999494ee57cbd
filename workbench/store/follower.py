"""The store of a process that trains together with the first of its group: it waits for the results of the first."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.store.store import Store

POLL_S = 0.2


def rank() -> int:
    """This process's rank among those that ``torchrun`` or ``accelerate launch`` started together; 0 without them."""
    return int(os.environ.get("RANK") or 0)


class Follower(Store):
    """Reads the store that the process of rank 0 writes; both are started with the same recipe."""

    def compute(self, key: str, work: Callable[[Path], Mapping[str, Any]], together: bool = False) -> dict[str, Any]:
        """The result of ``key`` once the first process has stored it.

        Work that is done ``together`` is done here too, in a temporary folder with the checkpoints of the first
        process, and its result is dropped.
        """
        if together and self.get(key) is None:
            state = self.root / "work" / key / "state"
            state.mkdir(parents=True, exist_ok=True)
            with self.scratch() as folder:
                (folder / "state").symlink_to(state, target_is_directory=True)
                work(folder)
        while (result := self.get(key)) is None:
            time.sleep(POLL_S)
        return result

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Nothing: the first process holds the lock for all."""
        yield
