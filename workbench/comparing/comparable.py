"""Whether figures of two runs may be compared at all, and why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
