"""Would the same candidate be chosen again? The choice is made anew on resamples of the stored passes and pictures.

A bootstrap of the whole decision (Efron 1979), the noise of a load of each network included: see ``comparing.ratio``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.comparing.ratio import LOAD_SPREAD
from workbench.report.format import known
from workbench.report.per_picture import passes_of
from workbench.report.ranking.choose import choose
from workbench.report.ranking.table import Profiles, Scored, value_of

if TYPE_CHECKING:
    import numpy as np

    from workbench.report.ranking.constraints import Limits
    from workbench.report.ranking.standing import Ranker, Row

RESAMPLES = 1000
_LOAD = LOAD_SPREAD / math.sqrt(2)
"""Of one side of a ratio whose spread from load to load is LOAD_SPREAD."""
_Z95 = 1.96


@dataclass(frozen=True)
class Stability:
    """How often each candidate was chosen in ``n`` resamples, the most frequent first; "" stands for none."""

    chosen: Mapping[str, int]
    n: int

    def told(self, chosen: str) -> str:
        """One sentence on the candidate that is chosen, and on the runner-up."""
        others = [(name, count) for name, count in self.chosen.items() if name != chosen]
        text = f"Made anew on {self.n:,} resamples of the passes and pictures, the choice is {chosen} in "
        text += f"{self.chosen.get(chosen, 0):,} of them"
        if others:
            name, count = others[0]
            text += f"; the runner-up is {name or 'that none is within the limits'}, in {count:,}"
        return f"{text}."


def stability(
    ranker: Ranker,
    rows: Sequence[Row],
    targets: Sequence[str],
    limits: Limits,
    scores: Scored,
    profiles: Profiles,
    n: int = RESAMPLES,
) -> Stability:
    """Makes the choice anew ``n`` times, on other passes and other pictures; networks and files stay what they are."""
    import numpy as np

    rng = np.random.default_rng(0)
    drifts = _drifts(rows, profiles, n, rng)
    moved = _metrics([row["candidate"] for row in rows], scores, n, rng)
    chosen: Counter[str] = Counter()
    for i in range(n):
        best = choose(ranker, [_redrawn(row, i, drifts, moved) for row in rows], targets, limits).best
        chosen[best["candidate"] if best else ""] += 1
    return Stability(dict(chosen.most_common()), n)


def _redrawn(row: Row, i: int, drifts: Mapping[tuple[str, str], Any], moved: Mapping[str, Mapping[str, Any]]) -> Row:
    new = dict(row)
    if (drift := drifts.get((row["target"], row["candidate"]))) is not None:
        new["drift"], new["latency_ms"] = float(drift[i]), row["latency_ms"] * math.exp(drift[i])
    for name, by_metric in moved.get(row["candidate"], {}).items():
        for column in (name, f"{name}_low", f"{name}_high"):
            new[column] = row[column] + float(by_metric[i])
    return new


def _drifts(rows: Sequence[Row], profiles: Profiles, n: int, rng: np.random.Generator) -> dict[tuple[str, str], Any]:
    """The logarithm of each row's latency on other passes ÷ the measured one, [n]."""
    import numpy as np

    measured: dict[tuple[str, str], np.ndarray] = {}
    drifts = {}
    for row in rows:
        place = (row["target"], row["candidate"])
        profile = profiles.get(place) or {}
        passes, whole, other = passes_of(profile), 0.0, np.zeros(n)
        for name, component in (profile.get("components") or {}).items():
            time = component.get("latency_ms") or {}
            if not known(time.get("median")):
                continue
            # What candidates share was measured once, and is slow or fast for all of them.
            once = (row["target"], component.get("shared_with") or f"{row['candidate']}.{name}")
            if once not in measured:
                measured[once] = _medians(time.get("samples") or [], n, rng)
            ms = time["median"] * passes.get(name, 1)
            whole, other = whole + ms, other + ms * measured[once]
        if whole and known(row["latency_ms"]):
            drifts[place] = np.log(other / whole)
    return drifts


def _medians(samples: Sequence[float], n: int, rng: np.random.Generator) -> np.ndarray:
    """Medians of blocks of neighbouring passes drawn anew ÷ that of all, [n], with the spread of single loads."""
    import numpy as np

    loads = np.exp(rng.normal(0.0, _LOAD, n))
    taken = np.asarray(samples, float)
    if len(taken) < 2:
        return loads
    length = max(1, round(len(taken) ** (1 / 3)))
    starts = rng.integers(0, len(taken) - length + 1, (n, math.ceil(len(taken) / length)))
    blocks = taken[starts[..., None] + np.arange(length)].reshape(n, -1)
    return loads * np.median(blocks, axis=1) / np.median(taken)


def _metrics(
    candidates: Sequence[str], scores: Scored, n: int, rng: np.random.Generator
) -> dict[str, dict[str, np.ndarray]]:
    """By candidate and metric, by how much its value moves on other pictures, [n].

    Where a metric has a value for every picture, all candidates are judged by the same pictures; else it moves within
    its interval.
    """
    import numpy as np

    moved: dict[str, dict[str, np.ndarray]] = {}
    drawn: dict[int, np.ndarray] = {}
    for candidate in dict.fromkeys(candidates):
        for name in scores[candidate]["metrics"] if candidate in scores else ():
            value = value_of(scores, candidate, name)
            if value is None:
                continue
            by_picture = np.asarray(value.get("by_picture") or [], float)
            if len(by_picture) > 1:
                count = len(by_picture)
                if count not in drawn:
                    drawn[count] = rng.integers(0, count, (n, count))
                change = by_picture[drawn[count]].mean(1) - by_picture.mean()
            else:
                change = rng.normal(0.0, max(value["high"] - value["low"], 0.0) / (2 * _Z95), n)
            moved.setdefault(candidate, {})[name] = change
    return moved
