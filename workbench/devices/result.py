"""The runner's result file, as data."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import RunError
from workbench.measure.clock import Stats

if TYPE_CHECKING:
    import numpy as np

SCHEMA = 1


@dataclass(frozen=True)
class Tensor:
    """An input or output: numpy's name of its type, and where it is an output the file it lies in."""

    name: str
    type: str
    shape: tuple[int, ...]
    file: str | None = None
    seeded: bool = False

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Times:
    """In ms: the first load (``cache_dropped``: the kernel took the wish to forget the file), the second, the first
    call, and all samples; ``cut`` where the time limit came before the samples asked for."""

    load_cold_ms: float
    cache_dropped: bool
    load_warm_ms: float
    first_call_ms: float
    stats: Stats
    warmup: int
    cut: bool


@dataclass(frozen=True)
class Recorded:
    """The device's paths of the runtime's profile and of the executed graph (None: ``reason``); passes in it."""

    file: str
    executed: str | None
    reason: str | None
    warmup: int
    passes: int


@dataclass(frozen=True)
class Memory:
    """Bytes resident: at the start, with the library, with all models loaded, at the end, at most; None: unknown."""

    start: int | None
    library: int | None
    loaded: int | None
    end: int | None
    peak: int | None


@dataclass(frozen=True)
class Reading:
    """Clocks of the cores in use in kHz and temperatures in °C, ``ms`` after the start; None: unreadable."""

    ms: int
    khz: tuple[int | None, ...]
    celsius: tuple[float | None, ...]


@dataclass(frozen=True)
class Result:
    """All that the runner found. ``settings`` is what it was given and what it ran on, as it reports itself."""

    version: str
    api: int
    providers: tuple[str, ...]
    machine: str
    release: str
    cpus: tuple[int, ...]
    threads: int
    thermal_zones: tuple[str | None, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    times: Times | None
    recorded: Recorded | None
    memory: Memory | None
    readings: tuple[Reading, ...]
    wall_ms: int
    settings: Mapping[str, Any]

    def check_fed(self, feed: Mapping[str, np.ndarray]) -> None:
        """Whether the model took exactly these inputs, not others of the same size.

        Raises:
            RunError: a name, a type or a shape differs.
        """
        took = {i.name: (i.type, i.shape) for i in self.inputs if not i.seeded}
        meant = {name: (str(value.dtype), tuple(value.shape)) for name, value in feed.items()}
        if took != meant:
            raise RunError(f"the device's inputs aren't those of the host: {took} against {meant}")


def read_result(text: str) -> Result:
    """Parses a result file.

    Raises:
        RunError: it is damaged or of another version of the runner.
    """
    try:
        record = json.loads(text)
        if record.get("runner") != "wbrun" or record.get("schema") != SCHEMA:
            raise RunError(f"the result is not one of this runner (schema {record.get('schema')}, expected {SCHEMA})")
        return _result(record)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"the runner's result is damaged ({type(error).__name__}: {error})") from error


def _result(record: Mapping[str, Any]) -> Result:
    parts = ("time", "outputs", "profile", "memory", "inputs", "readings")
    return Result(
        version=record["library"]["version"],
        api=record["library"]["api"],
        providers=tuple(record["library"]["providers"]),
        machine=record["machine"],
        release=record["release"],
        cpus=tuple(record["cpus"]),
        threads=record["threads"],
        thermal_zones=tuple(record["thermal_zones"]),
        inputs=tuple(_tensor(t) for t in record["inputs"]),
        outputs=tuple(_tensor(t) for t in record.get("outputs", ())),
        times=_times(record["time"]) if "time" in record else None,
        recorded=_recorded(record["profile"]) if "profile" in record else None,
        memory=_memory(record["memory"]) if "memory" in record else None,
        readings=tuple(_reading(r) for r in record["readings"]),
        wall_ms=record["wall_ms"],
        settings={name: value for name, value in record.items() if name not in parts},
    )


def _tensor(t: Mapping[str, Any]) -> Tensor:
    return Tensor(t["name"], t["type"], tuple(t["shape"]), t.get("file"), t.get("seeded", False))


def _times(t: Mapping[str, Any]) -> Times:
    return Times(
        load_cold_ms=t["load_cold_ns"] / 1e6,
        cache_dropped=t["cache_dropped"],
        load_warm_ms=t["load_warm_ns"] / 1e6,
        first_call_ms=t["first_call_ns"] / 1e6,
        stats=Stats(tuple(ns / 1e6 for ns in t["samples_ns"])),
        warmup=t["warmup"],
        cut=t["cut"],
    )


def _recorded(p: Mapping[str, Any]) -> Recorded:
    return Recorded(p["file"], p["executed"], p["executed_reason"], p["warmup"], p["passes"])


def _memory(m: Mapping[str, Any]) -> Memory:
    kb = (m[name] for name in ("start_kb", "library_kb", "loaded_kb", "end_kb", "peak_kb"))
    return Memory(*(None if value is None else value * 1024 for value in kb))


def _reading(r: Mapping[str, Any]) -> Reading:
    celsius = (None if value is None else value / 1000 for value in r["millidegrees"])
    return Reading(r["ms"], tuple(r["khz"]), tuple(celsius))
