"""Published figures beside ours: does our order of the candidates agree with a published one?

Published scores are of another kind and scale, of other pictures and mostly of a larger model. What can be compared is
which of two candidates is the better one; whether ours says so is decided picture by picture, on the same prompts and
seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import TYPE_CHECKING

from workbench.metrics.base import Metric
from workbench.metrics.paired import paired
from workbench.metrics.scores import Difference, MetricValue
from workbench.report.data import RunData
from workbench.report.format import MINUS, MISSING, join
from workbench.report.ranking.rank import Ranking
from workbench.report.ranking.table import value_of
from workbench.report.sections.registry import Section

if TYPE_CHECKING:
    from workbench.recipe.schema import Published

AGREES, DIFFERS, UNDECIDED = "agrees", "differs", "undecided"
TONES = {AGREES: "good", DIFFERS: "loud", UNDECIDED: ""}
_ENDS = {"high": "higher is better", "low": "lower is better"}


@dataclass(frozen=True)
class Row:
    """A candidate's published figure and ours; ``lacks``: why it can't be compared, empty where it can."""

    candidate: str
    published: str
    published_rank: str
    ours: str
    interval: str
    n: str
    rank: str
    lacks: str


@dataclass(frozen=True)
class Pair:
    """Two candidates whose published figures differ: ``ahead`` has the better one. Differences are ahead - behind."""

    ahead: str
    behind: str
    published: str
    difference: str
    interval: str
    n: str
    says: str
    tone: str


@dataclass(frozen=True)
class Table:
    """One published table as words; ``left_out``: a sentence on the pairs that could not be compared, or empty."""

    title: str
    source: str
    score: str
    score_better: str
    metric: str
    unit: str
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    summary: str
    left_out: str


def gather(run: RunData, ranking: Ranking) -> list[Table] | None:
    """A table for every one that the recipe brings, the candidates in the published order, the best first."""
    return [_table(run, published) for published in run.recipe.published] or None


def _table(run: RunData, published: Published) -> Table:
    metric, values = run.recipe.metric_beside(published), published.values
    sign = 1 if published.better == "high" else -1
    order = sorted(values, key=lambda name: -sign * values[name])
    ours = {name: value for name in order if (value := value_of(run.scores, name, metric.name))}
    figures = _figures(values)
    rows = []
    for name in order:
        own = ours.get(name)
        better = sum(metric.sign * (other["value"] - own["value"]) > 0 for other in ours.values()) if own else 0
        rows.append(
            Row(
                candidate=name,
                published=figures[name],
                published_rank=str(1 + sum(sign * v > sign * values[name] for v in values.values())),
                ours=_number(own["value"], metric) if own else MISSING,
                interval=_ends(own, metric) if own else "",
                n=str(own["n"]) if own else MISSING,
                rank=str(1 + better) if own else MISSING,
                lacks="" if own else "not scored",
            )
        )
    differing = [(a, b) for a, b in combinations(order, 2) if values[a] != values[b]]
    pairs = [_pair(metric, ours, (a, b), figures) for a, b in differing if a in ours and b in ours]
    return Table(
        title=published.title,
        source=published.source,
        score=published.score,
        score_better=_ENDS[published.better],
        metric=metric.label,
        unit=metric.symbol,
        rows=tuple(rows),
        pairs=tuple(pairs),
        summary=_summary([pair.says for pair in pairs], bool(differing)),
        left_out=_left_out(len(differing) - len(pairs), [name for name in order if name not in ours]),
    )


def _pair(metric: Metric, ours: Mapping[str, MetricValue], names: tuple[str, str], told: Mapping[str, str]) -> Pair:
    ahead, behind = names
    difference = paired(ours[ahead]["by_picture"], ours[behind]["by_picture"])
    low, high = sorted(metric.sign * end for end in (difference["low"], difference["high"]))
    says = AGREES if low > 0 else DIFFERS if high < 0 else UNDECIDED
    return Pair(
        ahead=ahead,
        behind=behind,
        published=f"{told[ahead]} against {told[behind]}",
        difference=_number(difference["difference"], metric, "+"),
        interval=_ends(difference, metric, "+"),
        n=str(difference["n"]),
        says=says,
        tone=TONES[says],
    )


def _summary(said: Sequence[str], any_differ: bool) -> str:
    """Of 6 pairs 4 agree, 1 differs, 1 undecided."""
    if not any_differ:
        return "No two of the published figures differ: there is no order to compare."
    if not said:
        return "No pair could be compared."
    words = {AGREES: ("agrees", "agree"), DIFFERS: ("differs", "differ"), UNDECIDED: (UNDECIDED, UNDECIDED)}
    counts = [(said.count(word), forms) for word, forms in words.items()]
    parts = ", ".join(f"{count} {forms[count > 1]}" for count, forms in counts if count)
    return f"Of {len(said)} pair{'s' if len(said) > 1 else ''} {parts}."


def _left_out(count: int, names: list[str]) -> str:
    if not names:
        return ""
    whose = f"{join(names)} {'was' if len(names) == 1 else 'were'} not scored as needed"
    pairs = f"{count} pair{'s' if count > 1 else ''}" if count else "no pair"
    return f"{whose}: {pairs} left out."


def _figures(values: Mapping[str, float]) -> dict[str, str]:
    """Published figures, all with as many decimals as the one that has most: 0.270 beside 0.272."""
    exponents = [Decimal(str(value)).normalize().as_tuple().exponent for value in values.values()]
    places = max(0, *(-int(exponent) for exponent in exponents))
    shown = {name: f"{value:.{places}f}" if places < 10 else f"{value:g}" for name, value in values.items()}
    return {name: text.replace("-", MINUS) for name, text in shown.items()}


def _number(value: float, metric: Metric, sign: str = "-") -> str:
    return f"{value:{sign}.{metric.digits}f}".replace("-", MINUS)


def _ends(value: MetricValue | Difference, metric: Metric, sign: str = "-") -> str:
    """The interval."""
    return f"{_number(value['low'], metric, sign)} to {_number(value['high'], metric, sign)}"


SECTION = Section(__name__, "Beside published figures", 80, gather, link="Published figures")
