"""``workbench compare``: two sources measured in turns, or two stored profiles, and what is left behind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from workbench.comparing.comparison import IN_TURNS, Compared, Comparison, measured, percent, signed
from workbench.comparing.interleaved import LAYER_BATCHES, MOST_LOADS, Plan, batches, measure
from workbench.comparing.layers import of_batches
from workbench.comparing.ratio import of_loads
from workbench.errors import InputError, RunError
from workbench.measure.memory import available_bytes
from workbench.measure.network import Network
from workbench.profile import disturbance
from workbench.profile.counts import count_network
from workbench.progress import Progress
from workbench.runtimes.base import Runtime, described, runtime, threads_asked
from workbench.store.environment import environment
from workbench.store.files import write_atomic
from workbench.store.store import Store


def compare(
    a: str,
    b: str,
    component: str | None,
    runtime_name: str,
    threads: int | None,
    shapes: Mapping[str, tuple[int, ...]],
    plan: Plan,
    layers: bool,
    seed: int,
    store: Store,
    progress: Progress,
) -> Comparison:
    """Compares two sources, or two profiles where both names end in ``.json`` or ``.csv``.

    Raises:
        InputError: one of them can't be used, the two can't be compared, or the runtime can't run them.
        RunError: the measuring failed.
    """
    stored = [Path(name).suffix in (".json", ".csv") for name in (a, b)]
    if all(stored):
        from workbench.verbs.compare.stored import compare_stored

        return compare_stored(Path(a), Path(b), component)
    if any(stored):
        which, other = (a, b) if stored[0] else (b, a)
        raise InputError(
            f"{which} is a stored profile and {other} is not: the two can't be measured in turns",
            hint="give two sources, or two profiles",
        )
    return _sources(a, b, component, runtime_name, threads, shapes, plan, layers, seed, store, progress)


def _sources(
    a: str,
    b: str,
    component: str | None,
    runtime_name: str,
    threads: int | None,
    shapes: Mapping[str, tuple[int, ...]],
    plan: Plan,
    layers: bool,
    seed: int,
    store: Store,
    progress: Progress,
) -> Comparison:
    from workbench.sources import resolve

    threads = threads_asked(threads)
    place = runtime(runtime_name)
    needs: Literal["onnx", "torch"] = "onnx" if described(runtime_name).needs_file else "torch"
    with store.lock():
        sides = [resolve(source, component, shapes, seed, store, progress, needs) for source in (a, b)]
    pairs, warnings = paired(*sides)
    for network in (network for pair in pairs.values() for network in pair):
        if reason := place.refuses(network):
            raise InputError(f"runtime {place.name}: can't run {network.label}: {reason}")
    before = disturbance.moment()
    compared = [
        compare_networks(name, *pair, place, threads, plan, layers, progress, warnings) for name, pair in pairs.items()
    ]
    disturbed = disturbance.between(before, disturbance.moment())
    warnings += disturbance.warnings(disturbed, place.target)
    return Comparison(
        a, b, IN_TURNS, place.name, threads, tuple(compared), disturbed, environment(), tuple(dict.fromkeys(warnings))
    )


def paired(a: Sequence[Network], b: Sequence[Network]) -> tuple[dict[str, tuple[Network, Network]], list[str]]:
    """Networks of both sides by component, and sentences on those that are left out.

    Two single networks are a pair whatever their names. Components that are the same file on both sides are left out,
    unless all are: then someone wants to know what equal networks look like.

    Raises:
        InputError: there is no component that both have.
    """
    if len(a) == len(b) == 1:
        return {b[0].component: (a[0], b[0])}, _inputs(a[0], b[0])
    by_name = [{network.component: network for network in side} for side in (a, b)]
    common = [name for name in by_name[0] if name in by_name[1]]
    if not common:
        has = [", ".join(side) or "nothing" for side in by_name]
        raise InputError(f"A has {has[0]} and B has {has[1]}: there is nothing to compare")
    warnings = [
        f"only {side} has {name}" for side, own in zip("AB", by_name, strict=True) for name in {*own} - {*common}
    ]
    pairs = {name: (by_name[0][name], by_name[1][name]) for name in common}
    differ = {name: pair for name, pair in pairs.items() if pair[0].identity != pair[1].identity}
    if differ:
        warnings += [f"{name}: the same file on both sides, not measured" for name in pairs if name not in differ]
        pairs = differ
    return pairs, warnings + [word for pair in pairs.values() for word in _inputs(*pair)]


def compare_networks(
    name: str,
    a: Network,
    b: Network,
    place: Runtime,
    threads: int,
    plan: Plan,
    layers: bool,
    progress: Progress,
    warnings: list[str],
) -> Compared:
    """One component measured in turns, its layers too where asked for; adds to ``warnings`` what limits the answer."""
    _check_memory(place, a, b)
    with progress(f"{name}: passes in turns, loads", MOST_LOADS) as tick:
        taken = measure(partial(place.load, a, threads), partial(place.load, b, threads), plan, tick)
        tick(MOST_LOADS)
    if taken.ended != "interval":
        limit = "the time limit" if taken.ended == "time" else f"{MOST_LOADS} loads"
        warnings.append(
            f"{name}: ended by {limit} with an interval of ±{percent(taken.ratio.half_width)} "
            f"(±{percent(plan.width)} was asked for); a quieter machine or more time would tell more"
        )
    if not layers:
        return measured(name, taken, None, "not asked for")
    with progress(f"{name}: layers in turns", LAYER_BATCHES) as tick:
        passes_a = partial(place.layers, a, count_network(a), threads)
        passes_b = partial(place.layers, b, count_network(b), threads)
        found, fused = batches(passes_a, passes_b, plan.max_seconds, tick)
    if not all(batch.a and batch.b for batch in found):
        return measured(name, taken, None, f"{place.name} doesn't tell times of layers")
    return measured(name, taken, of_batches(found, of_loads(taken.loads), fused))


def _inputs(a: Network, b: Network) -> list[str]:
    """A sentence where the two don't take the same inputs: then they don't do the same work."""
    shapes = [{name: list(value.shape) for name, value in network.feed.items()} for network in (a, b)]
    if shapes[0] == shapes[1]:
        return []
    told = ["; ".join(f"{name} {'×'.join(map(str, shape))}" for name, shape in side.items()) for side in shapes]
    return [f"{b.component}: inputs differ: A takes {told[0]}; B takes {told[1]}"]


def _check_memory(place: Runtime, a: Network, b: Network) -> None:
    need = place.loaded_per_file_byte * sum(file.stat().st_size for network in (a, b) for file in place.files(network))
    free = available_bytes()
    if free is not None and need > free:
        raise RunError(
            f"{a.label} and {b.label} don't fit into memory together: about {need / 1e9:.1f} GB needed, "
            f"{free / 1e9:.1f} GB free",
            hint="profile each by itself and compare the two profiles",
        )


def write(comparison: Comparison, out: Path, fail_above: float | None) -> list[Path]:
    """Writes ``compare.json`` and ``compare.html`` into ``out``; their paths."""
    from workbench.report.compare_page import render

    files = [out / "compare.json", out / "compare.html"]
    write_atomic(files[0], json.dumps(comparison.as_json(fail_above), indent=1))
    write_atomic(files[1], render(comparison, fail_above))
    return files


def check_gate(comparison: Comparison, fail_above: float) -> None:
    """Ends with a regression where there is one.

    A regression is a component that is surely slower (its interval lies above 1) and whose ratio is above the limit.
    Asking for the whole interval above the limit would let a slowdown just beyond it pass for ever; asking for the
    ratio alone would fail on noise.

    Raises:
        RunError: B is slower than A by more than ``fail_above``.
    """
    found = comparison.regressions(fail_above)
    if found:
        told = ", ".join(
            f"{c.component} {signed(c.ratio.value - 1)} ({signed(c.ratio.low - 1)} to {signed(c.ratio.high - 1)})"
            for c in found
        )
        raise RunError(f"regression: B is slower than A beyond the limit of {percent(fail_above)}: {told}")


def with_gate(comparison: Comparison, fail_above: float | None) -> Comparison:
    """The comparison, with a warning where a regression of the limit's size could hide in a wide interval."""
    if fail_above is None:
        return comparison
    hidden = [
        f"{c.component}: a slowdown of {percent(fail_above)} could hide in an interval of "
        f"±{percent(c.ratio.half_width)}: that it is not found says little"
        for c in comparison.components
        if not c.regressed(fail_above) and c.ratio.low <= 1 and c.ratio.high - 1 > fail_above
    ]
    return replace(comparison, warnings=(*comparison.warnings, *hidden))
