"""Times a network on an attached x86-64 device and on this host in turns, and what the way over adb costs.

Usage: python tests/device_rig/rig.py run python benchmarks/device_vs_host.py MODEL.onnx [ROUNDS]
(or without the rig, where a device of the host's kind is attached: adb:SERIAL as third argument).

The rig's x86-64 device is this host behind a real adb daemon, so both should take the same time: the ratio shows what
the runner adds. Prints each round's medians, the ratio of their medians, and seconds of the path: probe, files that
are there already, pulling results. Exits 1 when the ratio is off by more than 5 % or the path takes more than 1 s.
Meant for a machine that does nothing else.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from workbench.devices.measure import DeviceSettings, measure_network, push_model, stored_result
from workbench.devices.probe import probe
from workbench.devices.session import DeviceSession
from workbench.devices.target import Ready, devices_of
from workbench.measure.network import Network
from workbench.progress import quiet
from workbench.runtimes.onnxruntime.session import session
from workbench.sources import Request, resolve
from workbench.store.store import Store

PASSES, WARMUP, MOST_OFF, MOST_S = 30, 5, 0.05, 1.0


def main() -> int:
    """Runs both comparisons; 1 where a figure is missed."""
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    store = Store()
    ready = devices_of([sys.argv[3] if len(sys.argv) > 3 else "adb:127.0.0.1:15600"])[0]
    network = resolve(Request(sys.argv[1], store))[0]
    settings = DeviceSettings(threads=None, iterations=PASSES, min_seconds=0.0, warmup=WARMUP).on(ready.facts)
    with DeviceSession(ready, settings, store, quiet) as device, tempfile.TemporaryDirectory() as scratch:
        off = compare(device, ready, network, settings, rounds, Path(scratch))
        seconds = overhead(device, ready, network, settings, Path(scratch))
    missed = [*(["ratio"] if off > MOST_OFF else []), *(["path"] if seconds > MOST_S else [])]
    print(f"missed: {', '.join(missed)}" if missed else "both figures reached")
    return int(bool(missed))


def compare(
    device: DeviceSession, ready: Ready, network: Network, settings: DeviceSettings, rounds: int, scratch: Path
) -> float:
    """Medians in turns, the host first in every other round; by how much their ratio is off 1."""
    tools = device.tools()
    assert network.file is not None and settings.threads is not None
    model = push_model(tools.folder, network, scratch)
    here = session(network.file, settings.threads)
    feed = dict(network.feed)

    def on_device() -> float:
        folder = tools.folder.job_folder("network")
        job = tools.job(folder, [model], settings, ready.facts, phases=("time",), warmup=WARMUP, iterations=PASSES)
        result = tools.folder.run(tools.runner, job, scratch)
        assert result.times is not None
        return result.times.stats.median

    def on_host() -> float:
        for _ in range(WARMUP):
            here.run(None, feed)
        taken = []
        for _ in range(PASSES):
            start = time.perf_counter()
            here.run(None, feed)
            taken.append((time.perf_counter() - start) * 1e3)
        return statistics.median(taken)

    found: dict[str, list[float]] = {"host": [], "device": []}
    turns = [("host", on_host), ("device", on_device)]
    for i in range(rounds):
        for name, measure in turns if i % 2 == 0 else turns[::-1]:
            found[name].append(measure())
        print(f"round {i + 1}: host {found['host'][-1]:.3f} ms, device {found['device'][-1]:.3f} ms (n={PASSES} each)")
    medians = {name: statistics.median(values) for name, values in found.items()}
    ratio = medians["device"] / medians["host"]
    spread = {name: f"{min(values):.3f} to {max(values):.3f}" for name, values in found.items()}
    print(
        f"device {medians['device']:.3f} ms ({spread['device']}) ÷ host {medians['host']:.3f} ms ({spread['host']}), "
        f"medians of {rounds} rounds, {settings.threads} threads: {ratio:.3f}"
    )
    return abs(ratio - 1)


def overhead(device: DeviceSession, ready: Ready, network: Network, settings: DeviceSettings, scratch: Path) -> float:
    """Seconds that a candidate costs besides the runner's own work: all files are on the device already."""
    tools = device.tools()
    measure_network(tools, network, settings, ready.facts, scratch)
    start = time.perf_counter()
    for _ in range(2):  # before and after
        probe(ready.device)
    probed = time.perf_counter() - start
    start = time.perf_counter()
    push_model(tools.folder, network, scratch)
    pushed = time.perf_counter() - start
    start = time.perf_counter()
    measure_network(tools, network, settings, ready.facts, scratch)
    taken = time.perf_counter() - start
    runner = stored_result(scratch).wall_ms / 1e3
    assert network.file is not None
    start = time.perf_counter()
    session(network.file).run(None, dict(network.feed))  # the check against the host is no part of the path
    host = time.perf_counter() - start
    path = probed + taken - runner - host
    print(
        f"path over adb: {path:.2f} s a network (two probes {probed:.2f} s, unchanged files {pushed:.2f} s, the rest "
        f"is job, start and pulling); the runner itself {runner:.2f} s, host's check {host:.2f} s"
    )
    return path


if __name__ == "__main__":
    sys.exit(main())
