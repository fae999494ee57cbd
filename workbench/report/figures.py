"""The report's figures, each one a function from plain numbers to an inline SVG string."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.report.place_labels import place_labels
from workbench.report.rank import Ranking
from workbench.report.svg import (
    BAD,
    BG,
    FG,
    MUTED,
    SERIES,
    canvas,
    end_labels,
    style,
    to_svg,
)
from workbench.report.words import COMPONENTS, change, known, milliseconds, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE, HALF = 7.4, 5.0
"""Widths in inches of a figure that fills the page and of one that fills half of it."""
FAR = 10
"""Times the fastest candidate's latency beyond which the axis is logarithmic: few-step students would lie on a heap."""
MANY = 7
"""Candidates beyond which a figure's labels are names alone."""


def colours(names: Sequence[str]) -> dict[str, str]:
    """One colour per candidate, the same in every figure."""
    return {name: SERIES[i % len(SERIES)] for i, name in enumerate(names)}


def dashes(names: Sequence[str]) -> dict[str, Any]:
    """A line style per candidate: whole lines, and where the colours come round again dashed and dotted ones."""
    styles: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)))
    return {name: styles[i // len(SERIES) % len(styles)] for i, name in enumerate(names)}


def pareto(ranking: Ranking, target: str, limits: Mapping[str, float | None]) -> str | None:
    """Quality against pipeline latency, size as area, 95 % intervals as bars; None where there is nothing to plot.

    Dominated candidates are faded, the chosen one is ringed; latency and alignment limits are lines.
    """
    quality, table = ranking.quality, ranking.table
    if quality is None:
        return None
    rows = [r for r in table[table.target == target].to_dict("records") if known(r["latency_ms"]) and known(r[quality])]
    if not rows:
        return None
    tint, many = colours(list(dict.fromkeys(table.candidate))), len(rows) > MANY
    largest = max(r["size_bytes"] for r in rows)
    with style():
        figure, axes = canvas(WIDE, 4.6 if many else 3.7)
        radii, labels, lines = [], [], []
        for row in rows:
            alpha = 1.0 if row["pareto"] else 0.4
            area = 30 + 330 * row["size_bytes"] / largest
            low, high = row.get(f"{quality}_low"), row.get(f"{quality}_high")
            x, y = row["latency_ms"], row[quality]
            axes.scatter(x, y, s=area, color=tint[row["candidate"]], alpha=alpha, edgecolors=BG, linewidths=1, zorder=3)
            if known(low) and known(high):
                axes.errorbar(
                    x, y, yerr=[[y - low], [high - y]], fmt="none", ecolor=FG, elinewidth=1, capsize=2.5, alpha=alpha,
                    zorder=4,
                )  # fmt: skip
                lines.append(((x, low), (x, high)))
            if row["chosen"]:
                area = (area**0.5 + 7) ** 2
                axes.scatter(x, y, s=area, facecolors="none", edgecolors=FG, linewidths=1.5, zorder=4)
            text = f"{row['candidate']}\n{milliseconds(x)}{_beside(row)} · {number(row['size_bytes'] / 1e6)} MB"
            text = row["candidate"] + _beside(row) if many else text
            labels.append(
                axes.annotate(
                    text, (x, y), (0, 0), textcoords="offset pixels", ha="left", va="bottom", zorder=5,
                    color=FG if row["pareto"] else MUTED, annotation_clip=False, linespacing=1.25,
                )
            )  # fmt: skip
            radii.append((area**0.5) / 2 * figure.dpi / 72)
        lines += _pareto_axes(axes, rows, ranking, limits if target == ranking.target else {})
        front = [(r["latency_ms"], r[quality]) for r in sorted(rows, key=lambda r: r["latency_ms"]) if r["pareto"]]
        axes.plot(*zip(*front, strict=True), color=MUTED, linewidth=0.9, zorder=1)
        lines += list(itertools.pairwise(front))
        place_labels(axes, [(r["latency_ms"], r[quality]) for r in rows], radii, labels, lines)
        return to_svg(figure, f"pareto-{target}", f"{ranking.quality_label} against pipeline latency on {target}")


def _pareto_axes(
    axes: Axes, rows: Sequence[Mapping[str, Any]], ranking: Ranking, limits: Mapping[str, float | None]
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Ranges, names and limit lines; gives the ends of the lines."""
    quality = ranking.quality or ""
    ends = [r.get(f"{quality}_{end}") for r in rows for end in ("low", "high")] + [r[quality] for r in rows]
    floor = _floor(ranking, limits)
    values = [v for v in (*ends, floor) if known(v)]
    room = (max(values) - min(values)) * 0.18 or abs(max(values)) * 0.1 or 1.0
    bottom, top = min(values) - room, max(values) + room
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
    axes.set_ylabel(f"{ranking.quality_label}; up is better")
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
        axes.axhline(floor, **dashed)
        lines.append(((left, floor), (right, floor)))
        axes.annotate(
            f"limit {number(floor)}", (1, floor), (-2, -3), xycoords=("axes fraction", "data"),
            textcoords="offset points", color=BAD, ha="right", va="top",
        )  # fmt: skip
    return lines


def _beside(row: Mapping[str, Any]) -> str:
    """What must stand beside a latency that is not what it seems."""
    kinds = ", ".join(kind for kind in ("simulated", "emulated") if row.get(kind))
    return f" ({kinds})" if kinds else ""


def _floor(ranking: Ranking, limits: Mapping[str, float | None]) -> float | None:
    """The least quality that the limits allow, on the figure's axis."""
    if ranking.quality == "psnr_db":
        return limits.get("psnr_db")
    drop, first = limits.get("alignment_drop"), ranking.table.iloc[0].get("alignment")
    return first * (1 - drop) if ranking.quality == "alignment" and drop is not None and known(first) else None


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
        all_axes[0].set_yticks(range(len(rows)), [r["candidate"] + _beside(r) for r in rows], color=FG)
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
                label = name + _beside(profiles[target, name])
                bars.append((target, label, {p: v for p, v in parts.items() if known(v)}))
    if not bars:
        return None
    kinds = list(
        dict.fromkeys(
            p for p in (*COMPONENTS, *(p for *_, parts in bars for p in parts)) if any(p in b[2] for b in bars)
        )
    )
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
        text = f"{COMPONENTS.get(kind, kind)} {milliseconds(ms)}"
        label = axes.annotate(text, (left + width / 2, y), ha="center", va="center", color=BG)
        if label.get_window_extent().width * 1.1 > width * pixels:
            label.remove()
            outside.append(f"{COMPONENTS.get(kind, kind)} {number(ms)}")
        left += width
    end = axes.annotate(
        milliseconds(sum(parts.values())), (left, y), (6, 0), textcoords="offset points", va="center", color=FG
    )
    beside = end.get_window_extent().width * 72 / axes.figure.dpi + 14
    if outside:
        text = ", ".join(outside)
        axes.annotate(text, (left, y), (beside, 0), textcoords="offset points", va="center", color=MUTED)


def sqnr(scores: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> str | None:
    """SQNR of the U-Net's output against the reference's, per timestep, in the order of denoising (high to low)."""
    lines = {n: (scores.get(n) or {}).get("unet_sqnr_db_by_timestep") or {} for n in names}
    lines = {n: {int(t): v for t, v in line.items() if known(v)} for n, line in lines.items()}
    lines = {n: line for n, line in lines.items() if line}
    if not lines:
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
        axes.set_ylabel("SQNR, dB; up is closer")
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0), high)
        end_labels(axes, {n: (min(lines[n]), y) for n, y in ends.items()}, tint)
        return to_svg(figure, "sqnr", "U-Net SQNR per timestep")
