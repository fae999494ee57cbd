"""How one candidate stands against others: dominance, overlap of intervals, and the reason in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.comparing.ratio import SLOWER, Ratio
from workbench.metrics.base import Metric
from workbench.metrics.paired import paired
from workbench.profile.summary import Summary
from workbench.report.format import join, known, milliseconds, number
from workbench.report.ranking.constraints import Check
from workbench.report.ranking.gain import A_GAIN, SMALLER_BY, same_network
from workbench.report.ranking.speedup import speed
from workbench.report.ranking.table import Profiles, Scored, value_of

if TYPE_CHECKING:
    from workbench.recipe.schema import Rank

SUPERLATIVE = {"speed": "the fastest", "smallness": "the smallest"}
COMPARATIVE = {"speed": "slower", "smallness": "larger"}
AS = {"speed": "as fast as {}", "smallness": "as small as {}"}
Row = Mapping[str, Any]


def overlap(a: Row, b: Row, metric: str) -> bool:
    """Whether the 95 % intervals of a metric overlap, so that the order of the two is not settled."""
    low_a, high_a, low_b, high_b = (row.get(f"{metric}_{end}", math.nan) for row in (a, b) for end in ("low", "high"))
    return bool(low_a <= high_b and low_b <= high_a)  # never true of NaN


class Ranker:
    """Compares rows of the table by the recipe's measure; ``first``: its first candidate, the reference.

    ``depths``: how many steps of the recipe each candidate took. A row may have a ``drift``: the logarithm of its
    latency ÷ the measured one, where other times are supposed than were measured.
    """

    def __init__(
        self,
        first: str,
        config: Rank,
        quality: Metric | None,
        scores: Scored,
        profiles: Profiles,
        depths: Mapping[str, int],
    ) -> None:
        self.aim, self.metric, self.allowed = config.maximize or "speed", quality, frozenset(config.allow)
        self.depths, self._profiles = depths, profiles
        self._ratios: dict[tuple[str, str, str], Ratio | None] = {}
        self.quality = quality.name if quality else ""
        self.limited = any(limit is not None for limit in config.constraints.limits().values())
        self.label = quality.label if quality else ""
        self.first = first
        self._values = {c: value for c in scores if (value := value_of(scores, c, self.quality))}
        self._widths: dict[tuple[str, str], float | None] = {}

    def quality_of(self, row: Row) -> float:
        """The value on the quality axis, more being better; what the reference scores against itself is perfect."""
        if self.metric is None:
            return 0.0
        value = row.get(self.quality, math.nan)
        if not known(value) and row["candidate"] == self.first and self.metric.perfect is not None:
            value = self.metric.perfect
        return self.metric.sign * value

    @property
    def _worse(self) -> str:
        """Which way the worse end of the metric lies."""
        return "higher" if self.metric and self.metric.better == "low" else "lower"

    def merit(self, row: Row) -> float:
        """What the recipe maximizes."""
        if self.aim == "speed":
            return -row["latency_ms"]
        return -row["size_bytes"] if self.aim == "smallness" else self.quality_of(row)

    def is_reference(self, row: Row) -> bool:
        """Whether the metric is measured against this row's candidate, which can't win against itself."""
        return self.metric is not None and self.metric.of_reference and row["candidate"] == self.first

    def barred(self, row: Row) -> list[str]:
        """Why a row can't win by its speed: its times aren't the scheme's, or not the device's."""
        return self._untimed(row) if self.aim == "speed" else []

    def _untimed(self, row: Row) -> list[str]:
        return [kind for kind in ("simulated", "emulated") if row.get(kind) and kind not in self.allowed]

    def best(self, fitting: Sequence[Row]) -> tuple[Row | None, list[Row]]:
        """The choice, and the rows that the noise doesn't tell from it in what the recipe maximizes.

        Of such equals the one of the best quality is chosen, or where that is what is maximized, the fastest; then the
        smallest, then the one of the fewest steps of the recipe.
        """
        others = [row for row in fitting if not self.is_reference(row)]
        running = others if self.aim == self.quality and others else fitting
        first = max(running, key=lambda row: (self.merit(row), -row["latency_ms"]), default=None)
        if first is None:
            return None, []
        equal = [row for row in running if row is first or self._equals(row, first)]
        left = self._as_fast(equal) if self.aim == self.quality else self._as_good(equal)
        smallest = min(left, key=lambda row: row["size_bytes"])
        left = [row for row in left if self._as_small(row, smallest)]
        best = min(left, key=lambda row: (self.depths.get(row["candidate"], 0), -self._value_or_least(row)))
        return best, [row for row in equal if row is not best]

    def _as_good(self, equal: Sequence[Row]) -> list[Row]:
        """Those that quality doesn't tell from the best of them."""
        top = max(equal, key=self._value_or_least)
        return [row for row in equal if row is top or self._unsettled(row, top)]

    def _as_fast(self, equal: Sequence[Row]) -> list[Row]:
        """Those that the noise doesn't tell from the fastest of them, and those whose times aren't the scheme's."""
        timed = [row for row in equal if not self._untimed(row)]
        fastest = min(timed, key=lambda row: row["latency_ms"], default=None)
        return [row for row in equal if fastest in (None, row) or self._untimed(row) or self._level(row, fastest)]

    def _value_or_least(self, row: Row) -> float:
        value = self.quality_of(row)
        return -math.inf if math.isnan(value) else value

    def _ratio(self, first: Row, row: Row) -> Ratio | None:
        """Time of ``row`` ÷ that of ``first`` on the same target."""
        pair = (first["target"], first["candidate"], row["candidate"])
        if pair not in self._ratios:
            before, after = self._profile(first), self._profile(row)
            self._ratios[pair] = speed(before, after) if before and after else None
        ratio, moved = self._ratios[pair], math.exp(row.get("drift", 0.0) - first.get("drift", 0.0))
        return ratio and replace(ratio, value=ratio.value * moved, low=ratio.low * moved, high=ratio.high * moved)

    def _same(self, a: Row, b: Row) -> bool:
        """Whether both are of the same layers, called as often."""
        before, after = self._profile(a), self._profile(b)
        return bool(before and after and same_network(before, after))

    def _profile(self, row: Row) -> Summary | None:
        return self._profiles.get((row["target"], row["candidate"]))

    def _equals(self, row: Row, first: Row) -> bool:
        """Whether a row is as good, as fast, or as small, as the first."""
        if self.aim == self.quality:
            return self._behind(row, first) <= 0
        return self._as_small(row, first) if self.aim == "smallness" else self._level(row, first)

    def _level(self, row: Row, first: Row) -> bool:
        """Whether a row is as fast as the first; the same layers are, whatever the clock says."""
        if first["target"] != row["target"]:
            return False
        ratio = self._ratio(first, row)
        level = ratio is not None and ratio.outcome() != SLOWER and ratio.value < A_GAIN
        return level or self._same(first, row)

    def _behind(self, row: Row, top: Row) -> float:
        """By how much more than the noise a row's quality is behind: of the same pictures where each has a value."""
        pair = row["candidate"], top["candidate"]
        if pair not in self._widths:
            each = [self._values.get(name) for name in pair]
            mine, theirs = ((value.get("by_picture") or [] if value else []) for value in each)
            found = paired(mine, theirs) if len(mine) == len(theirs) > 1 else None
            self._widths[pair] = (found["high"] - found["low"]) / 2 if found else None
        width, lead = self._widths[pair], self.quality_of(top) - self.quality_of(row)
        if width is None:
            return 0.0 if lead == 0 or overlap(row, top, self.quality) else lead
        return lead - width

    def _as_small(self, row: Row, smallest: Row) -> bool:
        """The same layers may differ by weights that the exporter stores once, such as biases of zeros."""
        same = row is smallest or self._same(smallest, row)
        return same or bool(row["size_bytes"] * SMALLER_BY <= smallest["size_bytes"])

    def _unsettled(self, row: Row, top: Row) -> bool:
        """Whether quality doesn't tell the two apart."""
        reference = self.is_reference(row) or self.is_reference(top)
        return self.metric is None or reference or overlap(row, top, self.quality)

    def measured(self, row: Row) -> bool:
        """Whether the row has all three: quality, latency, size."""
        return known(row["latency_ms"]) and known(row["size_bytes"]) and not math.isnan(self.quality_of(row))

    def dominators(self, row: Row, rows: Sequence[Row]) -> list[Row]:
        """Rows of the same target that are nowhere worse and somewhere better."""
        own = self._position(row)
        return [r for r in self._rivals(row, rows) if self._position(r) != own and self._covers(self._position(r), own)]

    def standing(self, row: Row, rows: Sequence[Row]) -> str:
        """How the row stands among those of its target."""
        if not self.measured(row):
            return "not fully measured, so not compared"
        above = self.dominators(row, rows)
        if above:
            best = min(above, key=lambda r: r["latency_ms"])
            return f"dominated by {best['candidate']}: {self._lead(best, row)}"
        cheaper = [r for r in self._rivals(row, rows) if overlap(r, row, self.quality) and self._is_cheaper(r, row)]
        if not cheaper:
            return "on the Pareto front"
        rival = min(cheaper, key=lambda r: r["latency_ms"])
        gains = join(_gains(rival, row))
        return (
            f"on the Pareto front, but {rival['candidate']} is {gains}, and the 95 % intervals of {self.label} overlap"
        )

    def reason(
        self,
        row: Row,
        rows: Sequence[Row],
        checks: Sequence[Check],
        best: Row | None,
        fitting: Sequence[Row],
        equal: Sequence[Row] = (),
    ) -> str:
        """Why a row of the deciding target was chosen or not."""
        if not known(row["latency_ms"]):
            return f"not profiled on {row['target']}"
        missed = [c.words for c in checks if not c.met]
        if missed:
            return "; ".join(missed)
        if math.isnan(self.merit(row)):
            return f"{self.aim} was not measured for it"
        if barred := self.barred(row):
            return f"its times are {join(barred)}, which can't win by speed"
        if best is None:
            return f"{self.aim} was not measured for it"
        if row is best:
            return f"chosen: {self._superlative(fitting, equal)}"
        if self.aim == self.quality and self.is_reference(row):
            return f"what {self.label} is measured against, so it can't win by that"
        if any(row is each for each in equal):
            less = self._costlier(row, best)
            if self.aim != self.quality:
                behind = self.quality_of(row) < self.quality_of(best)
                less = f"{self._worse} in {self.label}" if behind else "no better or smaller"
            return f"{self._as(best['candidate'])} within the noise, but {less}"
        if self.dominators(row, rows):
            return self.standing(row, rows)
        if self.merit(row) == self.merit(best):
            return f"equal to {best['candidate']} in {self.label or self.aim}, but slower"
        less = COMPARATIVE.get(self.aim, f"{self._worse} in {self.label}")
        return f"within the limits, but {less} than {best['candidate']} ({self._compare(row, best)})"

    def decision(self, best: Row, fitting: Sequence[Row], equal: Sequence[Row] = ()) -> str:
        """The choice in one or two sentences."""
        what = self._superlative(fitting, equal)
        text = f"{best['candidate']} is {what}, measured on {best['target']}."
        if equal:
            names = join([row["candidate"] for row in equal])
            why = "the smallest" if any(row["size_bytes"] > best["size_bytes"] for row in equal) else ""
            if self.aim == self.quality:
                slower = any(not self._untimed(row) and not self._level(row, best) for row in equal)
                why = "the fastest" if slower and not self._untimed(best) else why
            elif any(self.quality_of(row) < self.quality_of(best) for row in equal):
                why = f"the best in {self.label}"
            why = why or "made in the fewest steps"
            n = self._values[best["candidate"]]["n"] if best["candidate"] in self._values else None
            noise = f"the noise of {n} pictures" if n and self.aim == self.quality else "the noise"
            return f"{text} {names} can't be told from it beyond {noise}; of these it is {why}."
        return text

    def _costlier(self, row: Row, best: Row) -> str:
        """What speaks against a row that is as good as the choice."""
        if not self._untimed(row) and not self._untimed(best) and not self._level(row, best):
            return f"slower ({milliseconds(row['latency_ms'])} against {milliseconds(best['latency_ms'])})"
        return "larger" if row["size_bytes"] > best["size_bytes"] else "no faster or smaller"

    def _as(self, name: str) -> str:
        return AS.get(self.aim, f"as good in {self.label} as {{}}").format(name)

    def _position(self, row: Row) -> tuple[float, float, float]:
        return (-self.quality_of(row), row["latency_ms"], row["size_bytes"])

    @staticmethod
    def _covers(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
        return all(x <= y for x, y in zip(a, b, strict=True))

    def _rivals(self, row: Row, rows: Sequence[Row]) -> list[Row]:
        return [r for r in rows if r["target"] == row["target"] and r is not row and self.measured(r)]

    def _is_cheaper(self, a: Row, b: Row) -> bool:
        return self._covers(self._position(a)[1:], self._position(b)[1:]) and bool(_gains(a, b))

    def _lead(self, a: Row, b: Row) -> str:
        """In what ``a``, which dominates ``b``, is better."""
        gains = _gains(a, b)
        if not self.quality:
            return join(gains)
        better, within = self.quality_of(a) > self.quality_of(b), overlap(a, b, self.quality)
        if better and not (within and gains):
            return join([*gains, f"better in {self.label}"]) + (", though within the interval" if within else "")
        return f"{join(gains)} at equal {self.label}{' within the interval' if better else ''}"

    def _superlative(self, fitting: Sequence[Row], equal: Sequence[Row] = ()) -> str:
        place = "within the limits" if self.limited else "(no limits set)"
        if len(fitting) == 1:
            return f"the only candidate {place}"
        what = SUPERLATIVE.get(self.aim, f"the best in {self.label}")
        return f"{'among ' if equal else ''}{what} of the {len(fitting)} candidates {place}"

    def _compare(self, row: Row, best: Row) -> str:
        if self.aim == "speed":
            return f"{milliseconds(row['latency_ms'])} against {milliseconds(best['latency_ms'])}"
        if self.aim == "smallness":
            return f"{number(row['size_bytes'] / 1e6)} against {number(best['size_bytes'] / 1e6)} MB"
        values = f"{self._value(row)} against {self._value(best)}"
        return f"{values}; the 95 % intervals overlap" if overlap(row, best, self.quality) else values

    def _value(self, row: Row) -> str:
        return number(row[self.quality]) if known(row[self.quality]) else "the reference itself"


def _gains(a: Row, b: Row) -> list[str]:
    """In which costs ``a`` is below ``b``."""
    costs = {"smaller": "size_bytes", "faster": "latency_ms"}
    return [word for word, column in costs.items() if a[column] < b[column]]
