"""Progress of long work on standard error: bars with the remaining time on a terminal, plain lines elsewhere.

Never silent for more than some seconds: while work is under way, a thread tells how long it has taken. Bars may lie
within one another; the innermost is told.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import accumulate
from typing import Any, Protocol, TextIO

Tick = Callable[..., None]
"""``tick(done, note="")``: how many units of the total are done."""
LINE_EVERY_S, SILENT_S, LOOK_EVERY_S = 10.0, 3.5, 0.25
"""Between lines while units are done; the longest without any, and how often that is looked at."""


class Progress(Protocol):
    """``with progress("distill", 300) as tick: …``

    ``weights``: what each unit costs where they differ, in any measure; the time left then goes by that.
    """

    def __call__(self, what: str, total: int, weights: Sequence[float] = (), /) -> AbstractContextManager[Tick]:
        """Opens a bar for the block; the function that comes back takes how much is done."""


def warn(message: str) -> None:
    """Warns on standard error; the work continues."""
    print(f"warning: {message}", file=sys.stderr, flush=True)


def quiet(_what: str, _total: int, _weights: Sequence[float] = (), /) -> AbstractContextManager[Tick]:
    """No progress output."""
    return nullcontext(lambda _done, _note="": None)


@contextmanager
def visible(what: str, total: int, weights: Sequence[float] = (), /) -> Iterator[Tick]:
    """Progress on standard error."""
    bar = Bar(what, total, weights)
    _BOARD.open(bar)
    try:
        yield lambda done, note="": _BOARD.tick(bar, done, note)
    finally:
        _BOARD.close(bar)


class Bar:
    """One piece of work: how much of it is done, and when it will be."""

    def __init__(self, what: str, total: int, weights: Sequence[float] = ()) -> None:
        self.what, self.total, self.note = what, total, ""
        self.done = 0
        self.start = time.monotonic()
        self._sums = [0.0, *accumulate(weights)] if len(weights) == total and sum(weights) > 0 else None
        self._first: int | None = None
        self._last_done = self.start

    def tick(self, done: int, note: str) -> None:
        """Takes note of what is done."""
        self._first = (0 if self._sums else done) if self._first is None else self._first  # a resumed one starts later
        self.done, self.note, self._last_done = done, note, time.monotonic()

    def left(self, now: float) -> float | None:
        """Seconds that are left; None where nobody can know yet."""
        if self._first is None:
            return None
        first, done, after, whole = (self._cost(n) for n in (self._first, self.done, self.done + 1, self.total))
        if done <= first or done >= whole:
            return None
        by_done = (self._last_done - self.start) / (done - first) * (whole - done) - (now - self._last_done)
        at_least = (now - self.start) / (after - first) * (whole - after)  # if the part under way ended now
        left = max(by_done, at_least)
        return left if left > 0 else None

    def _cost(self, done: int) -> float:
        done = min(max(done, 0), self.total)
        return self._sums[done] if self._sums else float(done)

    def line(self, now: float) -> str:
        """For a log."""
        count = f"{self.done}/{self.total}, " if self.total > 1 or self.done else ""
        left = self.left(now)
        remaining = f", {left:.0f} s left" if left is not None else ""
        return f"  {self.what}: {count}{now - self.start:.0f} s{remaining}{'  ' + self.note if self.note else ''}"


class _Board:
    """All bars that are open, from the outermost to the innermost, and where they are shown."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._bars: list[Bar] = []
        self._stream: TextIO = sys.stderr
        self._live: Any = None
        self._tasks: dict[Bar, Any] = {}
        self._told = 0.0

    def open(self, bar: Bar) -> None:
        with self._lock:
            if not self._bars:
                self._stream, self._told = sys.stderr, time.monotonic()  # within, others may have it for a while
                self._live = _live(self._stream) if self._stream.isatty() else None
                threading.Thread(target=self._keep_telling, args=(bar,), daemon=True).start()
            self._bars.append(bar)
            if self._live:
                self._tasks[bar] = self._live.add_task(bar.what, total=bar.total, note="", left="")

    def tick(self, bar: Bar, done: int, note: str) -> None:
        with self._lock:
            bar.tick(done, note)
            if self._live:
                self._show(bar)
            elif time.monotonic() - self._told >= LINE_EVERY_S or done >= bar.total:
                self._tell(bar)

    def close(self, bar: Bar) -> None:
        with self._lock:
            self._bars.remove(bar)
            if self._live:
                task = self._tasks.pop(bar)
                if self._bars:
                    self._live.remove_task(task)
                else:
                    self._live.stop()
                    self._live = None

    def _keep_telling(self, outermost: Bar) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            with self._lock:
                if outermost not in self._bars:
                    return
                if self._live:
                    for bar in self._bars:
                        self._show(bar)
                elif time.monotonic() - self._told >= SILENT_S:
                    self._tell(self._bars[-1])

    def _tell(self, bar: Bar) -> None:
        now = self._told = time.monotonic()
        around = next((b for b in reversed(self._bars) if b is not bar and b.left(now) is not None), None)
        of = f"  ({around.line(now).strip()})" if around and bar.left(now) is None and bar.done < bar.total else ""
        print(f"{bar.line(now)}{of}", file=self._stream, flush=True)

    def _show(self, bar: Bar) -> None:
        left = bar.left(time.monotonic())
        remaining = "" if left is None else f"{left // 60:.0f}:{left % 60:02.0f} left"
        self._live.update(self._tasks[bar], completed=bar.done, note=bar.note, left=remaining)


def _live(stream: TextIO) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = "{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    live = Progress(*columns, "{task.fields[left]}", "{task.fields[note]}", console=Console(file=stream))
    live.start()
    return live


_BOARD = _Board()
