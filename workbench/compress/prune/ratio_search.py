"""The ratio that reaches a target, by halving; what a plan costs is the caller's to count or to measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workbench.errors import RunError

MOST = 0.99
"""The largest ratio that is tried: with it nearly every width is at its least."""
COUNTED = ("macs_target", 12)
"""The target and the halvings of the ratio's range: to 1/4000 where a plan is counted."""
MEASURED = ("latency_target", 5)
"""The same, to 1/32 where a plan takes an export and its measurement."""


def smallest_ratio(
    plan_at: Callable[[float], Mapping[str, int]],
    cost: Callable[[Mapping[str, int]], float],
    limit: float,
    target: str,
    halvings: int,
) -> float:
    """The smallest ratio, to within 2^-halvings, whose plan costs at most ``limit``.

    Args:
        plan_at: the plan for a ratio, kept channels by width.
        cost: of a plan; equal plans are asked for once.
        limit: in the cost's unit.
        target: its key in the recipe, for the message.
        halvings: of the range of ratios.

    Raises:
        RunError: the target is met without pruning, or not even by the largest ratio.
    """
    known: dict[tuple[int, ...], float] = {}

    def at(ratio: float) -> float:
        kept = plan_at(ratio)
        key = tuple(kept.values())
        if key not in known:
            known[key] = cost(kept)
        return known[key]

    if (end := at(MOST)) > limit:
        raise RunError(f"prune.{target}: {limit:g} can't be reached: {end:.3g} with every width in scope at its least")
    if (start := at(0.0)) <= limit:
        raise RunError(f"prune.{target}: {limit:g} is met without pruning: {start:.3g}; ask for less or leave it out")
    low, high = 0.0, MOST
    for _ in range(halvings):
        middle = (low + high) / 2
        low, high = (low, middle) if at(middle) <= limit else (middle, high)
    return high
