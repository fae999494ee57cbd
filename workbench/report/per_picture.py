"""What one picture takes of each component, from a profile's summary: its formula says what is repeated how often."""

from __future__ import annotations

import math

from workbench.models.families import component_label, denoisers
from workbench.models.families.base import PASSES, TIMESTEPS, calls, repeats
from workbench.profile.summary import Summary
from workbench.report.format import known

STEPS = "steps"
"""The timesteps in the formula of older profiles."""


def repeats_of(profile: Summary) -> dict[str, tuple[str, ...]]:
    """The components in order, each with the names of what its pass is multiplied by; none without a pipeline."""
    return repeats((profile.get("pipeline") or {}).get("formula"))


def calls_of(profile: Summary) -> dict[str, tuple[int, ...]]:
    """The factors themselves, such as (timesteps, guidance passes); none where the profile doesn't tell them all.

    Profiles that tell no timesteps were made when they were taken to be the steps.
    """
    pipeline = profile.get("pipeline") or {}
    times = pipeline.get("timesteps", pipeline.get("steps"))
    counts = {TIMESTEPS: times, STEPS: times, PASSES: pipeline.get("guidance_passes")}
    return calls(pipeline.get("formula"), {name: int(value) for name, value in counts.items() if known(value)})


def passes_of(profile: Summary) -> dict[str, int]:
    """How often each component runs for one picture; one that isn't named here runs once."""
    return {name: math.prod(factors) for name, factors in calls_of(profile).items()}


def denoiser_of(profile: Summary) -> str:
    """The component that runs at every timestep; without a pipeline one that is some family's denoiser, or ""."""
    repeated = [name for name, by in repeats_of(profile).items() if {TIMESTEPS, STEPS} & {*by}]
    return next(iter([*repeated, *(name for name in profile.get("components") or {} if name in denoisers())]), "")


def told(profile: Summary) -> str:
    """``2 × text encoder + 10 × 2 × U-Net + decoder``; "" where the profile doesn't tell."""
    parts = calls_of(profile).items()
    return " + ".join(" × ".join((*map(str, factors), component_label(name))) for name, factors in parts)


def picture_macs(profile: Summary) -> tuple[float, float] | None:
    """MACs of one whole picture, and those of them in int8."""
    passes = passes_of(profile)
    components = {n: c for n, c in (profile.get("components") or {}).items() if known(c.get("macs"))}
    if not components:
        return None
    macs = {name: c["macs"] * passes.get(name, 1) for name, c in components.items()}
    return sum(macs.values()), sum(macs[n] * (c.get("quantized_macs_share") or 0.0) for n, c in components.items())
