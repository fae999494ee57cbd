"""Networks measured on this machine, against each other: interleaved times, then layers, then memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from workbench.limits import fits
from workbench.measure.clock import interleaved, once_ms, reloaded
from workbench.measure.counts import Count
from workbench.measure.layers import Layers
from workbench.measure.memory import drop_from_cache
from workbench.measure.network import Network
from workbench.measure.record import Measured, Record, Timed, with_pipeline
from workbench.profile import disturbance
from workbench.profile.ceilings import ceilings
from workbench.profile.peak_memory import peak_memory
from workbench.runtimes import base
from workbench.runtimes.base import Compiles, Runtime
from workbench.runtimes.load import file_size
from workbench.store.environment import environment
from workbench.store.store import Store

if TYPE_CHECKING:
    from workbench.progress import Progress, Tick

STEADY = 0.05
"""Warm-up goes on until the last passes differ by less than this (or a limit is reached)."""
USUAL, LOAD_S = 5e10, 0.5
"""MACs a second, and seconds of loading a network: only for the time left, which a faster machine shares evenly."""
LAYER_PASSES = 20
"""Most passes with profiling on: a median needs no more, and a profile holds every kernel of every pass."""


@dataclass(frozen=True)
class Settings:
    """How to measure: on which runtimes, threads inside an operator, least passes and seconds of timing, warm-up."""

    runtimes: tuple[str, ...]
    threads: int
    iterations: int
    min_seconds: float
    warmup: int


def measure_host(
    networks: Sequence[Network],
    counts: Mapping[tuple[str, str], Count],
    settings: Settings,
    seed: int,
    store: Store,
    progress: Progress,
) -> list[Record]:
    """Measures every network on each of the settings' runtimes that can run it: a record per candidate and runtime.

    Networks that are the same file are measured once and the figures stand for all of them. A candidate of which a
    runtime refuses some network isn't measured there.

    ``networks`` are in the order of the chain, ``counts`` by candidate and component; ``seed`` is that of the inputs,
    ``store`` where the machine's ceilings are kept.

    Raises:
        RunError: a network can't be loaded or run.
        InputError: a runtime isn't installed.
    """
    records: list[Record] = []
    for name in settings.runtimes:
        runtime = base.runtime(name)
        refused = {n.candidate for n in networks if runtime.refuses(n)}
        chosen = [n for n in networks if n.candidate not in refused]
        before = disturbance.moment()
        measured, apart = _measure(runtime, chosen, counts, settings, progress)
        facts = {
            "threads": settings.threads,
            "seed": seed,
            "noise": disturbance.between(before, disturbance.moment()),
            "runtime_settings": dict(runtime.settings),
            "ceilings": ceilings(name, settings.threads, store),
            "environment": environment(),
        }
        for candidate in dict.fromkeys(n.candidate for n in chosen):
            parts = [n for n in chosen if n.candidate == candidate]
            components = {n.component: measured[n.candidate, n.component] for n in parts}
            peak = peak_memory(runtime.name, parts, settings.threads)
            record = Record(candidate, runtime.name, runtime.target, components, peak, facts, apart)
            records.append(with_pipeline(record, parts[0]))
    return records


def _measure(
    runtime: Runtime,
    networks: Sequence[Network],
    counts: Mapping[tuple[str, str], Count],
    settings: Settings,
    progress: Progress,
) -> tuple[dict[tuple[str, str], Measured], tuple[str, ...]]:
    """Every network's measurements, shared by equal networks; and components of which one was loaded at a time."""
    distinct: dict[tuple[str, str], Network] = {}
    for network in networks:
        distinct.setdefault(network.identity, network)
    timed: dict[tuple[str, str], Timed] = {}
    layers: dict[tuple[str, str], Layers] = {}
    apart: list[str] = []
    passes = min(settings.iterations, LAYER_PASSES)
    kinds = list(dict.fromkeys(n.component for n in distinct.values()))
    rounds = len(kinds) * settings.iterations
    weights = _weights(kinds, list(distinct.values()), counts, settings, passes)
    with progress(f"profile on {runtime.target}", rounds + len(distinct) * passes, weights) as tick:
        done = 0
        for component in kinds:
            group = [network for network in distinct.values() if network.component == component]
            time = _time if len(group) < 2 or _together(runtime, group) else _by_turns
            timed |= time(runtime, group, settings, tick, done)
            if time is _by_turns:
                apart.append(component)
            done += settings.iterations
        for identity, network in distinct.items():
            counted = counts[network.candidate, network.component]
            layers[identity] = runtime.layers(network, counted, settings.threads, min(settings.warmup, 3), passes)
            done += passes
            tick(done, network.label)
    measured = {}
    for network in networks:
        first = distinct[network.identity]
        read = runtime.files(network)
        size = file_size(network.file) if network.file else sum(file.stat().st_size for file in read)
        measured[network.candidate, network.component] = Measured(
            scheme=network.scheme,
            inputs=tuple(network.feed),
            size_bytes=size,
            timed=timed[network.identity],
            layers=layers[network.identity],
            count=counts[network.candidate, network.component],
            shared_with=None if first is network else first.label,
        )
    return measured, tuple(apart)


def _weights(
    kinds: Sequence[str],
    networks: Sequence[Network],
    counts: Mapping[tuple[str, str], Count],
    settings: Settings,
    passes: int,
) -> list[float]:
    """About the seconds of each round of a component's networks, then of each pass with profiling on."""
    weights: list[float] = []
    seconds = [counts[n.candidate, n.component].macs_with_attention / USUAL for n in networks]
    for kind in kinds:
        timed = [
            max(s, settings.min_seconds / settings.iterations)
            for n, s in zip(networks, seconds, strict=True)
            if n.component == kind
        ]
        weights += [sum(timed)] * settings.iterations
    return weights + [s + LOAD_S / passes for s in seconds for _ in range(passes)]


def _together(runtime: Runtime, group: Sequence[Network]) -> bool:
    """Whether all networks fit into memory at once."""
    files = [file for network in group for file in runtime.files(network)]
    return fits(round(runtime.loaded_per_file_byte * sum(file.stat().st_size for file in files)))


def _by_turns(
    runtime: Runtime, networks: Sequence[Network], settings: Settings, tick: Tick, done: int
) -> dict[tuple[str, str], Timed]:
    """Times networks of which only one is loaded at a time, in rounds all the same: drift hits all alike."""
    loads: dict[str, tuple[float, float, float, str | None]] = {}
    for network in networks:
        loads[network.label], call = _loaded(runtime, network, settings)
        del call
    stats = reloaded(
        {network.label: partial(runtime.load, network, settings.threads) for network in networks},
        settings.iterations,
        lambda n: tick(done + n, networks[0].component),
    )
    return {network.identity: Timed(stats[network.label], *loads[network.label]) for network in networks}


def _loaded(
    runtime: Runtime, network: Network, settings: Settings
) -> tuple[tuple[float, float, float, str | None], Callable[[], object]]:
    """The network loaded: ms of loading it cold and warm and of the first call, what that found; and the call."""
    drop_from_cache(runtime.files(network))
    cold, first = once_ms(partial(runtime.load, network, settings.threads))
    del first
    warm, call = once_ms(partial(runtime.load, network, settings.threads))
    cache = runtime.first_call(network) if isinstance(runtime, Compiles) else None
    first_call, _ = once_ms(call)
    return (cold, warm, first_call, cache), call


def _time(
    runtime: Runtime, networks: Sequence[Network], settings: Settings, tick: Tick, done: int
) -> dict[tuple[str, str], Timed]:
    calls: dict[str, Callable[[], object]] = {}
    loads: dict[str, tuple[float, float, float, str | None]] = {}
    for network in networks:
        loads[network.label], calls[network.label] = _loaded(runtime, network, settings)
    stats = interleaved(
        calls,
        settings.warmup,
        settings.iterations,
        settings.min_seconds,
        lambda n: tick(done + min(n, settings.iterations), networks[0].component),
        steady=STEADY,
    )
    return {network.identity: Timed(stats[network.label], *loads[network.label]) for network in networks}
