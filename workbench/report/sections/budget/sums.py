"""What each component adds to the time of one picture, as a row per candidate and target: EdgeFusion's Table 7."""

from __future__ import annotations

import math
from dataclasses import dataclass

from workbench.profile.summary import Latency, Summary
from workbench.report.data import RunData, kind_of
from workbench.report.format import COMPONENTS, MISSING, change, join, known, milliseconds, number, percent, whole

ABSENT = "missing"
TOLERANCE = 0.01
"""The sum of the parts and the pipeline's own median may differ by this share before both are told."""


@dataclass(frozen=True)
class Row:
    """One candidate on one target, as words; times in ms.

    ``total`` is the sum of the three parts, ``spread`` that of the pipeline's latency, ``faster`` how many times the
    sum goes into that of ``than``, the first candidate on the target. ``note``: why there is no sum, or what the
    profile says instead.
    """

    candidate: str
    target: str
    kind: str
    text_encoder: str
    unet: str
    decoder: str
    total: str
    spread: str
    share: str
    faster: str
    than: str
    note: str


def rows(run: RunData) -> list[Row]:
    """A row for every profile, target by target, the candidates in the run's order."""
    found = []
    for target in run.targets:
        first: tuple[str, float | None] | None = None
        for candidate in run.candidates:
            profile = run.profiles.get((target, candidate.name))
            if not profile:
                continue
            total = _total(profile)
            first = first or (candidate.name, total)
            found.append(_row(candidate.name, target, profile, total, first))
    return found


def _row(name: str, target: str, profile: Summary, total: float | None, first: tuple[str, float | None]) -> Row:
    calls, passes = _calls(profile), _medians(profile)
    decoder = passes["vae_decoder"]
    latency = (profile.get("pipeline") or {}).get("latency_ms") or {}
    faster = first[1] / total if total and first[1] is not None else None
    return Row(
        candidate=name,
        target=target,
        kind=kind_of(profile),
        text_encoder=_product(calls["text_encoder"], passes["text_encoder"]),
        unet=_product(calls["unet"], passes["unet"]),
        decoder=ABSENT if decoder is None else number(decoder),
        total=number(total),
        spread=_spread(latency) if total is not None else "",
        share=percent(decoder / total) if total and decoder is not None else MISSING,
        faster=f"{number(faster)}×" if faster is not None else MISSING,
        than=first[0] if faster is not None and name != first[0] else "",
        note=_note(profile, total),
    )


def _calls(profile: Summary) -> dict[str, tuple[int, ...]]:
    """Factors of the calls of each component for one picture; none where the profile has no pipeline.

    As ``workbench.profile.write`` sums them: the text encoder once a guidance pass, the U-Net once a step and guidance
    pass, the decoder once.
    """
    pipeline = profile.get("pipeline") or {}
    steps, passes = pipeline.get("steps"), pipeline.get("guidance_passes")
    if not known(steps) or not known(passes):
        return dict.fromkeys(COMPONENTS, ())
    return {"text_encoder": (int(passes),), "unet": (int(steps), int(passes)), "vae_decoder": (1,)}


def _medians(profile: Summary) -> dict[str, float | None]:
    """Median ms of one call of each component; None where it wasn't measured."""
    components = profile.get("components") or {}
    medians = {name: ((components.get(name) or {}).get("latency_ms") or {}).get("median") for name in COMPONENTS}
    return {name: median if known(median) else None for name, median in medians.items()}


def _total(profile: Summary) -> float | None:
    """Time of one picture in ms, the sum of the parts; None where a part or its number of calls isn't known."""
    calls, total = _calls(profile), 0.0
    for name, median in _medians(profile).items():
        if median is None or not calls[name]:
            return None
        total += math.prod(calls[name]) * median
    return total


def _product(factors: tuple[int, ...], median: float | None) -> str:
    """``10 × 2 × 15.5 = 310``."""
    if median is None:
        return ABSENT
    if not factors:
        return f"{number(median)} a call"
    return f"{' × '.join(map(str, factors))} × {number(median)} = {number(math.prod(factors) * median)}"


def _spread(latency: Latency) -> str:
    parts = [f"IQR {number(latency['iqr'])}"] if known(latency.get("iqr")) else []
    parts += [f"n = {whole(latency['n'])}"] if known(latency.get("n")) else []
    return " · ".join(parts)


def _note(profile: Summary, total: float | None) -> str:
    """Why there is no sum; and what the profile says of the whole pipeline where that is something else."""
    told = ((profile.get("pipeline") or {}).get("latency_ms") or {}).get("median")
    absent = [COMPONENTS[name] for name, median in _medians(profile).items() if median is None]
    notes = []
    if absent:
        notes.append(f"no sum: {join(absent)} {ABSENT}")
    elif total is None:
        notes.append("no sum: the profile tells no steps and guidance passes")
    if known(told) and total is None:
        notes.append(f"the profile's pipeline latency: {milliseconds(told)}")
    elif known(told) and total and abs(told / total - 1) > TOLERANCE:
        notes.append(
            f"the profile's pipeline latency: {milliseconds(told)}, {change(told / total - 1)} against the sum"
        )
    return "; ".join(notes)
