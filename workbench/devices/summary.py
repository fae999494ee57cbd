"""What a device's results say, as the profile's parts: times and layers, conditions, warnings, the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.devices.measure import conditions_of, stored_result
from workbench.devices.probe import Facts
from workbench.devices.providers import Provider, on_cpu, placement
from workbench.devices.session import DeviceSession, Taken
from workbench.devices.toolchain.library import host_version
from workbench.measure.counts import Count
from workbench.measure.layers import Layers
from workbench.measure.memory import Peak
from workbench.measure.network import Network
from workbench.measure.record import Measured, Record, Timed, with_pipeline
from workbench.runtimes.load import file_size
from workbench.runtimes.onnxruntime.descriptor import RUNTIME
from workbench.store.environment import environment

Counts = Mapping[tuple[str, str], Count]
"""By candidate and component."""


def record_of(
    session: DeviceSession, taken: Taken, networks: Sequence[Network], counts: Counts, seed: int
) -> tuple[Record, list[str]]:
    """What one device gave for one candidate's networks, and what makes it doubtful, in sentences."""
    measured: dict[str, Measured] = {}
    by_component: dict[str, dict[str, Any]] = {}
    warnings: list[str] = []
    for network in networks:
        folder, first = taken.networks[network.identity], taken.first[network.identity]
        shared = None if first is network else first.label
        count = counts[network.candidate, network.component]
        measured[network.component], conditions = _measured(network, folder, count, shared)
        by_component[network.component] = conditions | (session.store.get(folder.name) or {})
        warnings += warnings_of(network, by_component[network.component], session.target, session.settings.providers)
    memory = stored_result(taken.memory[networks[0].candidate]).memory
    assert memory is not None
    first_result = next(iter(by_component.values()))
    version = first_result["version"]
    if version != host_version():
        warnings.append(f"{session.target}: ONNX Runtime {version} there, {host_version()} on the host: not the same")
    if session.facts.emulated:
        warnings.append(f"{session.target}: emulated: its times say nothing about a device of this kind")
    facts = {
        "threads": first_result["threads"],
        "seed": seed,
        "emulated": session.facts.emulated,
        "device": {"facts": session.facts.as_json(), "library": first_result["library"], "components": by_component},
        "host_environment": environment(),
        "environment": environment_of(session.facts, version),
    }
    record = Record(
        candidate=networks[0].candidate,
        runtime=RUNTIME.name,
        target=session.target,
        components=measured,
        peak=Peak(memory.peak, memory.library, None if memory.peak is not None else "the device doesn't say"),
        facts=facts,
    )
    return with_pipeline(record, networks[0]), warnings


def agrees(record: Record) -> bool:
    """Whether all of a candidate's networks computed on the device what they compute here."""
    return all(component["agreement"]["agrees"] for component in record.facts["device"]["components"].values())


def _measured(network: Network, folder: Path, count: Count, shared: str | None) -> tuple[Measured, dict[str, Any]]:
    """Times and layers of a network whose results lie in ``folder``, and under which conditions they came (JSON)."""
    assert network.file is not None
    result = stored_result(folder)
    assert result.times is not None and result.recorded is not None
    times, warmup = result.times, result.recorded.warmup
    measured = Measured(
        scheme=network.scheme,
        inputs=tuple(network.feed),
        size_bytes=file_size(network.file),
        timed=Timed(times.stats, times.load_cold_ms, times.load_warm_ms, times.first_call_ms),
        layers=_layers(network, folder, count, warmup),
        count=count,
        shared_with=shared,
    )
    passes = warmup + result.recorded.passes
    ran = {
        provider: {op: count / passes for op, count in ops.items()}
        for provider, ops in placement(folder / "trace.json").items()
    }
    return measured, {**conditions_of(result), "kernels_per_pass": ran}


def _layers(network: Network, folder: Path, count: Count, warmup: int) -> Layers:
    from workbench.graphs.macs import count_graph
    from workbench.graphs.read import read_model
    from workbench.runtimes.onnxruntime.layers import assemble
    from workbench.runtimes.onnxruntime.trace import read_passes

    assert network.file is not None
    exported = count_graph(network.file, {name: tuple(value.shape) for name, value in network.feed.items()})
    executed = folder / "executed.onnx"
    graph = read_model(executed if executed.is_file() else network.file).graph
    passes = read_passes(folder / "trace.json")
    # The first pass of all shows what the runtime allocates; later ones find it there.
    return assemble(exported, graph, passes[warmup:], network.scheme, count, passes[0])


def warnings_of(
    network: Network, conditions: Mapping[str, Any], target: str, providers: Sequence[Provider]
) -> list[str]:
    """What makes a network's numbers doubtful, one sentence each; ``conditions``: its own, with its stored result."""
    what, warnings = f"{network.label}@{target}", []
    agreed = conditions["agreement"]
    if not agreed["agrees"]:
        warnings.append(
            f"{what}: its outputs differ from the host's (SQNR {agreed['sqnr_db']:.1f} dB, at least "
            f"{agreed['least_db']:.1f} expected): the whole picture's latency doesn't count"
        )
    if conditions["clocks"]["throttled"]:
        warnings.append(f"{what}: throttled, clocks fell to {conditions['clocks']['khz_least'] / 1e6:.2f} GHz")
    if conditions["started_warm"]:
        warnings.append(
            f"{what}: started warm ({conditions['started_warm']}) after {conditions['cooled_s']:.0f} s of cooling down"
        )
    before, after = conditions["before"]["thermal_status"], conditions["after"]["thermal_status"]
    if before is not None and after is not None and after > before:
        warnings.append(f"{what}: the thermal status rose from {before} to {after}")
    if conditions["cut"]:
        warnings.append(f"{what}: ended at the time limit with n={conditions['validity']['n']}")
    if conditions["before"]["battery_charging"]:
        warnings.append(f"{what}: the battery was charging, which warms the device")
    if conditions["cores_missing"]:
        warnings.append(
            f"{what}: cores {conditions['cores_missing']} weren't available, it ran on {conditions['cores']}"
        )
    fallen = on_cpu(conditions["kernels_per_pass"]) if any(p.name != "cpu" for p in providers) else None
    if fallen:
        warnings.append(f"{what}: {fallen}")
    return warnings


def environment_of(facts: Facts, version: str) -> dict[str, Any]:
    """The device in the words of ``workbench.store.environment``."""
    return {
        "cpu": facts.name,
        "machine": facts.machine,
        "cpu_flags": list(facts.cpu_features),
        "cores_usable": sum(len(cores.numbers) for cores in facts.classes),
        "memory_bytes": facts.memory_bytes,
        "os": facts.version,
        "libraries": {RUNTIME.distribution: version},
        "unknown": dict(facts.unknown),
    }
