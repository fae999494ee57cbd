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
from typing import TYPE_CHECKING, Any

from workbench.evaluate.paired import paired
from workbench.report.data import RunData
from workbench.report.format import MINUS, MISSING, join, known
from workbench.report.ranking.rank import Ranking
from workbench.report.ranking.table import label_of, metric_of
from workbench.report.sections.quality.paired import DIGITS
from workbench.report.sections.registry import Section

if TYPE_CHECKING:
    from workbench.recipe.published_config import Published

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
    metric, values = published.metric, published.values
    sign = 1 if published.better == "high" else -1
    order = sorted(values, key=lambda name: -sign * values[name])
    entries = {name: metric_of(run.scores, name, metric) for name in order}
    lacks = {name: _lacks(run, name, metric) for name in order}
    told = _figures(values)
    rows = []
    for name in order:
        entry, ours = entries[name], [e["value"] for e in entries.values() if e]
        rows.append(
            Row(
                candidate=name,
                published=told[name],
                published_rank=str(1 + sum(sign * v > sign * values[name] for v in values.values())),
                ours=_number(entry.get("value"), metric),
                interval=_ends(entry, metric),
                n=str(entry.get("n", MISSING)),
                rank=f"{1 + sum(v > entry['value'] for v in ours)}" if entry else MISSING,
                lacks=lacks[name],
            )
        )
    differing = [(a, b) for a, b in combinations(order, 2) if values[a] != values[b]]
    pairs = [_pair(run, metric, (a, b), told) for a, b in differing if not lacks[a] and not lacks[b]]
    return Table(
        title=published.title,
        source=published.source,
        score=published.score,
        score_better=_ENDS[published.better],
        metric=label_of(run.scores, metric),
        unit="dB" if metric == "psnr_db" else "",
        rows=tuple(rows),
        pairs=tuple(pairs),
        summary=_summary([pair.says for pair in pairs], bool(differing)),
        left_out=_left_out(len(differing) - len(pairs), [name for name in order if lacks[name]]),
    )


def _by_picture(run: RunData, name: str, metric: str) -> Sequence[float]:
    return (run.scores.get(name) or {}).get("by_picture", {}).get(metric, ())


def _lacks(run: RunData, name: str, metric: str) -> str:
    """Why a candidate can't be compared, if it can't."""
    if not metric_of(run.scores, name, metric):
        return "not scored"
    return "" if len(_by_picture(run, name, metric)) else "not scored picture by picture"


def _pair(run: RunData, metric: str, names: tuple[str, str], told: Mapping[str, str]) -> Pair:
    ahead, behind = names
    found = paired(_by_picture(run, ahead, metric), _by_picture(run, behind, metric))
    says = AGREES if found["low"] > 0 else DIFFERS if found["high"] < 0 else UNDECIDED
    return Pair(
        ahead=ahead,
        behind=behind,
        published=f"{told[ahead]} against {told[behind]}",
        difference=_number(found["difference"], metric, "+"),
        interval=_ends(found, metric, "+"),
        n=str(found["n"]),
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


def _number(value: Any, metric: str, sign: str = "-") -> str:
    return f"{value:{sign}.{DIGITS[metric]}f}".replace("-", MINUS) if known(value) else MISSING


def _ends(entry: Mapping[str, Any], metric: str, sign: str = "-") -> str:
    """The interval, empty where there is none."""
    if not known(entry.get("low")) or not known(entry.get("high")):
        return ""
    return f"{_number(entry['low'], metric, sign)} to {_number(entry['high'], metric, sign)}"


SECTION = Section(__name__, "Beside published figures", 80, gather, link="Published figures")
