"""The roofline: each layer by MACs per byte and MACs per second, under the machine's ceilings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.profile.summary import Ceilings
from workbench.report.figures.svg import BG, MUTED, SERIES, canvas, style, to_svg
from workbench.report.format import number, percent
from workbench.runtimes.kernels import kernels_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

WIDE, HIGH = 7.4, 3.3
AREAS = (6.0, 14.0, 32.0, 70.0)
"""Sizes of points in square points: a few, since each is drawn once and used again, which keeps the file small."""
SHARES = (0.002, 0.006, 0.02)
"""Shares of the component's time at which a point grows."""
TINT = {"float": SERIES[1], "int8": SERIES[2]}


@dataclass(frozen=True)
class Panel:
    """One candidate's component: its table of layers and the same rows under the ceilings (``roofline``)."""

    candidate: str
    component: str
    table: pd.DataFrame
    lines: pd.DataFrame


def roofline_figure(panels: Sequence[Panel], ceilings: Ceilings) -> str | None:
    """One panel per candidate with equal axes, both logarithmic; None where no layer has products and a time.

    Args:
        panels: the parent first.
        found: what ``workbench.profile.ceilings.ceilings`` gave.
    """
    points = [_points(panel, ceilings["runtime"]) for panel in panels]
    drawn = [p for p in points if len(p)]
    if not drawn:
        return None
    x = [v for p in drawn for v in p["intensity"]]
    y = [v for p in drawn for v in p["rate"]]
    top = max(_products(ceilings).values())
    limits = (min(x) / 1.6, max(x) * 3), (min(y) / 2, max(top, *y) * 2.2)
    with style():
        figure, axes = canvas(WIDE, HIGH, len(panels), sharey=True, squeeze=False)
        for one, panel, own in zip(axes[0], panels, points, strict=True):
            one.set(xscale="log", yscale="log", xlim=limits[0], ylim=limits[1])
            for axis in (one.xaxis, one.yaxis):
                axis.set_major_formatter(lambda value, _: f"{value:g}")
            one.minorticks_off()
            one.grid(True)
            one.tick_params(length=0)
            _roofs(one, ceilings, limits[0])
            _scatter(one, own)
            without = 1 - own["share"].sum()
            one.set_title(f"{panel.candidate} (not shown: {percent(without)} of the time, no products)", loc="left")
            one.set_xlabel("MACs per byte (bytes estimated)")
        axes[0][0].set_ylabel("GMAC/s reached")
        return to_svg(figure, "roofline", "Layers under the machine's ceilings")


def _points(panel: Panel, runtime: str) -> pd.DataFrame:
    """Layers with products: intensity, rate in GMAC/s, share of the component's time, format, class of size."""
    table = panel.table
    kernels = kernels_of(runtime)
    integer = [
        kernels.computes_integers(str(op), str(scheme))
        for op, scheme in zip(table["op"].fillna(""), table["scheme"].fillna(""), strict=True)
    ]
    both = panel.lines.assign(ms=table["latency_ms"].to_numpy(), format=["int8" if i else "float" for i in integer])
    both = both[(both["component"] == panel.component) & ~both["layer"].str.startswith("(")]
    both = both.assign(share=both["ms"] / both["ms"].sum())
    both = both[(both["products"] > 0) & (both["bound"] != "")]
    sizes = [sum(share >= limit for limit in SHARES) for share in both["share"]]
    return both.assign(rate=both["products"] / both["ms"] / 1e6, size=sizes)


def _products(ceilings: Ceilings) -> dict[str, float]:
    """The ceilings of products by the name of their colour, in GMAC/s."""
    return {
        name: reached["best"] for name, reached in (("float", ceilings["fp32"]), ("int8", ceilings["int8"])) if reached
    }


def _roofs(axes: Axes, ceilings: Ceilings, x: tuple[float, float]) -> None:
    """The two products' ceilings as level lines, memory as slopes: from a cache, and from wherever most fits."""
    quickest = max(entry["best"] for entry in ceilings["memory"])
    largest = ceilings["memory"][-1]["best"]
    products = _products(ceilings)
    for name, level in products.items():
        axes.plot([max(x[0], level / quickest), x[1]], [level, level], color=TINT[name], linewidth=1.3, zorder=2)
        axes.annotate(
            f"{name} {number(level)}", (x[1], level), (-2, 3), textcoords="offset points", ha="right", va="bottom",
            color=TINT[name], zorder=5,
        )  # fmt: skip
    top = max(products.values())
    for rate, line in ((quickest, "-"), (largest, (0, (4, 3)))):
        end = min(x[1], top / rate)
        axes.plot([x[0], end], [x[0] * rate, end * rate], color=MUTED, linewidth=1.1, linestyle=line, zorder=2)
    axes.annotate(
        f"slopes: {number(quickest)} and {number(largest)} GB/s", (0, 1), (4, -3), xycoords="axes fraction",
        textcoords="offset points", ha="left", va="top", color=MUTED,
    )  # fmt: skip


def _scatter(axes: Axes, points: pd.DataFrame) -> None:
    for (name, size), own in points.groupby(["format", "size"], sort=True):
        axes.scatter(
            own["intensity"].to_numpy(), own["rate"].to_numpy(), s=AREAS[int(size)], color=TINT[str(name)], alpha=0.65,
            edgecolors=BG, linewidths=0.4, zorder=3,
        )  # fmt: skip
