"""Runs the worker in a process of its own, with a deadline; says how it failed, and keeps its log."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from workbench.errors import RunError
from workbench.npu.worker import OUTCOME, Job

LOG = "log.txt"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def work(job: Job, folder: Path, deadline_s: float) -> dict[str, Any]:
    """What the worker made of a job in ``folder``: ``seconds`` until it was compiled, ``peak_bytes`` resident,
    ``context_bytes``.

    Raises:
        RunError: it crashed, took longer than ``deadline_s``, or the compiler refused the file; names the log.
    """
    log = folder / LOG
    # The package may run from a source tree that the fresh process wouldn't find.
    paths = (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    command = [sys.executable, "-P", "-m", "workbench.npu.worker", str(job.write(folder))]
    with log.open("wb") as stream:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                cwd=folder,
                env=env,
                timeout=deadline_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _failed(f"was ended after {deadline_s:g} s", log, "--timeout gives it longer") from None
    log.write_text(_COLOURS.sub("", log.read_text(errors="replace")))
    if done.returncode < 0:
        raise _failed(f"crashed ({signal.Signals(-done.returncode).name})", log)
    if not (folder / OUTCOME).is_file():
        raise _failed(f"ended with {done.returncode}", log)
    outcome: dict[str, Any] = json.loads((folder / OUTCOME).read_bytes())
    if "error" in outcome:
        raise _failed(f"failed: {outcome['error']}", log)
    return outcome


def _failed(how: str, log: Path, hint: str | None = None) -> RunError:
    return RunError(f"Qualcomm's compiler {how}; its log: {log}", hint=hint)
