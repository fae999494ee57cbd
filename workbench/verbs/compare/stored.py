"""Two stored profiles compared: they were not measured interleaved, which is said, and is in the interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.comparing.comparable import OTHERS, taken
from workbench.comparing.comparison import PICTURE, STORED, Compared, Comparison, percent
from workbench.comparing.layers import LAYER_LOAD_SPREAD, of_profiles
from workbench.comparing.ratio import LOAD_SPREAD, Doubt, Part, of_stored
from workbench.errors import InputError
from workbench.measure.clock import Stats
from workbench.profile.read import ReadProfile, read_profile
from workbench.report.format import known
from workbench.report.per_picture import passes_of, told

if TYPE_CHECKING:
    import pandas as pd

LEAST_MS, MOST_MS = 1e-6, 1e9
"""No pass takes less than a clock's tick, or longer than eleven days."""
MOST_PASSES = 1_000_000
NOT_INTERLEAVED = (
    "two stored profiles, not measured interleaved: the interval holds the passes' spread, "
    f"{percent(LOAD_SPREAD)} for where single loads lie in memory, and what others on the machine took of its CPU time"
)


def compare_stored(a: Path, b: Path, component: str | None) -> Comparison:
    """Compares two profiles by their JSON or CSV, component by component, and in all where both have a pipeline.

    Raises:
        InputError: one of them can't be read, or they share no component (of that name).
    """
    profiles = [read_profile(path) for path in (a, b)]
    components = [profile.summary["components"] for profile in profiles]
    names = [name for name in components[0] if name in components[1] and component in (None, name)]
    if not names:
        has = " and ".join(f"{p.label}: {', '.join(c)}" for p, c in zip(profiles, components, strict=True))
        raise InputError(f"no component {component or ''} in both profiles".replace("  ", " "), hint=has)
    warnings = [NOT_INTERLEAVED, *_differences(*(p.summary for p in profiles))]
    warnings += [f"{p.label}: {note}" for p in profiles for note in p.notes]
    warnings += [
        f"only {side} has {name}"
        for side, mine, other in (("A", *components), ("B", *components[::-1]))
        for name in mine
        if name not in other and component in (None, name)
    ]
    shares = [_taken(side, profile, warnings) for side, profile in zip("AB", profiles, strict=True)]
    doubt = Doubt(LOAD_SPREAD, *shares)
    compared = [_component(name, profiles, doubt, warnings) for name in names]
    if component is None and (whole := _picture(profiles, doubt, warnings)):
        compared.append(whole)
    places = dict.fromkeys(p.summary.get("runtime") or p.summary["target"] for p in profiles)
    threads = {p.summary.get("threads") for p in profiles}
    return Comparison(
        f"{a} ({profiles[0].label})",
        f"{b} ({profiles[1].label})",
        STORED,
        " and ".join(places),
        threads.pop() if len(threads) == 1 else None,
        tuple(compared),
        environment=profiles[1].summary.get("environment") or {},
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _taken(side: str, profile: ReadProfile, warnings: list[str]) -> float:
    """Share of the CPU time that others took while the profile was made; 0 and a warning where it doesn't tell."""
    noise = profile.summary.get("noise") or {}
    shares = [noise.get(name) for name in OTHERS]
    if strange := next(
        (share for share in shares if share is not None and not (known(share) and 0 <= share <= 1)), None
    ):
        raise InputError(f"{profile.label}: noise: found {strange!r:.40}; needs shares of CPU time from 0 to 1")
    if (share := taken(noise)) is None:
        warnings.append(f"{side} doesn't tell what else the machine did: that is not in the interval")
    return share or 0.0


def _component(name: str, profiles: list[ReadProfile], doubt: Doubt, warnings: list[str]) -> Compared:
    a, b = (_samples(profile, name) for profile in profiles)
    if a == b:
        warnings.append(f"{name}: both profiles hold the same measurement")
    ratio = of_stored([Part(a, b)], doubt)
    layers, reason = None, "one of the profiles holds no times of single passes by layer"
    samples = [_layer_samples(profile, name) for profile in profiles]
    if all(samples):
        fused = {
            layer: f"in {side} computed in {into}"
            for side, profile in zip("AB", profiles, strict=True)
            for layer, into in _fused(profile.table, name).items()
        }
        layers = tuple(of_profiles(samples[0], samples[1], replace(doubt, load_spread=LAYER_LOAD_SPREAD), fused))
        reason = ""
    return Compared(name, ratio, Stats(a).median, Stats(b).median, None, layers, reason)


def _samples(profile: ReadProfile, name: str) -> tuple[float, ...]:
    key = f"components.{name}.latency_ms.samples"
    samples = _times(profile, key, profile.summary["components"][name]["latency_ms"].get("samples"), LEAST_MS)
    if not samples:
        raise InputError(
            f"{profile.label}: {key}: found no times of single passes",
            hint="only profiles that keep them can be compared; profile again",
        )
    return samples


def _layer_samples(profile: ReadProfile, name: str) -> dict[str, tuple[float, ...]]:
    """Times of single passes by layer; a layer may be too short for the runtime's clock."""
    key, layers = f"components.{name}.layer_samples_ms", profile.summary["components"][name].get("layer_samples_ms")
    return {layer: _times(profile, f"{key}.{layer}", times, 0.0) for layer, times in (layers or {}).items()}


def _times(profile: ReadProfile, key: str, times: Any, least: float) -> tuple[float, ...]:
    for i, ms in enumerate(times or []):
        if not (known(ms) and least <= ms <= MOST_MS):
            raise InputError(
                f"{profile.label}: {key}.{i}: found {ms!r:.40}; needs a time from {least:g} to {MOST_MS:g} ms",
                hint="the profile is damaged or was not written by workbench; profile again",
            )
    return tuple(map(float, times or []))


def _picture(profiles: list[ReadProfile], doubt: Doubt, warnings: list[str]) -> Compared | None:
    """The whole pipeline, where both sides have one with the same budget."""
    a, b = profiles
    if not (a.summary.get("pipeline") and b.summary.get("pipeline")):
        return None
    counts = [passes_of(profile.summary) for profile in profiles]
    for profile, passes in zip(profiles, counts, strict=True):
        for name, n in passes.items():
            if name not in profile.summary["components"] or not 1 <= n <= MOST_PASSES:
                raise InputError(f"{profile.label}: pipeline: found {n} passes of {name} for one picture")
    if counts[0] != counts[1]:
        budgets = " and ".join(told(profile.summary) or "not told" for profile in profiles)
        warnings.append(f"{PICTURE}: budgets differ ({budgets}): not compared")
    if not counts[0] or counts[0] != counts[1]:
        return None
    parts = [Part(_samples(a, name), _samples(b, name), weight) for name, weight in counts[0].items()]
    a_ms, b_ms = (
        sum(part.weight * Stats(tuple(side(part))).median for part in parts) for side in (lambda p: p.a, lambda p: p.b)
    )
    return Compared(PICTURE, of_stored(parts, doubt), a_ms, b_ms, layers_reason="see the components")


def _fused(table: pd.DataFrame, component: str) -> Mapping[str, str]:
    rows = table[(table["component"] == component) & (table["fused_into"].fillna("") != "")]
    return dict(zip(rows["layer"], rows["fused_into"], strict=True))


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Sentences on what besides the network differed: runtime, threads, machine, libraries, warnings of either."""
    notes = []
    for name in ("target", "runtime", "threads"):
        if a.get(name) != b.get(name):
            notes.append(f"{name} differs: A {a.get(name)}, B {b.get(name)}")
    machines = [side.get("environment") or {} for side in (a, b)]
    for name in ("cpu", "machine", "cpu_flags", "cores_usable", "governor", "os", "python"):
        values = [machine.get(name) for machine in machines]
        if values[0] != values[1]:
            notes.append(f"environment differs: {name}: A {values[0]}, B {values[1]}")
    stated = [machine.get("libraries") for machine in machines]
    libraries = [versions if isinstance(versions, dict) else {} for versions in stated]
    for name in dict.fromkeys([*libraries[0], *libraries[1]]):
        versions = [side.get(name) for side in libraries]
        if versions[0] != versions[1]:
            notes.append(f"environment differs: {name}: A {versions[0]}, B {versions[1]}")
    return notes + [f"{side}: {word}" for side, summary in (("A", a), ("B", b)) for word in summary.get("warnings", ())]
