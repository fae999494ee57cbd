"""A training's loss over its steps, averaged in bins so that a report can hold and draw it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

BESIDES = ("step", "lr")
"""Fields of a row of ``loss.jsonl`` that are no loss terms."""


def binned(rows: Sequence[Mapping[str, float]], points: int = 200) -> list[tuple[int, dict[str, float]]]:
    """At most ``points`` pairs of (last step of a bin, mean of every loss term over the bin), in order of the steps.

    All bins hold equally many rows, the last one those that are left. A term counts in the rows that have it as a
    finite number; a bin where none has it leaves it out. Rows without ``step`` count from 0.

    Raises:
        ValueError: ``points`` is below 1.
    """
    if points < 1:
        raise ValueError(f"a curve needs at least 1 point, asked for {points}")
    size = math.ceil(len(rows) / points)
    terms = list(dict.fromkeys(name for row in rows for name in row if name not in BESIDES))
    bins = []
    for start in range(0, len(rows), max(1, size)):
        group = rows[start : start + size]
        values = {name: [row[name] for row in group if math.isfinite(row.get(name, math.nan))] for name in terms}
        means = {name: sum(of) / len(of) for name, of in values.items() if of}
        bins.append((int(group[-1].get("step", start + len(group) - 1)), means))
    return bins


def facts(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """What a training step's report says of its loss: means of the first and the last tenth of it, and the curve.

    Raises:
        ValueError: there are no rows.
    """
    tenth = max(1, len(rows) // 10)
    (_, first), (_, last) = binned(rows[:tenth], 1)[0], binned(rows[-tenth:], 1)[0]
    return {"first_tenth": first, "last_tenth": last, "curve": [[step, terms] for step, terms in binned(rows)]}
