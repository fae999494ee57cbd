"""A process of its own that loads a pipeline's components, runs each, and prints its peak resident set as JSON.

``python -m workbench.profile.memory_probe JOB`` where JOB is JSON: ``runtime`` (onnxruntime or torch), ``threads``,
``components`` (name to path) and for torch ``source``, the pipeline folder.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")


def peak_rss() -> int:
    """Peak resident set of this process in bytes (VmHWM). OSError or ValueError where the system doesn't tell."""
    for line in STATUS.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"{STATUS} has no VmHWM")


def _run_onnx(components: dict[str, str], threads: int) -> None:
    import numpy as np

    from workbench.export.load import session

    kinds = {"tensor(int64)": np.int64, "tensor(float16)": np.float16}
    sessions = [session(Path(path), threads) for path in components.values()]  # a pipeline keeps all of them loaded
    for run in sessions:
        run.run(None, {i.name: np.zeros(i.shape, kinds.get(i.type, np.float32)) for i in run.get_inputs()})


def _run_torch(components: dict[str, str], source: str, threads: int) -> None:
    import torch

    from workbench.export.components import load, spec
    from workbench.models.candidate import Candidate, Component

    torch.set_num_threads(threads)
    parts = {name: Component(name, "torch", Path(path)) for name, path in components.items()}
    candidate = Candidate("probe", "", Path(source), parts)
    modules = {name: load(candidate, name) for name in parts}
    with torch.inference_mode():
        for name, module in modules.items():
            module(*(torch.from_numpy(value) for value in spec(candidate, name).seeded().values()))


def main(job: dict[str, Any]) -> dict[str, int]:
    """Does the job; ``before`` is the peak with the runtime imported and nothing loaded, ``peak`` at the end."""
    if job["runtime"] == "onnxruntime":
        import onnxruntime  # noqa: F401  (so that ``before`` holds the runtime itself)

        before = peak_rss()
        _run_onnx(job["components"], job["threads"])
    else:
        import diffusers  # noqa: F401
        import transformers  # noqa: F401

        before = peak_rss()
        _run_torch(job["components"], job["source"], job["threads"])
    return {"before": before, "peak": peak_rss()}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
