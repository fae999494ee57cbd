"""The command in forked processes: what it loads is loaded once, and each call can be killed like one of its own."""

from __future__ import annotations

import importlib
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from workbench.cli import main as cli

CRASHED = 70
"""The exit code here of an exception that the command let through."""


@dataclass(frozen=True)
class Call:
    """A running command, leader of its own session; both its outputs go to ``log``."""

    pid: int
    log: Path
    started: float

    def wait(self, seconds: float) -> int | None:
        """The exit code, negative for a signal that nothing caught; None when it still runs after ``seconds``."""
        handle = os.pidfd_open(self.pid)
        try:
            if not select.select([handle], [], [], max(seconds, 0.0))[0]:
                return None
        finally:
            os.close(handle)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def said(self) -> str:
        """What it printed."""
        return self.log.read_text(errors="replace")

    def alive(self) -> list[str]:
        """What it started and still runs."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                if os.getsid(process.pid) == self.pid and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline())[:200])
        return found


def start(arguments: Sequence[str], cwd: Path, log: Path) -> Call:
    """Starts ``workbench ARGUMENTS`` and returns when its handlers of signals are in place."""
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(arguments, cwd, log, tell)
    os.close(tell)
    os.read(ready, 1)
    os.close(ready)
    return Call(pid, log, time.monotonic())


def call(arguments: Sequence[str], cwd: Path, log: Path, seconds: float) -> tuple[int | None, str]:
    """Exit code and output of a command; it is killed and its code is None after ``seconds``."""
    running = start(arguments, cwd, log)
    code = running.wait(seconds)
    if code is None:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait(10)
    return code, running.said()


def load(modules: Path) -> None:
    """Imports what ``start`` noted in the file: modules that an earlier call had loaded at its end."""
    for name in modules.read_text().split():
        with suppress(Exception):
            importlib.import_module(name)


def _become(arguments: Sequence[str], cwd: Path, log: Path, tell: int) -> None:
    code = CRASHED
    try:
        os.setsid()
        os.chdir(cwd)
        for number in cli.SIGNALS:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        # Handlers of libraries that are loaded already keep the streams of this moment, which the command takes apart.
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
        app = cli.app

        def told(**options: str) -> None:
            os.write(tell, b".")
            app(**options)

        cli.app = told  # type: ignore[assignment]
        sys.argv = ["workbench", *arguments]
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        log.with_suffix(".modules").write_text("\n".join(sorted(sys.modules)))
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
