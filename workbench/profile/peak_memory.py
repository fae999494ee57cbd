"""The peak memory of a candidate's networks, measured in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.measure.memory import Peak
from workbench.models.factory import is_live
from workbench.runtimes.base import described
from workbench.store.memory import resident

if TYPE_CHECKING:
    from workbench.measure.network import Network

LIMIT_S = 600
"""A probe that takes longer than this is given up: it makes one pass of each component."""


def peak_memory(runtime: str, networks: Sequence[Network], threads: int) -> Peak:
    """Measures in a fresh process, in which nothing else was ever loaded: this module, run with the job as JSON."""
    if not described(runtime).needs_file and any(n.torch is not None and is_live(n.torch.where) for n in networks):
        return Peak(None, reason="the module lives in this process alone; module:function makes it in a fresh one, too")
    job = {"runtime": runtime, "threads": threads, "networks": [network.described() for network in networks]}
    command = [sys.executable, "-P", "-m", "workbench.profile.peak_memory", json.dumps(job)]
    # The package may run from a source tree that the fresh process wouldn't find.
    package_root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(p for p in (package_root, os.environ.get("PYTHONPATH")) if p)
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Peak(None, reason=f"the probe could not be run ({type(error).__name__})")
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        return Peak(None, reason=f"the probe ended with {done.returncode}: {lines[-1] if lines else 'no message'}")
    peaks = json.loads(done.stdout.strip().splitlines()[-1])
    unknown = "the system doesn't tell" if peaks["peak"] is None else None
    return Peak(peaks["peak"], peaks["before"], unknown, peaks["running"])


def _probe(job: Mapping[str, Any]) -> dict[str, int | None]:
    """Does the job; bytes: ``before`` is the peak with the runtime imported and nothing loaded, ``peak`` at the end.

    ``running`` is what is resident at the end, without what loading alone needed: the file's bytes, unpacked weights.
    """
    from workbench.measure.network import from_description
    from workbench.runtimes import base

    runtime = base.runtime(job["runtime"])
    before = resident("VmHWM")
    networks = [from_description(described) for described in job["networks"]]
    loaded = [runtime.load(network, job["threads"]) for network in networks]  # a pipeline keeps all of them loaded
    for call in loaded:
        call()
    return {"before": before, "peak": resident("VmHWM"), "running": resident()}


if __name__ == "__main__":
    print(json.dumps(_probe(json.loads(sys.argv[1]))))
