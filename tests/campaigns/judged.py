"""What every call of the command has to keep to, whatever it is given."""

from __future__ import annotations

import re
import signal
import traceback
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import typer

from workbench.cli.main import app
from workbench.forecast.counts import pass_of
from workbench.models.families import family_of
from workbench.models.sources import demo_folder
from workbench.store.store import Store

COMMAND = typer.main.get_command(app)
CHECK_S = 5.0
"""CPU seconds that a check may take, without the loading of libraries by which networks are counted."""
MESSAGE = re.compile(r"^(error: |Error: |Usage: )\S", re.MULTILINE)


class TooLong(BaseException):
    """Raised inside a call that is over its time."""


def fault(code: int | None, said: str, codes: Sequence[int], place: str = "") -> str | None:
    """What is wrong with an exit code and what was printed; ``place`` is a pattern that a message has to name."""
    if "Traceback" in said or "Exception ignored" in said:
        return f"a traceback: {said[-1500:]}"
    if code not in codes:
        return f"exit code {code}: {said[-500:]}"
    if code and not MESSAGE.search(said):
        return f"exit code {code} without a message: {said[-300:]!r}"
    if code and place and not re.search(place, said[said.index("rror: ") :].split("\n")[0]):
        return f"a message without a place: {said[:300]!r}"
    return None


def check(folder: Path, recipe: str = "recipe.yaml") -> tuple[int | None, str, str | None]:
    """``workbench check`` in this process: exit code, output, and what is wrong with them."""
    _load()
    out, err, code = StringIO(), StringIO(), 0
    try:
        with chdir(folder), _limited(CHECK_S), redirect_stdout(out), redirect_stderr(err):
            COMMAND.main(["check", recipe], prog_name="workbench")
    except SystemExit as end:
        code = int(end.code or 0)
    except TooLong:
        return None, "", f"longer than {CHECK_S} s: {traceback.format_exc()[-1200:]}"
    except BaseException:
        return None, "", traceback.format_exc()[-1500:]
    codes = (0, 1, 2) if "hub:" in err.getvalue() else (0, 2)  # the Hub can't be reached from here
    return code, err.getvalue(), fault(code, err.getvalue(), codes, f"{recipe}|{folder}")


@cache
def _load() -> None:
    """Loads what every forecast needs."""
    folder = demo_folder()
    family = family_of(folder)
    configs = family.configs(folder)
    for part in family.parts:
        pass_of(part, configs(part.name), configs, folder / part.folder, Store(Path("/nonexistent")))


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raises TooLong after so many seconds of CPU, or many more of waiting."""

    def over(*_: Any) -> None:
        raise TooLong

    before = [(number, signal.signal(number, over)) for number in (signal.SIGVTALRM, signal.SIGALRM)]
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 12 * seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before:
            signal.signal(number, handler)
