"""All candidates of a recipe measured on this machine, against each other: times in turns, then layers, then memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.models.candidate import COMPONENTS, Candidate
from workbench.profile import noise
from workbench.profile.clock import interleaved, once_ms
from workbench.profile.counts import count_candidates
from workbench.profile.layers import Layers
from workbench.profile.macs import Count
from workbench.profile.memory import Peak, available_bytes, drop_from_cache, peak_memory
from workbench.profile.runtime import Measured, Runtime, Timed, Unit, runtime
from workbench.profile.write import write_profile
from workbench.store.environment import environment, usable_cores

if TYPE_CHECKING:
    from workbench.progress import Progress, Tick
    from workbench.recipe.schema import ProfileConfig

LAYER_PASSES = 20
"""Most passes with profiling on: a median needs no more, and a profile holds every kernel of every pass."""
LOADED_PER_FILE_BYTE = 2.5
"""Memory that a loaded component takes at most, per byte of its file: weights, and a copy in the kernels' layout."""


def profile_host(
    candidates: Sequence[Candidate],
    onnx_paths: Mapping[str, Mapping[str, Path]],
    config: ProfileConfig,
    steps: int,
    guidance_scale: float,
    seed: int,
    out: Path,
    progress: Progress,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Measures every candidate on every runtime that the recipe asks for; summaries by target and candidate.

    A component that several candidates share (the same file) is measured once and stands for all of them. Writes
    ``CANDIDATE@TARGET.csv`` (layers) and ``.json`` (the summary) into ``out``.

    Args:
        candidates: in the order of the chain.
        onnx_paths: ONNX file by candidate name and component.
        config: runtimes, threads, iterations, least seconds, warm-up.
        steps: denoising steps of the pipeline's budget.
        guidance_scale: above 1 the text encoder and the U-Net run twice per step (with and without prompt).
        seed: of the inputs.
        out: folder for the files.
        progress: told of every measured round.

    Raises:
        RunError: a component can't be loaded or run.
    """
    threads = config.threads or usable_cores()
    counts = count_candidates(candidates, onnx_paths)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name in config.runtimes:
        place = runtime(name)
        units = _units(place, candidates, onnx_paths, seed)
        before = noise.moment()
        measured, warnings = _measure(place, units, counts, config, threads, progress)
        disturbance = noise.between(before, noise.moment())
        warnings += noise.warnings(disturbance, place.target)
        if threads > usable_cores():
            warnings.append(f"{place.target}: {threads} threads on {usable_cores()} usable cores")
        shared = {"threads": threads, "seed": seed, "noise": disturbance, "environment": environment()}
        found[place.target] = {}
        for candidate in dict.fromkeys(unit.candidate.name for unit in units):
            own = {m.unit.component: m for m in measured if m.unit.candidate.name == candidate}
            peak = _memory(place, own, threads)
            found[place.target][candidate] = write_profile(
                out,
                place,
                own,
                peak,
                steps,
                guidance_scale,
                shared,
                [*warnings, *_notes(place, own, peak)],
                onnx_paths[candidate],
            )
    return found


def _units(
    place: Runtime, candidates: Sequence[Candidate], onnx_paths: Mapping[str, Mapping[str, Path]], seed: int
) -> list[Unit]:
    from workbench.export.components import spec

    units = []
    for candidate in candidates:
        paths = {name: place.path(candidate, name, onnx_paths[candidate.name]) for name in COMPONENTS}
        if all(path is not None for path in paths.values()):
            units += [Unit(candidate, n, p, spec(candidate, n).seeded(seed)) for n, p in paths.items() if p is not None]
    return units


def _measure(
    place: Runtime,
    units: Sequence[Unit],
    counts: Mapping[tuple[str, str], Count],
    config: ProfileConfig,
    threads: int,
    progress: Progress,
) -> tuple[list[Measured], list[str]]:
    """Every unit measured, or found among those that are the same network; and warnings that concern them all."""
    distinct: dict[tuple[str, str], Unit] = {}
    for unit in units:
        distinct.setdefault(unit.identity, unit)
    timed: dict[tuple[str, str], Timed] = {}
    layers: dict[tuple[str, str], Layers] = {}
    warnings: list[str] = []
    passes = min(config.iterations, LAYER_PASSES)
    rounds = len({unit.component for unit in distinct.values()}) * config.iterations
    with progress(f"profile on {place.target}", rounds + len(distinct) * passes) as tick:
        done = 0
        for component in COMPONENTS:
            group = [unit for unit in distinct.values() if unit.component == component]
            batches = _that_fit(place, group)
            for together in batches:
                timed |= _time(place, together, config, threads, tick, done)
            if len(batches) > 1:
                warnings.append(f"{place.target} {component}: too little memory to measure all candidates in turns")
            done += config.iterations
        for identity, unit in distinct.items():
            counted = counts[unit.candidate.name, unit.component]
            layers[identity] = place.layers(unit, counted, threads, min(config.warmup, 3), passes)
            done += passes
            tick(done, unit.label)
    measured = []
    for unit in units:
        first = distinct[unit.identity]
        counted = counts[unit.candidate.name, unit.component]
        note = None if first is unit else first.label
        measured.append(Measured(unit, timed[unit.identity], layers[unit.identity], counted, note))
    return measured, warnings


def _that_fit(place: Runtime, group: Sequence[Unit]) -> list[list[Unit]]:
    """All units together when they fit into memory, else each by itself."""
    need = LOADED_PER_FILE_BYTE * sum(file.stat().st_size for unit in group for file in place.files(unit))
    free = available_bytes()
    if not group or free is None or need <= free:
        return [list(group)] if group else []
    return [[unit] for unit in group]


def _time(
    place: Runtime, units: Sequence[Unit], config: ProfileConfig, threads: int, tick: Tick, done: int
) -> dict[tuple[str, str], Timed]:
    calls, loads = {}, {}
    for unit in units:
        drop_from_cache(place.files(unit))
        cold, first = once_ms(partial(place.load, unit, threads))
        del first
        warm, call = once_ms(partial(place.load, unit, threads))
        first_call, _ = once_ms(call)
        calls[unit.label] = call
        loads[unit.label] = (cold, warm, first_call)
    stats = interleaved(
        calls,
        config.warmup,
        config.iterations,
        config.min_seconds,
        lambda n: tick(done + min(n, config.iterations), units[0].component),
    )
    return {unit.identity: Timed(stats[unit.label], *loads[unit.label]) for unit in units}


def _memory(place: Runtime, own: Mapping[str, Measured], threads: int) -> Peak:
    source = next(iter(own.values())).unit.candidate.source
    return peak_memory(place.name, {name: m.unit.path for name, m in own.items()}, threads, source)


def _notes(place: Runtime, own: Mapping[str, Measured], peak: Peak) -> list[str]:
    found = [] if peak.peak is not None else [f"peak memory: {peak.reason}"]
    for name, m in own.items():
        integer = m.layers.integer
        if integer.layers < 0.9 * integer.stored:
            found.append(
                f"{m.unit.label}@{place.target}: {integer.stored:.0%} of the MACs are quantized in the file, but only "
                f"{integer.layers:.0%} run in integers: the runtime dequantizes and computes in float"
            )
        found += m.timed.stats.warnings(f"{m.shared_with or m.unit.label}@{place.target}")
        if m.count.uncounted:
            listed = ", ".join(f"{op} ({n})" for op, n in m.count.uncounted.items())
            found.append(f"{m.unit.candidate.name}.{name}: not counted in MACs: {listed}")
    return found
