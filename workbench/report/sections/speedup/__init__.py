"""Each candidate on each target against what it was made from: is it faster, only smaller, or only simulated?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from workbench.comparing.ratio import Ratio
from workbench.models.families import component_label
from workbench.profile.summary import Component
from workbench.report.data import RunData
from workbench.report.format import MISSING, known, number, percent, whole
from workbench.report.per_picture import denoiser_of
from workbench.report.ranking.gain import (
    ACCELERATED,
    FASTER,
    FEWER,
    SIMULATED,
    WORDS,
    Gain,
    asks_integers,
)
from workbench.report.ranking.rank import Ranking
from workbench.report.ranking.speedup import speed
from workbench.report.sections.registry import Section

TONES = {ACCELERATED: "good", FASTER: "good", FEWER: "good", SIMULATED: "loud"}
"""CSS class of the tag that a gain is shown in; the others have none."""
Cell = tuple[str, str]
"""A figure and the small one beneath it."""


@dataclass(frozen=True)
class Row:
    """One candidate as words; the untouched model has neither ``parent`` nor ``word``."""

    candidate: str
    parent: str
    denoiser: Cell
    files: Cell
    load: Cell
    memory: Cell
    speed: Cell
    overall: str
    integers: Sequence[str]
    simulated: str
    word: str
    tone: str
    sentence: str


@dataclass(frozen=True)
class Target:
    """Rows in the order of the chain; ``words``: the gains that occur, each with its tone and what it means."""

    target: str
    denoiser: str
    rows: Sequence[Row]
    words: Sequence[tuple[str, str, str]]


def gather(run: RunData, ranking: Ranking) -> list[Target] | None:
    """The targets on which any gain was found."""
    targets = []
    for target in run.targets:
        names = [c.name for c in run.candidates if (target, c.name) in run.profiles]
        own = {name: ranking.gains.get((target, name)) for name in names}
        used = {gain.word for gain in own.values() if gain}
        if used:
            words = [(word, TONES.get(word, ""), meaning) for word, meaning in WORDS.items() if word in used]
            rows = [_row(run, target, name, gain) for name, gain in own.items()]
            targets.append(Target(target, component_label(denoiser_of(run.profiles[target, names[0]])), rows, words))
    return targets or None


def _row(run: RunData, target: str, name: str, gain: Gain | None) -> Row:
    profile, first = run.profiles[target, name], run.profiles.get((target, run.first))
    before = run.profiles.get((target, gain.parent), {}) if gain else {}
    components = profile.get("components") or {}
    denoiser, other = (p.get("components", {}).get(denoiser_of(profile)) or {} for p in (profile, before))
    own, running, peak = (
        profile.get("runtime_rss_bytes"),
        profile.get("running_rss_bytes"),
        profile.get("peak_rss_bytes"),
    )
    overall = speed(first, profile) if first and gain and not profile.get("emulated") else None
    return Row(
        candidate=name,
        parent=gain.parent if gain else "",
        denoiser=_size(denoiser.get("size_bytes"), other.get("size_bytes")),
        files=_size(profile.get("size_bytes"), before.get("size_bytes")),
        load=(_sum(components, "load_cold_ms"), _sum(components, "load_warm_ms")),
        memory=(
            number((running - own) / 1e6) if known(running) and known(own) else MISSING,
            number(peak / 1e6) if known(peak) else MISSING,
        ),
        speed=_times(gain.speed) if gain else (MISSING, ""),
        overall=_times(overall)[0],
        integers=_integers(components),
        simulated="simulated" if profile.get("simulated") else "",
        word=gain.word if gain else "",
        tone=TONES.get(gain.word, "") if gain else "",
        sentence=gain.sentence if gain else "Untouched: the others are compared with it.",
    )


def _sum(components: Mapping[str, Component], key: Literal["load_cold_ms", "load_warm_ms"]) -> str:
    values = [value for c in components.values() if known(value := c.get(key))]
    return number(sum(values)) if values and len(values) == len(components) else MISSING


def _size(after: Any, before: Any) -> Cell:
    """MB, and how much of the parent's that is."""
    if not known(after):
        return MISSING, ""
    return number(after / 1e6), f"{number(after / before, 2)}×" if known(before) and before else ""


def _times(ratio: Ratio | None) -> Cell:
    """How many times as fast, and the interval with n."""
    if ratio is None:
        return MISSING, ""
    low, high = (number(1 / end, 3) if end else MISSING for end in (ratio.high, ratio.low))
    return f"{number(1 / ratio.value, 3)}×", f"{low} to {high} · {whole(ratio.n)}"


def _integers(components: Mapping[str, Component]) -> list[str]:
    """Share of MACs in integers of each component that asks for them, or has some."""
    return [
        f"{component_label(name)} {percent(c.get('quantized_macs_share') or 0.0)}"
        for name, c in components.items()
        if c.get("quantized_macs_share") or asks_integers(str(c.get("scheme", "")))
    ]


SECTION = Section(__name__, "Faster, smaller, or only simulated", 30, gather, link="Faster or only smaller")
