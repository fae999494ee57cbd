"""Whether figures of two runs may be compared at all, and why not; and how far times of two runs can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.comparing.ratio import LOAD_SPREAD, Doubt

MOST_TAKEN = 0.95
"""A machine that others had wholly would make any difference possible; the interval stays finite."""
OTHERS = ("steal_share", "others_share")
"""Of a profile's ``noise``: the shares of CPU time that others took meanwhile."""

MACHINE = ("cpu", "machine", "cores_usable")
"""Facts of the environment without which a latency means something else."""
HOW = ("runtime", "threads", "emulated")
DRAWN = {
    "prompts": "other prompts",
    "n": "another number of pictures",
    "seed": "another seed",
    "steps": "other numbers of steps",
    "guidance_scale": "another guidance scale",
}
"""What was drawn, with the words for what differs; in this order."""


def times_differ(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """Why the latencies of two profiles (summaries) can't be compared: ``another cpu: X, Y``; "" where they can."""
    where = [profile.get("device") or profile.get("environment") or {} for profile in (a, b)]
    pairs = {name: (where[0].get(name), where[1].get(name)) for name in MACHINE}
    pairs |= {name: (a.get(name), b.get(name)) for name in HOW}
    return "; ".join(f"another {name}: {was}, {now}" for name, (was, now) in pairs.items() if was != now)


def pictures_differ(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """Why the scores of two candidates can't be compared: ``other prompts``; "" where they can."""
    return "; ".join(words for name, words in DRAWN.items() if a.get(name) != b.get(name))


def taken(noise: Mapping[str, Any]) -> float | None:
    """The share of CPU time that others took while a profile was made; None: it doesn't tell."""
    shares = [share for name in OTHERS if isinstance(share := noise.get(name), int | float)]
    return min(sum(shares), MOST_TAKEN) if shares else None


def doubt(a: Mapping[str, Any], b: Mapping[str, Any], load_spread: float = LOAD_SPREAD) -> Doubt:
    """Of times in two profiles (summaries) that were taken at different times."""
    return Doubt(load_spread, *(taken(profile.get("noise") or {}) or 0.0 for profile in (a, b)))
