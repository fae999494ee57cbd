"""What a comparison found, component by component, and what it says in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.comparing.interleaved import Taken
from workbench.comparing.layers import ONLY_A, ONLY_B, LayerChange, called
from workbench.comparing.ratio import SAME, SLOWER, Ratio, median, typical

SCHEMA_VERSION = 1
PICTURE = "pipeline"
"""The row that stands for a whole picture, where both sides are profiles of a pipeline with the same budget."""
INTERLEAVED, STORED = "interleaved", "stored profiles"
NAMED = 5
"""Layers that sentences name; tables have them all."""


@dataclass(frozen=True)
class Compared:
    """One component of A and B.

    ``a_ms`` and ``b_ms`` are the times that ``ratio`` is of: medians over loads of each load's lower decile of passes,
    or medians of stored passes. ``taken`` holds all samples where they were measured here. ``layers`` is None where
    layers weren't looked at, and ``layers_reason`` says why.
    """

    component: str
    ratio: Ratio
    a_ms: float
    b_ms: float
    taken: Taken | None = None
    layers: tuple[LayerChange, ...] | None = None
    layers_reason: str = ""

    @property
    def sentence(self) -> str:
        """``unet: B is 5.2 % slower than A (99 % interval +4.1 % to +6.3 %)``, or what a difference it would show."""
        ratio, outcome = self.ratio, self.ratio.outcome()
        interval = f"{percent(ratio.level, 0)} interval {signed(ratio.low - 1)} to {signed(ratio.high - 1)}"
        if outcome == SAME:
            seen = max(abs(ratio.low - 1), abs(ratio.high - 1))
            return f"{self.component}: no difference to be seen; B ÷ A is within {percent(seen)} of 1 ({interval})"
        return f"{self.component}: B is {percent(abs(ratio.value - 1))} {outcome} than A ({interval})"

    def regressed(self, beyond: float) -> bool:
        """Whether B is surely slower (the interval lies above 1), and by more than ``beyond`` by the best estimate."""
        return self.ratio.outcome() == SLOWER and self.ratio.value - 1 > beyond

    def as_json(self) -> dict[str, Any]:
        """The component in the JSON of ``Comparison``."""
        taken = self.taken
        return {
            "a_ms": self.a_ms,
            "b_ms": self.b_ms,
            "ratio": self.ratio.as_json(),
            "outcome": self.ratio.outcome(),
            "sentence": self.sentence,
            "ended": taken and taken.ended,
            "seconds": taken and round(taken.seconds, 3),
            "loads": taken
            and [
                {"a_first": load.a_first, "a_ms": [round(s, 4) for s in load.a], "b_ms": [round(s, 4) for s in load.b]}
                for load in taken.loads
            ],
            "layers": None if self.layers is None else [change.as_json() for change in self.layers],
            "layers_reason": self.layers_reason or None,
        }


@dataclass(frozen=True)
class Comparison:
    """A and B compared on one runtime: ``how`` is ``interleaved`` or ``stored profiles``."""

    a: str
    b: str
    how: str
    runtime: str
    threads: int | None
    components: tuple[Compared, ...]
    noise: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def regressions(self, beyond: float) -> list[Compared]:
        """Components that are slower by more than ``beyond``."""
        return [compared for compared in self.components if compared.regressed(beyond)]

    def as_json(self, beyond: float | None = None) -> dict[str, Any]:
        """All of it; ``beyond`` is the gate's limit, None where there is no gate."""
        return {
            "schema_version": SCHEMA_VERSION,
            "a": self.a,
            "b": self.b,
            "how": self.how,
            "runtime": self.runtime,
            "threads": self.threads,
            "statistic": STATISTIC[self.how],
            "components": {compared.component: compared.as_json() for compared in self.components},
            "fail_above": beyond,
            "regressions": None if beyond is None else [c.component for c in self.regressions(beyond)],
            "noise": dict(self.noise),
            "environment": dict(self.environment),
            "warnings": list(self.warnings),
        }


STATISTIC = {
    INTERLEAVED: "per load the lower decile of its passes; ratio: mean over loads without the outermost eighths",
    STORED: "medians of the stored passes",
}


def measured(component: str, taken: Taken, layers: Sequence[LayerChange] | None, reason: str = "") -> Compared:
    """A component that was measured interleaved."""
    a_ms, b_ms = (median([typical(side(load)) for load in taken.loads]) for side in (lambda x: x.a, lambda x: x.b))
    return Compared(component, taken.ratio, a_ms, b_ms, taken, None if layers is None else tuple(layers), reason)


def layer_words(compared: Compared) -> list[str]:
    """Sentences on the layers that became slower or faster, and on how many there are on one side only."""
    if compared.layers is None:
        return []
    changes = [c for c in called(compared.layers) if c.ratio is not None]
    words = [
        f"{c.layer} is {percent(abs(c.ratio.value - 1), 0)} {c.outcome} "
        f"({signed_ms(c.difference_ms)}; {c.a_ms:.3g} → {c.b_ms:.3g} ms)"
        for c in changes[:NAMED]
        if c.ratio is not None
    ]
    if len(changes) > NAMED:
        words.append(f"{len(changes) - NAMED} more layers differ")
    if not changes:
        words.append("no layer that both have is seen to differ")
    for where in (ONLY_A, ONLY_B):
        alone = [change for change in compared.layers if change.outcome == where]
        if alone:
            total = sum(abs(change.difference_ms) for change in alone)
            words.append(f"{where}: {'1 layer' if len(alone) == 1 else f'{len(alone)} layers'}, {total:.3g} ms")
    return [f"{compared.component}: {word}" for word in words]


def percent(share: float, digits: int = 1) -> str:
    """A share as a percentage: 4.1 %."""
    return f"{share * 100:.{digits}f} %"


def signed(share: float) -> str:
    """A share as a percentage with its sign: +4.1 %."""
    return f"{share * 100:+.1f} %".replace("-", "−")


def signed_ms(ms: float) -> str:
    """Milliseconds with their sign."""
    return f"{ms:+.3f} ms".replace("-", "−")


def threads_words(threads: int | None) -> str:
    """``1 thread``, ``2 threads``, or nothing where it isn't known."""
    return "" if threads is None else "1 thread" if threads == 1 else f"{threads} threads"
