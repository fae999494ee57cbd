"""Networks measured on this machine, against each other: times in turns, then layers, then memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.measure.clock import interleaved, once_ms
from workbench.measure.counts import Count
from workbench.measure.layers import Layers
from workbench.measure.memory import available_bytes, drop_from_cache
from workbench.measure.network import Network
from workbench.measure.simulated import in_float
from workbench.profile import disturbance
from workbench.profile.ceilings import ceilings
from workbench.profile.peak_memory import peak_memory
from workbench.profile.write import Budget, write_profile
from workbench.runtimes.base import Compiles, Measured, Runtime, Timed, runtime
from workbench.store.environment import environment
from workbench.store.processor import usable_cores
from workbench.store.store import Store

if TYPE_CHECKING:
    from workbench.progress import Progress, Tick

STEADY = 0.05
"""Warm-up goes on until the last passes differ by less than this (or a limit is reached)."""
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


def profile_host(
    networks: Sequence[Network],
    counts: Mapping[tuple[str, str], Count],
    settings: Settings,
    budget: Budget | None,
    seed: int,
    out: Path,
    store: Store,
    progress: Progress,
    lineage: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Measures every network on every runtime asked for that can run it; summaries by target and candidate.

    Networks that are the same file are measured once and the figures stand for all of them. A candidate of which a
    runtime refuses some network isn't measured there. Writes ``CANDIDATE@TARGET.csv`` (layers) and ``.json`` (the
    summary) into ``out``.

    Args:
        networks: in the order of the chain; all components of a candidate that are to be measured.
        counts: MACs and parameters by candidate and component.
        settings: how to measure.
        budget: of the whole pipeline; None where there is none.
        seed: of the inputs.
        out: folder for the files.
        store: where the machine's ceilings are kept.
        progress: told of every measured round.
        lineage: steps that made each candidate, for the summary.

    Raises:
        RunError: a network can't be loaded or run.
        InputError: a runtime isn't installed.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name in settings.runtimes:
        place = runtime(name)
        refused = {n.candidate for n in networks if place.refuses(n)}
        own_networks = [n for n in networks if n.candidate not in refused]
        before = disturbance.moment()
        measured, warnings = _measure(place, own_networks, counts, settings, progress)
        disturbed = disturbance.between(before, disturbance.moment())
        warnings += disturbance.warnings(disturbed, place.target)
        if settings.threads > usable_cores():
            warnings.append(f"{place.target}: {settings.threads} threads on {usable_cores()} usable cores")
        bounds = ceilings(name, settings.threads, store)
        warnings += [f"{place.target}: {warning}" for warning in bounds["warnings"]]
        shared = {
            "threads": settings.threads,
            "seed": seed,
            "noise": disturbed,
            "runtime_settings": dict(place.settings),
            "ceilings": bounds,
            "environment": environment(),
        }
        found[place.target] = {}
        for candidate in dict.fromkeys(n.candidate for n in own_networks):
            own = {m.network.component: m for m in measured if m.network.candidate == candidate}
            peak = peak_memory(place.name, [m.network for m in own.values()], settings.threads)
            if peak.peak is None:
                warnings.append(f"{candidate}@{place.target}: peak memory: {peak.reason}")
            found[place.target][candidate] = write_profile(
                out,
                place,
                own,
                peak,
                budget,
                shared | {"lineage": list((lineage or {}).get(candidate, ()))},
                [*warnings, *_notes(place, own)],
            )
    return found


def _measure(
    place: Runtime,
    networks: Sequence[Network],
    counts: Mapping[tuple[str, str], Count],
    settings: Settings,
    progress: Progress,
) -> tuple[list[Measured], list[str]]:
    """Every network measured, or found among those that are the same; and warnings that concern them all."""
    distinct: dict[tuple[str, str], Network] = {}
    for network in networks:
        distinct.setdefault(network.identity, network)
    timed: dict[tuple[str, str], Timed] = {}
    layers: dict[tuple[str, str], Layers] = {}
    warnings: list[str] = []
    passes = min(settings.iterations, LAYER_PASSES)
    kinds = list(dict.fromkeys(n.component for n in distinct.values()))
    rounds = len(kinds) * settings.iterations
    with progress(f"profile on {place.target}", rounds + len(distinct) * passes) as tick:
        done = 0
        for component in kinds:
            group = [network for network in distinct.values() if network.component == component]
            batches = _that_fit(place, group)
            for together in batches:
                timed |= _time(place, together, settings, tick, done)
            if len(batches) > 1:
                warnings.append(f"{place.target} {component}: too little memory to measure all candidates in turns")
            done += settings.iterations
        for identity, network in distinct.items():
            counted = counts[network.candidate, network.component]
            layers[identity] = place.layers(network, counted, settings.threads, min(settings.warmup, 3), passes)
            done += passes
            tick(done, network.label)
    measured = []
    for network in networks:
        first = distinct[network.identity]
        counted = counts[network.candidate, network.component]
        note = None if first is network else first.label
        measured.append(Measured(network, timed[network.identity], layers[network.identity], counted, note))
    return measured, warnings


def _that_fit(place: Runtime, group: Sequence[Network]) -> list[list[Network]]:
    """All networks together when they fit into memory, else each by itself."""
    need = place.loaded_per_file_byte * sum(file.stat().st_size for network in group for file in place.files(network))
    free = available_bytes()
    if not group or free is None or need <= free:
        return [list(group)] if group else []
    return [[network] for network in group]


def _time(
    place: Runtime, networks: Sequence[Network], settings: Settings, tick: Tick, done: int
) -> dict[tuple[str, str], Timed]:
    calls: dict[str, Callable[[], object]] = {}
    loads: dict[str, tuple[float, float, float, str | None]] = {}
    for network in networks:
        drop_from_cache(place.files(network))
        cold, first = once_ms(partial(place.load, network, settings.threads))
        del first
        warm, call = once_ms(partial(place.load, network, settings.threads))
        cache = place.first_call(network) if isinstance(place, Compiles) else None
        first_call, _ = once_ms(call)
        calls[network.label] = call
        loads[network.label] = (cold, warm, first_call, cache)
    stats = interleaved(
        calls,
        settings.warmup,
        settings.iterations,
        settings.min_seconds,
        lambda n: tick(done + min(n, settings.iterations), networks[0].component),
        steady=STEADY,
    )
    return {network.identity: Timed(stats[network.label], *loads[network.label]) for network in networks}


def _notes(place: Runtime, own: Mapping[str, Measured]) -> list[str]:
    found = []
    for name, m in own.items():
        imitated = in_float(m.network.scheme, m.layers.integer.layers, m.layers.integer.stored)
        found += [f"{m.network.label}@{place.target}: {imitated}"] if imitated else []
        found += m.timed.stats.warnings(f"{m.shared_with or m.network.label}@{place.target}")
        if m.count.uncounted:
            listed = ", ".join(f"{op} ({n})" for op, n in m.count.uncounted.items())
            found.append(f"{m.network.candidate}.{name}: not counted in MACs: {listed}")
        found += [f"{m.network.candidate}.{name}: {note}" for note in m.count.notes]
    return found
