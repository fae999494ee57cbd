"""``workbench compare``: two sources measured interleaved, or two stored profiles, and what is left behind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from workbench.comparing.comparison import INTERLEAVED, Compared, Comparison, measured, percent, signed
from workbench.comparing.interleaved import LAYER_BATCHES, MOST_LOADS, Plan, batches, measure
from workbench.comparing.layers import of_batches
from workbench.comparing.ratio import of_loads
from workbench.errors import InputError, RunError
from workbench.measure.network import Network
from workbench.profile import disturbance
from workbench.profile.counts import count_network
from workbench.profile.doubts import disturbances
from workbench.progress import Progress
from workbench.runtimes.base import Runtime, described, runtime, threads_asked
from workbench.sources.request import Request
from workbench.store.environment import environment
from workbench.store.files import write_atomic


@dataclass(frozen=True)
class How:
    """How two sources are measured against each other: where, when it is enough, and whether layer by layer, too."""

    runtime: str
    threads: int | None
    """None: as many as this process has cores."""
    plan: Plan
    layers: bool = True


def compare(a: Request, b: Request, how: How) -> Comparison:
    """Compares two sources, or two profiles where both names end in ``.json`` or ``.csv``.

    Raises:
        InputError: one of them can't be used, the two can't be compared, or the runtime can't run them.
        RunError: the measuring failed.
    """
    stored = [Path(side.source).suffix in (".json", ".csv") for side in (a, b)]
    if all(stored):
        from workbench.verbs.compare.stored import compare_stored

        return compare_stored(Path(a.source), Path(b.source), a.component)
    if any(stored):
        which, other = (a, b) if stored[0] else (b, a)
        raise InputError(
            f"{which.source} is a stored profile and {other.source} is not: the two can't be measured interleaved",
            hint="give two sources, or two profiles",
        )
    return _sources(a, b, how)


def _sources(a: Request, b: Request, how: How) -> Comparison:
    from workbench.sources import resolve

    threads = threads_asked(how.threads)
    place = runtime(how.runtime)
    needs: Literal["onnx", "torch"] = "onnx" if described(how.runtime).needs_file else "torch"
    with a.store.lock():
        sides = [resolve(replace(side, needs=needs)) for side in (a, b)]
    pairs, warnings = paired(*sides)
    for network in (network for pair in pairs.values() for network in pair):
        if reason := place.refuses(network):
            raise InputError(f"runtime {place.name}: can't run {network.label}: {reason}")
    before = disturbance.moment()
    compared = []
    for a_network, b_network in pairs.values():
        found, limits = compare_networks(a_network, b_network, place, replace(how, threads=threads), a.progress)
        compared.append(found)
        warnings += limits
    disturbed = disturbance.between(before, disturbance.moment())
    warnings += disturbances(disturbed, place.target)
    return Comparison(
        a.source,
        b.source,
        INTERLEAVED,
        place.name,
        threads,
        tuple(compared),
        disturbed,
        environment(),
        tuple(dict.fromkeys(warnings)),
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
    a: Network, b: Network, place: Runtime, how: How, progress: Progress
) -> tuple[Compared, list[str]]:
    """One component measured interleaved, its layers too where asked for; and sentences on what limits the answer."""
    name, plan, threads = b.component, how.plan, threads_asked(how.threads)
    warnings: list[str] = []
    _check_memory(place, a, b)
    with progress(f"{name}: interleaved passes, loads", MOST_LOADS) as tick:
        taken = measure(partial(place.load, a, threads), partial(place.load, b, threads), plan, tick)
        tick(MOST_LOADS)
    if taken.ended != "interval":
        limit = "the time limit" if taken.ended == "time" else f"{MOST_LOADS} loads"
        warnings.append(
            f"{name}: ended by {limit} with an interval of ±{percent(taken.ratio.half_width)} "
            f"(±{percent(plan.width)} was asked for); a quieter machine or more time would tell more"
        )
    if not how.layers:
        return measured(name, taken, None, "not asked for"), warnings
    with progress(f"{name}: interleaved layers", LAYER_BATCHES) as tick:
        passes_a = partial(place.layers, a, count_network(a), threads)
        passes_b = partial(place.layers, b, count_network(b), threads)
        all_batches, fused = batches(passes_a, passes_b, plan.max_seconds, tick)
    if not all(batch.a and batch.b for batch in all_batches):
        return measured(name, taken, None, f"{place.name} doesn't tell times of layers"), warnings
    return measured(name, taken, of_batches(all_batches, of_loads(taken.loads), fused)), warnings


def _inputs(a: Network, b: Network) -> list[str]:
    """A sentence where the two don't take the same inputs: then they don't do the same work."""
    shapes = [{name: list(value.shape) for name, value in network.feed.items()} for network in (a, b)]
    if shapes[0] == shapes[1]:
        return []
    takes = ["; ".join(f"{name} {'×'.join(map(str, shape))}" for name, shape in side.items()) for side in shapes]
    return [f"{b.component}: inputs differ: A takes {takes[0]}; B takes {takes[1]}"]


def _check_memory(place: Runtime, a: Network, b: Network) -> None:
    import psutil

    need = place.loaded_per_file_byte * sum(file.stat().st_size for network in (a, b) for file in place.files(network))
    free = psutil.virtual_memory().available
    if need > free:
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
    regressions = comparison.regressions(fail_above)
    if regressions:
        slower = ", ".join(
            f"{c.component} {signed(c.ratio.value - 1)} ({signed(c.ratio.low - 1)} to {signed(c.ratio.high - 1)})"
            for c in regressions
        )
        raise RunError(f"regression: B is slower than A beyond the limit of {percent(fail_above)}: {slower}")


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
