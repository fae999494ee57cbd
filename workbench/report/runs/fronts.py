"""The Pareto fronts of two runs over each other: quality against pipeline latency."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.metrics.base import Metric
from workbench.report.figures.bars import WIDE, beside
from workbench.report.figures.place_labels import place_labels
from workbench.report.figures.svg import BG, FG, MUTED, SERIES, canvas, row_label, style, to_svg
from workbench.report.format import known
from workbench.report.runs.joined import Pair, Side

COLOURS = {"A": SERIES[1], "B": SERIES[2]}
MARKS = {"A": "o", "B": "s"}


def fronts(a: Side, b: Side, pairs: Sequence[Pair], target: str, metric: Metric, width: float = WIDE) -> str | None:
    """Both runs' candidates with their fronts, joined pairs by thin lines; None where either has nothing to show.

    A's are circles, B's squares; what its own run's front leaves behind is faded, each run's choice ringed.
    """
    rows = {"A": _rows(a, target, metric.name), "B": _rows(b, target, metric.name)}
    if not all(rows.values()):
        return None
    with style():
        figure, axes = canvas(width, 4.2)
        points, radii, labels, lines = [], [], [], []
        for side, own in rows.items():
            for row in own.values():
                x, y, alpha = row["latency_ms"], row[metric.name], 1.0 if row["pareto"] else 0.4
                axes.scatter(
                    x,
                    y,
                    s=64,
                    color=COLOURS[side],
                    marker=MARKS[side],
                    alpha=alpha,
                    edgecolors=BG,
                    linewidths=1,
                    zorder=3,
                )
                if row["chosen"]:
                    axes.scatter(
                        x, y, s=170, marker=MARKS[side], facecolors="none", edgecolors=FG, linewidths=1.5, zorder=4
                    )
                points.append((x, y))
                radii.append(((170 if row["chosen"] else 64) ** 0.5) / 2 * figure.dpi / 72)
                labels.append(
                    axes.annotate(
                        f"{row_label(row['candidate'])} {side}{beside(row)}",
                        *((x, y), (0, 0)),
                        textcoords="offset pixels",
                        ha="left",
                        va="bottom",
                        zorder=5,
                        color=FG if row["pareto"] else MUTED,
                        annotation_clip=False,
                    )
                )
            front = sorted((r["latency_ms"], r[metric.name]) for r in own.values() if r["pareto"])
            axes.plot(*zip(*front, strict=True), color=COLOURS[side], linewidth=1.1, zorder=2)
            lines += list(itertools.pairwise(front))
        for pair in pairs:
            ends = [rows[side].get(name or "") for side, name in (("A", pair.a), ("B", pair.b))]
            if all(ends):
                xs, ys = ([end[column] for end in ends if end] for column in ("latency_ms", metric.name))
                axes.plot(xs, ys, color=MUTED, linewidth=0.6, linestyle=(0, (2, 2)), zorder=1)
                lines.append(((xs[0], ys[0]), (xs[1], ys[1])))
        axes.set_xlim(0, 1.22 * max(x for x, _ in points))
        low, high = min(y for _, y in points), max(y for _, y in points)
        room = 0.18 * (high - low) or abs(high) * 0.1 or 1.0
        axes.set_ylim(low - room, high + room)
        axes.grid(True, axis="both")
        axes.tick_params(length=0)
        axes.set_xlabel("pipeline latency, ms (median); left is faster")
        axes.set_ylabel(f"{metric.label}; {'down' if metric.sign < 0 else 'up'} is better")
        place_labels(axes, points, radii, labels, lines)
        title = f"{metric.label} against pipeline latency on {target}, A and B"
        return to_svg(figure, f"fronts-{target}-{width:g}", title)


def _rows(side: Side, target: str, quality: str) -> Mapping[str, Mapping[str, Any]]:
    table = side.ranking.table
    if quality not in table:
        return {}
    rows = table[table.target == target].to_dict("records")
    found = {r["candidate"]: r for r in rows if known(r["latency_ms"]) and known(r[quality])}
    return found if any(row["pareto"] for row in found.values()) else {}
