"""The figure in which the choice is seen: quality against pipeline latency, the Pareto front, limits, sizes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.metrics.base import Bound
from workbench.report.figures.bars import WIDE, beside, colours
from workbench.report.figures.place_labels import place_labels
from workbench.report.figures.svg import BAD, BG, FG, MUTED, canvas, row_label, style, to_svg
from workbench.report.format import known, milliseconds, number
from workbench.report.ranking.rank import Ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FAR = 10
"""Times the fastest candidate's latency beyond which the axis is logarithmic: few-step students would lie on a heap."""
FAR_BELOW = 3
"""Times the others' range of quality: what lies under a larger gap would squeeze them into a line."""
NARROW = 3.5
"""Inches: a figure for a phone, whose letters are not to shrink."""
MANY = 7
"""Candidates beyond which a figure's labels are names alone; half as many on a narrow one."""


def pareto(ranking: Ranking, target: str, limits: Mapping[str, float | None], width: float = WIDE) -> str | None:
    """Quality against pipeline latency, size as area, 95 % intervals as bars; None where there is nothing to plot.

    Dominated candidates are faded, the chosen one is ringed; limits on latency and quality are lines. A candidate far
    below all others is a triangle at the lower edge, with its quality beside its name.
    """
    quality, table = ranking.quality, ranking.table
    if quality is None:
        return None
    rows = [r for r in table[table.target == target].to_dict("records") if known(r["latency_ms"]) and known(r[quality])]
    if not rows:
        return None
    tint, many = colours(list(dict.fromkeys(table.candidate))), len(rows) > MANY * width / WIDE
    limits = limits if target == ranking.target else {}
    bottom, top = _range(rows, quality, _floor(ranking, limits), ranking.metric is None or ranking.metric.sign > 0)
    largest = max(r["size_bytes"] for r in rows)
    with style():
        figure, axes = canvas(width, 4.6 if len(rows) > MANY else 3.7)
        points, radii, labels, lines = [], [], [], []
        for row in rows:
            alpha = 1.0 if row["pareto"] else 0.4
            area = 30 + 330 * row["size_bytes"] / largest
            low, high = row.get(f"{quality}_low"), row.get(f"{quality}_high")
            x, y, below = row["latency_ms"], row[quality], row[quality] < bottom
            y = bottom + (top - bottom) * 0.04 if below else y
            axes.scatter(
                x, y, s=area, color=tint[row["candidate"]], alpha=alpha, edgecolors=BG, linewidths=1, zorder=3,
                marker="v" if below else "o",
            )  # fmt: skip
            if known(low) and known(high) and not below:
                axes.errorbar(
                    x, y, yerr=[[y - low], [high - y]], fmt="none", ecolor=FG, elinewidth=1, capsize=2.5, alpha=alpha,
                    zorder=4,
                )  # fmt: skip
                lines.append(((x, low), (x, high)))
            if row["chosen"]:
                area = (area**0.5 + 7) ** 2
                axes.scatter(x, y, s=area, facecolors="none", edgecolors=FG, linewidths=1.5, zorder=4)
            name = row_label(row["candidate"]) + (f", {number(row[quality])}" if below else "")
            text = f"{name}\n{milliseconds(x)}{beside(row)} · {number(row['size_bytes'] / 1e6)} MB"
            text = name + beside(row) if many else text
            labels.append(
                axes.annotate(
                    text, (x, y), (0, 0), textcoords="offset pixels", ha="left", va="bottom", zorder=5,
                    color=FG if row["pareto"] else MUTED, annotation_clip=False, linespacing=1.25,
                )
            )  # fmt: skip
            radii.append((area**0.5) / 2 * figure.dpi / 72)
            points.append((x, y))
        lines += _axes(axes, rows, ranking, limits, (bottom, top))
        front = sorted(point for point, row in zip(points, rows, strict=True) if row["pareto"])
        axes.plot(*zip(*front, strict=True), color=MUTED, linewidth=0.9, zorder=1)
        lines += list(itertools.pairwise(front))
        place_labels(axes, points, radii, labels, lines)
        return to_svg(
            figure, f"pareto-{target}-{width:g}", f"{ranking.quality_label} against pipeline latency on {target}"
        )


def _range(
    rows: Sequence[Mapping[str, Any]], quality: str, floor: float | None, rising_is_better: bool
) -> tuple[float, float]:
    """The quality axis: candidates with their intervals, and the limit, but for those far below all others.

    Left out are the fewest that lie under a gap of more than FAR_BELOW ranges, never half of all or the chosen one.
    """

    def ends(row: Mapping[str, Any]) -> list[float]:
        return [v for v in (row[quality], row.get(f"{quality}_low"), row.get(f"{quality}_high")) if known(v)]

    def far_below(value: float, values: Sequence[float]) -> bool:
        return min(values) - value > FAR_BELOW * (max(values) - min(values))

    rising = sorted(rows, key=lambda row: row[quality])
    shown = [end for row in rows for end in ends(row)]
    for i, row in enumerate(rising[: (len(rows) - 1) // 2] if rising_is_better else ()):
        above = [end for other in rising[i + 1 :] for end in ends(other)]
        if row["chosen"]:
            break
        if far_below(row[quality], above):
            shown = above
            break
    if floor is not None and not far_below(floor, shown):
        shown.append(floor)
    room = (max(shown) - min(shown)) * 0.18 or abs(max(shown)) * 0.1 or 1.0
    return min(shown) - room, max(shown) + room


def _axes(
    axes: Axes,
    rows: Sequence[Mapping[str, Any]],
    ranking: Ranking,
    limits: Mapping[str, float | None],
    height: tuple[float, float],
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Ranges, names and limit lines; gives the ends of the lines."""
    (bottom, top), floor = height, _floor(ranking, limits)
    slowest, limit = max(r["latency_ms"] for r in rows), limits.get("latency_ms")
    right = max(slowest, limit if limit and limit < 1.5 * slowest else 0) * 1.22
    left, fastest = 0.0, min(r["latency_ms"] for r in rows)
    if slowest > FAR * fastest > 0:
        from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

        axes.set_xscale("log")
        left, right = fastest / 1.5, right * 1.5
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda ms, _: f"{ms:g}"))
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.grid(True, axis="both")
    axes.tick_params(length=0)
    scale = ", logarithmic" if left else ""
    axes.set_xlabel(f"pipeline latency, ms (median{scale}); left is faster")
    end = "down" if ranking.metric and ranking.metric.sign < 0 else "up"
    axes.set_ylabel(f"{ranking.quality_label}; {end} is better")
    lines = []
    dashed: dict[str, Any] = {"color": BAD, "linewidth": 1.2, "linestyle": (0, (4, 3)), "zorder": 1}
    if limit and limit < right:
        axes.axvline(limit, **dashed)
        lines.append(((limit, bottom), (limit, top)))
        axes.annotate(
            f"limit {limit:g} ms", (limit, 1), (4, -2), xycoords=("data", "axes fraction"),
            textcoords="offset points", color=BAD, ha="left", va="top",
        )  # fmt: skip
    if floor is not None:
        if above := floor > bottom:
            axes.axhline(floor, **dashed)
            lines.append(((left, floor), (right, floor)))
        axes.annotate(
            f"limit {number(floor)}{'' if above else ', below'}", (1, max(floor, bottom)), (-2, -3 if above else 3),
            xycoords=("axes fraction", "data"), textcoords="offset points", color=BAD, ha="right",
            va="top" if above else "bottom",
        )  # fmt: skip
    return lines


def _floor(ranking: Ranking, limits: Mapping[str, float | None]) -> float | None:
    """The worst quality that the limits allow, on the figure's axis."""
    metric = ranking.metric
    assert metric is not None
    first = metric.perfect if metric.of_reference else ranking.table.iloc[0].get(metric.name)
    worse = {Bound.DROP, Bound.MIN} if metric.sign > 0 else {Bound.MAX}
    asked = [(limit, value) for key, limit in metric.limits.items() if (value := limits.get(key)) is not None]
    edges = [limit.edge(value, first if known(first) else math.nan) for limit, value in asked if limit.bound in worse]
    return max((edge for edge in edges if known(edge)), key=lambda edge: metric.sign * edge, default=None)
