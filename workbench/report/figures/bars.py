"""The report's figures, each one a function from plain numbers to an inline SVG string."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.metrics.base import Metric
from workbench.models.families import component_label
from workbench.report.figures.svg import BG, FG, MUTED, SERIES, canvas, end_labels, row_label, style, to_svg
from workbench.report.format import change, known, milliseconds, number
from workbench.report.ranking.rank import Ranking
from workbench.report.ranking.table import Scored, value_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE, HALF = 7.4, 5.0
"""Widths in inches of a figure that fills the page and of one that fills half of it."""


def colours(names: Sequence[str]) -> dict[str, str]:
    """One colour per candidate, the same in every figure."""
    return {name: SERIES[i % len(SERIES)] for i, name in enumerate(names)}


def dashes(names: Sequence[str]) -> dict[str, Any]:
    """A line style per candidate: whole lines, and where the colours come round again dashed and dotted ones."""
    styles: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)))
    return {name: styles[i // len(SERIES) % len(styles)] for i, name in enumerate(names)}


def beside(row: Mapping[str, Any]) -> str:
    """What must stand beside a latency that is not what it seems."""
    kinds = ", ".join(kind for kind in ("simulated", "emulated") if row.get(kind))
    return f" ({kinds})" if kinds else ""


def steps_bought(ranking: Ranking, target: str, quality_unit: str = "") -> str | None:
    """Latency, size and quality of each candidate as bars, with what it was made from as an outline."""
    quality, table = ranking.quality, ranking.table
    rows = [r for r in table[table.target == target].to_dict("records") if known(r["latency_ms"])]
    if len(rows) < 2:
        return None
    panels = [("latency_ms", 1.0, "pipeline latency, ms"), ("size_bytes", 1e6, "size, MB")]
    if quality:
        panels.append((quality, 1.0, f"{ranking.quality_label}{f', {quality_unit}' if quality_unit else ''}"))
    tint = colours(list(dict.fromkeys(table.candidate)))
    made = ranking.by_step[ranking.by_step.target == target]
    place = {row["candidate"]: i for i, row in enumerate(rows)}
    parents = {place[child]: place[parent] for child, parent in zip(made.candidate, made.previous, strict=True)}
    with style():
        figure, all_axes = canvas(WIDE, 0.55 + 0.42 * len(rows), len(panels), sharey=True)
        for axes, (column, scale, title) in zip(all_axes, panels, strict=True):
            values = [r[column] / scale if known(r[column]) else 0.0 for r in rows]
            for i, value in enumerate(values):
                axes.barh(i, value, height=0.56, color=tint[rows[i]["candidate"]], zorder=2)
                before = values[parents[i]] if i in parents and known(rows[parents[i]][column]) else 0.0
                if before:
                    axes.barh(
                        i, before, height=0.56, facecolor="none", edgecolor=MUTED, linewidth=0.8,
                        linestyle=(0, (2, 2)), zorder=1,
                    )  # fmt: skip
                shown = number(value) if known(rows[i][column]) else "–"
                moved = f"\u2002{change(value / before - 1)}" if before and known(rows[i][column]) else ""
                axes.annotate(
                    shown + moved,
                    (max(value, before), i),
                    (4, 0),
                    textcoords="offset points",
                    va="center",
                    color=FG,
                    zorder=3,
                )
            axes.set_xlim(0, max(values) * 1.62 or 1)
            axes.set_title(title, loc="left", color=MUTED)
            axes.set_xticks([])
            axes.spines["bottom"].set_visible(False)
            axes.tick_params(length=0)
        all_axes[0].set_yticks(range(len(rows)), [row_label(r["candidate"]) + beside(r) for r in rows], color=FG)
        all_axes[0].invert_yaxis()
        return to_svg(figure, f"steps-{target}", f"What each step bought on {target}")


def budget(profiles: Mapping[tuple[str, str], Mapping[str, Any]], names: Sequence[str]) -> str | None:
    """Pipeline latency split into components, one stacked bar per candidate and target.

    Each target has a scale of its own: an emulated device may take a hundred times as long as the others.
    """
    bars = []
    for target in dict.fromkeys(t for t, _ in profiles):
        for name in names:
            parts = ((profiles.get((target, name)) or {}).get("pipeline") or {}).get("parts_ms") or {}
            if any(known(v) for v in parts.values()):
                label = row_label(name) + beside(profiles[target, name])
                bars.append((target, label, {p: v for p, v in parts.items() if known(v)}))
    if not bars:
        return None
    kinds = list(dict.fromkeys(part for *_, parts in bars for part in parts))
    tint = {kind: SERIES[(5, 6, 4)[i % 3]] for i, kind in enumerate(kinds)}  # not those of the candidates
    longest: dict[str, float] = {}
    for target, _, parts in bars:
        longest[target] = max(longest.get(target, 0.0), sum(parts.values()))
    several = len({t for t, *_ in bars}) > 1
    rows = len(bars) + (len({t for t, *_ in bars}) if several else 0)
    with style():
        figure, axes = canvas(WIDE, 0.2 + 0.3 * rows)
        axes.set(xlim=(0, 1.8), ylim=(rows - 0.4, -0.6))
        axes.set_xticks([])
        axes.spines[["bottom", "left"]].set_visible(False)
        axes.tick_params(length=0)
        y, ticks, groups, last = -1, [], [], None
        for target, name, _parts in bars:
            y += 1
            if several and target != last:
                groups.append((y, target))
                y += 1
            last = target
            ticks.append((y, name))
        axes.set_yticks([t for t, _ in ticks], [n for _, n in ticks], color=FG)
        for at, target in groups:
            axes.annotate(
                f"{target}, to its own scale", (0, at), (1, -2), textcoords="offset points", va="center", color=MUTED
            )
        axes.figure.canvas.draw()
        for (at, _), (target, _, parts) in zip(ticks, bars, strict=True):
            _budget_bar(axes, at, {k: parts[k] for k in kinds if k in parts}, tint, longest[target])
        return to_svg(figure, "budget", "Pipeline latency by component")


def _budget_bar(axes: Axes, y: float, parts: Mapping[str, float], tint: Mapping[str, str], longest: float) -> None:
    """One stacked bar, 1 long for ``longest`` ms; parts too short for their name are named after its end."""
    left, outside = 0.0, []
    pixels = axes.transData.transform((1, 0))[0] - axes.transData.transform((0, 0))[0]
    for kind, ms in parts.items():
        width = ms / longest
        axes.barh(y, width, left=left, height=0.68, color=tint[kind], edgecolor=BG, linewidth=0.5)
        text = f"{component_label(kind)} {milliseconds(ms)}"
        label = axes.annotate(text, (left + width / 2, y), ha="center", va="center", color=BG)
        if label.get_window_extent().width * 1.1 > width * pixels:
            label.remove()
            outside.append(f"{component_label(kind)} {number(ms)}")
        left += width
    end = axes.annotate(
        milliseconds(sum(parts.values())), (left, y), (6, 0), textcoords="offset points", va="center", color=FG
    )
    beside = end.get_window_extent().width * 72 / axes.figure.dpi + 14
    if outside:
        text = ", ".join(outside)
        axes.annotate(text, (left, y), (beside, 0), textcoords="offset points", va="center", color=MUTED)


def by_timestep(metric: Metric, scores: Scored, names: Sequence[str]) -> str | None:
    """A metric of the U-Net's output at each timestep, in the order of denoising (high to low)."""
    values = {n: value_of(scores, n, metric.name) for n in names}
    lines = {n: {int(t): v for t, v in value.get("by_timestep", {}).items()} for n, value in values.items() if value}
    lines = {n: line for n, line in lines.items() if line}
    if not lines or metric.by_timestep is None:
        return None
    tint, dashed = colours(names), dashes(names)
    with style():
        figure, axes = canvas(HALF, max(2.7, 0.6 + 0.19 * len(lines)))
        for name, line in lines.items():
            times = sorted(line, reverse=True)
            shown: dict[str, Any] = {"color": tint[name], "linewidth": 1.6, "linestyle": dashed[name]}
            axes.plot(times, [line[t] for t in times], marker="o", markersize=3.5, **shown)
        ends = {name: line[min(line)] for name, line in lines.items()}
        axes.grid(True, axis="y")
        axes.tick_params(length=0)
        axes.invert_xaxis()
        axes.set_xticks(sorted({t for line in lines.values() for t in line}, reverse=True))
        axes.set_xlabel("timestep, from noise to picture")
        axes.set_ylabel(metric.by_timestep.axis)
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0), high)
        end_labels(axes, {n: (min(lines[n]), y) for n, y in ends.items()}, tint)
        return to_svg(figure, metric.name, metric.by_timestep.title)
