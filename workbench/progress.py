"""Progress of long work: a bar with the remaining time on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

Tick = Callable[..., None]
"""``tick(done, note="")``: how many units of the total are done."""
Progress = Callable[[str, int], AbstractContextManager[Tick]]
"""``with progress("distill", 300) as tick: …``"""
LINE_EVERY_S = 10.0


def warn(message: str) -> None:
    """Warns on standard error; the work continues."""
    print(f"warning: {message}", file=sys.stderr, flush=True)


def quiet(_what: str, _total: int) -> AbstractContextManager[Tick]:
    """No progress output."""
    return nullcontext(lambda _done, _note="": None)


def visible(what: str, total: int) -> AbstractContextManager[Tick]:
    """Progress on standard error: a rich bar on a terminal, else a line every ten seconds."""
    return _bar(what, total) if sys.stderr.isatty() else _lines(what, total)


@contextmanager
def _bar(what: str, total: int) -> Iterator[Tick]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        *("{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()),
        *("left", TimeRemainingColumn(), "{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(what, total=total, note="")
        yield lambda done, note="": bars.update(task, completed=done, note=note)


@contextmanager
def _lines(what: str, total: int) -> Iterator[Tick]:
    start = last = time.monotonic()
    first_done: int | None = None

    def tick(done: int, note: str = "") -> None:
        nonlocal last, first_done
        now = time.monotonic()
        first_done = done if first_done is None else first_done  # a resumed step doesn't start at zero
        if now - last < LINE_EVERY_S and done < total:
            return
        last = now
        rate = (done - first_done) / max(now - start, 1e-9)
        remaining = f", {(total - done) / rate:.0f} s left" if rate > 0 and done < total else ""
        print(f"  {what}: {done}/{total}{remaining}{'  ' + note if note else ''}", file=sys.stderr, flush=True)

    yield tick
