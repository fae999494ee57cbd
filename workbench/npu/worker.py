"""The process that compiles for an NPU or computes by its simulator: what crashes or hangs there takes nothing along.

``python -m workbench.npu.worker JOB.json`` writes ``outcome.json`` beside the job. Both libraries write to standard
output and error as they like; that is the log.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.store.memory import resident

if TYPE_CHECKING:
    import onnxruntime

PROVIDER = "QNNExecutionProvider"
OUTCOME, TRACE, CONTEXT = "outcome.json", "qnn_op_trace.json", "context.onnx"
FEED, OUTPUTS = "feed-{}.npz", "outputs-{}.npz"
"""Of pass N: its inputs in the order of the job's, and what the model gives, in its own order."""
_WARNINGS = 2
"""From here on the runtime writes its log: why an operator was refused is a warning."""


@dataclass(frozen=True)
class Job:
    """What is to be done to ``model``, an ONNX file, for a chip.

    ``mode``: of the graph's finalization, 1 (fast) to 3 (thorough). ``sides``: of inputs whose shape has symbols, by
    symbol. ``passes`` of the simulator, whose ``inputs`` lie beside the job; 0: the context binary is written.
    """

    model: str
    soc_model: int
    htp_arch: int
    mode: int
    sides: Mapping[str, int]
    passes: int = 0
    inputs: Sequence[str] = ()

    def write(self, folder: Path) -> Path:
        """The job's file in ``folder``."""
        file = folder / "job.json"
        file.write_text(json.dumps(asdict(self)))
        return file


def _session(job: Job, folder: Path) -> onnxruntime.InferenceSession:
    import onnxruntime
    import onnxruntime_qnn

    onnxruntime.register_execution_provider_library(PROVIDER, onnxruntime_qnn.get_library_path())
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _WARNINGS
    config = {} if job.passes else {"ep.context_enable": "1", "ep.context_file_path": str(folder / CONTEXT)}
    for key, value in config.items():
        options.add_session_config_entry(key, value)
    for symbol, side in job.sides.items():
        options.add_free_dimension_override_by_name(symbol, side)
    settings = {
        "backend_type": "htp",
        "soc_model": str(job.soc_model),
        "htp_arch": str(job.htp_arch),
        "htp_graph_finalization_optimization_mode": str(job.mode),
        "enable_framework_op_trace": "1",
        "framework_op_trace_dir": str(folder),
    }
    devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == PROVIDER]
    options.add_provider_for_devices(devices, settings)
    return onnxruntime.InferenceSession(job.model, options)


def _work(job: Job, folder: Path) -> dict[str, Any]:
    import numpy as np

    start = time.perf_counter()
    session = _session(job, folder)
    seconds = time.perf_counter() - start
    for index in range(job.passes):
        with np.load(folder / FEED.format(index)) as feed:
            outputs = session.run(None, dict(zip(job.inputs, feed.values(), strict=True)))
        np.savez(folder / OUTPUTS.format(index), *outputs)
    context = sum(file.stat().st_size for file in folder.glob("context*.bin"))
    return {"seconds": seconds, "peak_bytes": resident("VmHWM"), "context_bytes": context}


def _main() -> None:
    from workbench.runtimes.onnxruntime.failures import reason

    file = Path(sys.argv[1])
    job = Job(**json.loads(file.read_bytes()))
    try:
        outcome = _work(job, file.parent)
    except Exception as error:  # the runtime raises a dozen unrelated classes
        outcome = {"error": reason(error, Path(job.model))}
    (file.parent / OUTCOME).write_text(json.dumps(outcome))


if __name__ == "__main__":
    _main()
