"""A machine's own ceilings, measured through a runtime: float and 8-bit products per second, and bytes per second.

The ceilings of a roofline (Williams, Waterman, Patterson 2009, doi:10.1145/1498765.1498785), the one of memory by how
much an operator moves, since what fits into a cache is faster (as Ilic, Pratas, Sousa 2014, doi:10.1109/L-CA.2013.6).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from workbench.errors import RunError, WorkbenchError
from workbench.measure.clock import Stats, interleaved
from workbench.measure.network import Network
from workbench.profile.ceiling_models import PROBES, Probe, onnx_network, torch_network
from workbench.runtimes import base
from workbench.runtimes.base import code_of, described
from workbench.runtimes.descriptor import Descriptor
from workbench.store.depends import depends_on
from workbench.store.environment import fingerprint
from workbench.store.store import Store, key_of

if TYPE_CHECKING:
    from workbench.profile.summary import Ceilings, Reached

ROUNDS, LEAST_SECONDS = 2, 0.06
"""Each probe is measured in rounds some seconds apart, this long each: a disturbance seldom hits both."""
BUSY = 0.6
"""Median ÷ best of a product below which the machine was busy with something else."""
WHAT = "best observed through this runtime with these threads; products in GMAC/s, memory in GB/s (1e9)"


def ceilings(name: str, threads: int, store: Store) -> Ceilings:
    """The ceilings of this machine under one runtime; measured once (some 3 s), then taken from the store;
    measured again the next time when the machine was busy.

    ``name`` is a runtime's; one that calls another's products has the other's ceilings. They are kept by machine,
    threads, runtime and its version.

    Raises:
        InputError: there is no such runtime, or it isn't installed.
        RunError: the runtime can't even multiply floats.
    """
    descriptor = described(described(name).ceilings.of or name)
    runtime = base.runtime(descriptor.name)
    key = _key(descriptor, threads)

    def load(probe: Probe, folder: Path) -> Callable[[], object]:
        if descriptor.ceilings.load:
            return descriptor.ceilings.load(*torch_network(probe), threads)
        return runtime.load(_network(probe, folder), threads)

    stored = store.get(key)
    if stored is not None:
        return cast("Ceilings", stored)
    with tempfile.TemporaryDirectory(prefix="workbench-ceilings-") as scratch:
        measured = _measure(descriptor, threads, load, Path(scratch))
    if not measured["warnings"]:  # what a busy machine gave is used once, and measured again the next time
        store.compute(key, lambda _folder: measured)
    return measured


def known(name: str, threads: int, store: Store) -> Ceilings | None:
    """The ceilings under one runtime where they were measured before."""
    key = _key(described(described(name).ceilings.of or name), threads)
    return cast("Ceilings | None", store.get(key))


def _key(descriptor: Descriptor, threads: int) -> str:
    return key_of(
        {
            "what": "ceilings",
            **depends_on(_measure, code_of(descriptor.name)),
            "machine": fingerprint(),
            "threads": threads,
            "runtime": descriptor.name,
        }
    )


def _measure(
    descriptor: Descriptor, threads: int, load: Callable[[Probe, Path], Callable[[], object]], folder: Path
) -> Ceilings:
    started = time.perf_counter()
    calls: dict[Probe, Callable[[], object]] = {}
    refused = dict(descriptor.ceilings.refused)
    for probe in PROBES:
        if probe.kind in descriptor.ceilings.refused or (probe.op == "Add" and descriptor.ceilings.merges_sums):
            continue
        try:
            calls[probe] = load(probe, folder)
            calls[probe]()
        except WorkbenchError as error:
            calls.pop(probe, None)
            refused[probe.kind] = str(error)
    samples: dict[Probe, list[float]] = {probe: [] for probe in calls}
    for _ in range(ROUNDS):
        for probe, call in calls.items():
            samples[probe] += interleaved({"": call}, 1, 3, LEAST_SECONDS)[""].samples
    reached: dict[str, list[Reached]] = {"fp32": [], "int8": [], "memory": []}
    for probe, taken in samples.items():
        reached[probe.kind].append(_rate(probe, taken))
    if not reached["fp32"] or not reached["memory"]:
        raise RunError(f"{descriptor.name}: its ceilings can't be measured: {'; '.join(refused.values())}")
    fp32 = max(reached["fp32"], key=lambda r: r["best"])
    int8 = max(reached["int8"], key=lambda r: r["best"], default=None)
    return {
        "runtime": descriptor.name,
        "threads": threads,
        "what": WHAT,
        "fp32": fp32,
        "int8": int8,
        "memory": sorted(reached["memory"], key=lambda r: r["bytes"]),
        "refused": refused,
        "warnings": _warnings(fp32, int8),
        "seconds": round(time.perf_counter() - started, 2),
    }


def _rate(probe: Probe, taken: Sequence[float]) -> Reached:
    rates = Stats(tuple(probe.work / ms / 1e6 for ms in taken))  # per ms / 1e6: units of 1e9 per second
    memory = probe.kind == "memory"
    reached: Reached = {
        "best": round(max(rates.samples), 2),
        "median": round(rates.median, 2),
        "iqr": round(rates.iqr, 2),
        "n": rates.n,
        "unit": "GB/s" if memory else "GMAC/s",
        "of": probe.words,
    }
    if memory:
        reached["bytes"] = probe.bytes_per_op
    return reached


def _warnings(*rates: Reached | None) -> list[str]:
    """Products whose usual rate was far below their best one: then the best may be too low as well."""
    return [
        f"ceilings: half of the runs of a {rate['of']} stayed below {rate['median']} GMAC/s, the best reached "
        f"{rate['best']}: the machine was busy, and its ceiling may be higher"
        for rate in rates
        if rate and rate["median"] < BUSY * rate["best"]
    ]


def _network(probe: Probe, folder: Path) -> Network:
    """The probe as an ONNX file, which lies only where it is not kept (``state``)."""
    import onnx

    model, feed = onnx_network(probe)
    path = folder / "state" / f"{PROBES.index(probe)}.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return Network(candidate="ceiling", component="model", scheme=probe.kind, feed=feed, file=path)
