"""What a device's results say, as the profile's parts: times and layers, conditions, warnings, the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.devices.measure import conditions_of, stored_result
from workbench.devices.probe import Facts
from workbench.devices.providers import Provider, on_cpu, placement
from workbench.measure.counts import Count
from workbench.measure.layers import Layers
from workbench.measure.network import Network
from workbench.runtimes.base import Measured, Timed


def measured_of(network: Network, folder: Path, count: Count, shared: str | None) -> tuple[Measured, dict[str, Any]]:
    """Times and layers of a network whose results lie in ``folder``, and the conditions under which they came (JSON).

    Args:
        network: what was measured.
        folder: the stored result.
        count: the network's MACs and parameters.
        shared: the label of the network whose measurement this is, where they are the same files.
    """
    result = stored_result(folder)
    assert result.times is not None and result.recorded is not None
    layers = _layers(network, folder, count, result.recorded.warmup)
    times = result.times
    timed = Timed(times.stats, times.load_cold_ms, times.load_warm_ms, times.first_call_ms)
    passes = result.recorded.warmup + result.recorded.passes
    ran = {
        provider: {op: count / passes for op, count in ops.items()}
        for provider, ops in placement(folder / "trace.json").items()
    }
    return Measured(network, timed, layers, count, shared), {**conditions_of(result), "kernels_per_pass": ran}


def _layers(network: Network, folder: Path, count: Count, warmup: int) -> Layers:
    from workbench.graphs.macs import count_graph, load_graph
    from workbench.runtimes.onnxruntime.layers import assemble
    from workbench.runtimes.onnxruntime.trace import read_passes

    assert network.file is not None
    exported = count_graph(network.file, {name: tuple(value.shape) for name, value in network.feed.items()})
    executed = folder / "executed.onnx"
    graph = load_graph(executed if executed.is_file() else network.file)
    passes = read_passes(folder / "trace.json")
    # The first pass of all tells what the runtime allocates; later ones find it there.
    return assemble(exported, graph, passes[warmup:], network.scheme, count, passes[0])


def state_of(facts: Facts) -> dict[str, Any]:
    """What changes on a device while it works."""
    names = ("thermal_status", "temperatures", "battery_percent", "battery_charging", "battery_celsius", "clocks_khz")
    return {name: getattr(facts, name) for name in (*names, "memory_available_bytes")}


def warnings_of(network: Network, said: Mapping[str, Any], target: str, providers: Sequence[Provider]) -> list[str]:
    """What makes a network's numbers doubtful, one sentence each; ``said`` is its conditions and stored result."""
    what, found = f"{network.label}@{target}", []
    agreed = said["agreement"]
    if not agreed["agrees"]:
        found.append(
            f"{what}: its outputs differ from the host's (SQNR {agreed['sqnr_db']:.1f} dB, at least "
            f"{agreed['least_db']:.1f} expected): the whole picture's latency doesn't count"
        )
    if said["clocks"]["throttled"]:
        found.append(f"{what}: throttled, clocks fell to {said['clocks']['khz_least'] / 1e6:.2f} GHz")
    if said["started_warm"]:
        found.append(f"{what}: started warm ({said['started_warm']}) after {said['cooled_s']:.0f} s of cooling down")
    before, after = said["before"]["thermal_status"], said["after"]["thermal_status"]
    if before is not None and after is not None and after > before:
        found.append(f"{what}: the thermal status rose from {before} to {after}")
    if said["cut"]:
        found.append(f"{what}: ended at the time limit with n={said['validity']['n']}")
    if said["before"]["battery_charging"]:
        found.append(f"{what}: the battery was charging, which warms the device")
    if said["cores_missing"]:
        found.append(f"{what}: cores {said['cores_missing']} were asked for and not had, it ran on {said['cores']}")
    fallen = on_cpu(said["kernels_per_pass"]) if any(p.name != "cpu" for p in providers) else None
    if fallen:
        found.append(f"{what}: {fallen}")
    return found


def environment_of(facts: Facts, version: str) -> dict[str, Any]:
    """The device in the words of ``workbench.store.environment``."""
    return {
        "cpu": facts.name,
        "machine": facts.machine,
        "cpu_flags": list(facts.cpu_features),
        "cores_usable": sum(len(cores.numbers) for cores in facts.classes),
        "memory_bytes": facts.memory_bytes,
        "os": facts.version,
        "libraries": {"onnxruntime": version},
        "unknown": dict(facts.unknown),
    }
