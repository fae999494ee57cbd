"""One network, or a candidate's memory, measured on one device: what the store keeps, and what is read back of it."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.devices.adb import DeviceError
from workbench.devices.agreement import agreement
from workbench.devices.conditions import fast_cores, held, mask_of, validity
from workbench.devices.folder import DeviceFolder
from workbench.devices.job import Job, ModelJob, raw_inputs, read_outputs
from workbench.devices.probe import Facts
from workbench.devices.providers import Provider
from workbench.devices.result import Result, read_result
from workbench.graphs.read import onnx_files
from workbench.measure.network import Network
from workbench.runtimes.onnxruntime.session import machine_config, session_config
from workbench.store.files import write_atomic

EXTERNAL = {
    "session.optimized_model_external_initializers_file_name": "executed.data",
    "session.optimized_model_external_initializers_min_size_in_bytes": "0",
}
"""So that the executed graph, which is pulled, holds no weights."""


@dataclass(frozen=True)
class DeviceSettings:
    """How to measure on a device. ``threads`` and ``cores`` None: as many as there are fast cores, on these.

    ``max_seconds`` ends a timing that would take too long; ``timeout_s`` is the runner's own limit per network.
    """

    threads: int | None
    iterations: int
    min_seconds: float
    warmup: int
    max_seconds: float = 120.0
    timeout_s: float = 900.0
    cool_down_s: float = 300.0
    providers: tuple[Provider, ...] = ()
    ort_library: Path | None = None
    parallel: bool = False

    def on(self, facts: Facts) -> DeviceSettings:
        """The settings for one device: on an emulated one, whose times mean nothing, few passes."""
        cores = fast_cores(facts)
        threads = self.threads or max(1, len(cores))
        if not facts.emulated:
            return dataclasses.replace(self, threads=threads)
        few = min(self.iterations, EMULATED_PASSES)
        return dataclasses.replace(self, threads=threads, iterations=few, min_seconds=0.0, warmup=1)


EMULATED_PASSES = 3
LAYER_PASSES = 20
"""Most passes with profiling on."""


@dataclass(frozen=True)
class Tools:
    """What is needed on a device: our folder there, and in it the paths of the runner and the runtime's library."""

    folder: DeviceFolder
    runner: str
    library: str

    def job(self, folder: str, models: Sequence[ModelJob], settings: DeviceSettings, facts: Facts, **more: Any) -> Job:
        """A job whose files are in ``folder`` there; ``more``: fields of its kind."""
        return Job(
            library=self.library,
            out=f"{folder}/result.json",
            models=tuple(models),
            threads=settings.threads or 1,
            providers=settings.providers,
            cpu_mask=mask_of(fast_cores(facts)),
            timeout=settings.timeout_s,
            pid_file=f"{folder}/pid",
            **more,
        )


def measure_network(
    tools: Tools,
    network: Network,
    settings: DeviceSettings,
    facts: Facts,
    out: Path,
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Times, outputs and layers of one network; files go to ``out``, what comes back goes with them (JSON).

    Raises:
        DeviceError: the device, the library or the runner failed.
    """
    assert network.file is not None
    device = tools.folder.device
    with tempfile.TemporaryDirectory(prefix=".scratch-", dir=out) as scratch:
        model = push_model(tools.folder, network, Path(scratch))
        folder = tools.folder.job_folder("network")
        job = tools.job(
            folder,
            [model],
            settings,
            facts,
            phases=("outputs", "time", "profile"),
            warmup=settings.warmup,
            iterations=settings.iterations,
            min_seconds=settings.min_seconds,
            max_seconds=settings.max_seconds,
            profile_prefix=f"{folder}/trace",
            executed=f"{folder}/executed.onnx",
            profile_warmup=min(settings.warmup, 3),
            profile_passes=min(settings.iterations, LAYER_PASSES),
            outputs=f"{folder}/outputs",
            config={**session_config(network.file, facts.cpu_features), **EXTERNAL},
        )
        result = tools.folder.run(tools.runner, job, Path(scratch), on_event)
        result.check_fed(network.feed)
        write_atomic(out / "device.json", (Path(scratch) / "result.json").read_bytes())
        assert result.recorded is not None
        device.pull(result.recorded.file, out / "trace.json")
        if result.recorded.executed:
            device.pull(result.recorded.executed, out / "executed.onnx")
        for name in (Path(output.file).name for output in result.outputs if output.file):
            device.pull(f"{folder}/outputs/{name}", Path(scratch) / name)
        agreed = agreement(network, read_outputs(result, Path(scratch)))
    if agreed["wrong"]:
        raise DeviceError(
            device.name,
            f"{network.label}: {agreed['wrong']}",
            "the library on the device computes something else: try another version of it",
        )
    return {
        "agreement": agreed,
        "threads": result.threads,
        "version": result.version,
        "cores_missing": [core for core in fast_cores(facts) if core not in result.cpus],
    }


def measure_memory(
    tools: Tools, networks: Sequence[Network], settings: DeviceSettings, facts: Facts, out: Path
) -> dict[str, Any]:
    """Peak memory of a process on the device that holds all ``networks`` and runs each once."""
    with tempfile.TemporaryDirectory(prefix=".scratch-", dir=out) as scratch:
        models = [push_model(tools.folder, network, Path(scratch)) for network in networks]
        config = machine_config(facts.cpu_features)
        folder = tools.folder.job_folder("memory")
        job = tools.job(folder, models, settings, facts, phases=("memory",), config=config)
        tools.folder.run(tools.runner, job, Path(scratch))
        write_atomic(out / "device.json", (Path(scratch) / "result.json").read_bytes())
    return {}


def stored_result(folder: Path) -> Result:
    """The runner's result that a measurement left in the store."""
    return read_result((folder / "device.json").read_text())


def conditions_of(result: Result) -> dict[str, Any]:
    """What held while a network was timed (JSON)."""
    assert result.times is not None
    return {
        "cores": list(result.cpus),
        "threads": result.threads,
        "clocks": held(result.readings),
        "validity": validity(result.times.stats),
        "cut": result.times.cut,
        "cache_dropped": result.times.cache_dropped,
    }


def push_model(folder: DeviceFolder, network: Network, scratch: Path) -> ModelJob:
    """The network and its inputs on the device, pushed unless they are there; ``scratch`` is a folder here."""
    assert network.file is not None
    files = onnx_files(network.file)
    model, *data = folder.put(files, ["model.onnx", *(file.name for file in files[1:])])
    inputs = {}
    for i, (name, content) in enumerate(raw_inputs(network.feed).items()):
        local = scratch / f"{network.component}-{i}.raw"
        local.write_bytes(content)
        (inputs[name],) = folder.put([local], ["input.raw"])
    return ModelJob(model, tuple(data), inputs, {name: tuple(value.shape) for name, value in network.feed.items()})
