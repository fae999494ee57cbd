"""Which set of units goes: forward greedy with re-measurement, then putting back what the budget doesn't need.

Errors of single removals don't add up, so every choice is made on sets measured as a whole: of the most promising
units, the one that adds the least error per share that it saves is taken. A set of which the budget can't be reached
any more is never entered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from workbench.compress.remove_blocks.search.units import Dropped, Reach, Unit, tidy

Errors = Callable[[Dropped], float]
"""The measured error of a set; measured once for each."""
OnRound = Callable[[float], None]
"""Called with how far the search is, 0 to 1."""


@dataclass
class Trace:
    """What a search did: its choices, what it put back in the end, every set it measured with its error."""

    picks: list[tuple[Unit, Dropped]] = field(default_factory=list)
    """Each unit, and the set with it."""
    put_back: list[Unit] = field(default_factory=list)
    final: Dropped = frozenset()
    """The last set: the choices without what was put back."""
    errors: dict[Dropped, float] = field(default_factory=dict)

    def best(self, fits: Callable[[Dropped], bool]) -> Dropped:
        """The measured set with the least error of those that fit."""
        return min((d for d in self.errors if fits(d)), key=lambda d: (self.errors[d], sorted(d)))


def search(reach: Reach, share: float, remeasure: int, error_of: Errors, on_round: OnRound) -> Trace:
    """Removes units until at most ``share`` is left; the last set of ``picks`` is the first that fits.

    Args:
        reach: units and what is left without them; the budget must be within its least.
        share: of the whole, in the reach's measure.
        remeasure: how many units are measured before a choice, the most promising by their last slope first.
        error_of: see ``Errors``.
        on_round: called after every measurement.
    """
    trace = Trace()
    dropped: Dropped = frozenset()
    error = 0.0
    slopes: dict[Unit, float] = {}

    def measured(candidate: Dropped) -> float:
        if candidate not in trace.errors:
            trace.errors[candidate] = error_of(candidate)
        return trace.errors[candidate]

    while (now := reach.left(dropped)) > share:
        options = {d: unit for d, unit in reach.options(dropped).items() if reach.least(d) <= share}
        promising = sorted(options, key=lambda d: (slopes.get(options[d], 0.0), sorted(d)))
        looked_at = promising[:remeasure] if slopes else promising  # in the first round nothing is known of any
        sure = now - max(share, *(reach.left(c) for c in looked_at))  # what this round saves at least
        for done, candidate in enumerate(looked_at):
            slopes[options[candidate]] = (measured(candidate) - error) / (now - reach.left(candidate))
            on_round((1 - now + sure * (done + 1) / len(looked_at)) / (1 - share))
        dropped = min(looked_at, key=lambda d: (slopes[options[d]], sorted(d)))
        error = measured(dropped)
        trace.picks.append((options[dropped], dropped))
    _put_back(trace, reach, share, measured)
    return trace


def _put_back(trace: Trace, reach: Reach, share: float, measured: Errors) -> None:
    """Takes back, one by one, the unit whose return lowers the error the most, while the budget still holds."""
    kept = [unit for unit, _ in trace.picks]
    trace.final = trace.picks[-1][1] if trace.picks else frozenset()
    while True:
        without: Mapping[Dropped, Unit] = {_union(kept, unit): unit for unit in kept}
        fitting = [d for d in without if d and reach.can(d) and reach.left(d) <= share]
        best = min(fitting, key=lambda d: (measured(d), sorted(d)), default=None)
        if best is None or measured(best) >= measured(trace.final):
            return
        trace.final = best
        trace.put_back.append(without[best])
        kept.remove(without[best])


def _union(units: Sequence[Unit], but: Unit) -> Dropped:
    return tidy(module for unit in units if unit != but for module in unit.modules)
