"""A process of its own that loads networks, runs each, and prints its peak resident set as JSON.

``python -m workbench.measure.memory_probe JOB`` where JOB is JSON: ``runtime``, ``threads``, and ``networks`` as
``Network.described`` gives them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")


def resident(what: str) -> int:
    """Resident set of this process in bytes: ``VmHWM``, the largest so far, or ``VmRSS``, that of now.

    OSError or ValueError where the system doesn't tell.
    """
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"{STATUS} has no {what}")


def main(job: dict[str, Any]) -> dict[str, int]:
    """Does the job; bytes: ``before`` is the peak with the runtime imported and nothing loaded, ``peak`` at the end.

    ``running`` is what is resident at the end, without what loading alone needed: the file's bytes, unpacked weights.
    """
    from workbench.measure.network import from_description
    from workbench.runtimes.base import runtime

    place = runtime(job["runtime"])
    before = resident("VmHWM")
    networks = [from_description(described) for described in job["networks"]]
    loaded = [place.load(network, job["threads"]) for network in networks]  # a pipeline keeps all of them loaded
    for call in loaded:
        call()
    return {"before": before, "peak": resident("VmHWM"), "running": resident("VmRSS")}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
