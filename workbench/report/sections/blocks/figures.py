"""The two figures of a search for blocks: every block alone, and sets of them against the budget."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from workbench.report.figures.place_labels import place_labels
from workbench.report.figures.svg import BAD, BG, FG, MUTED, SERIES, canvas, style, to_svg
from workbench.report.format import milliseconds, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 7.4
ROW = 0.185
"""Inches: of the page's width, and of one block's row."""
TINT = {"resnet": SERIES[2], "attention": SERIES[1]}
GAINS = {"macs": "MACs, %", "params": "parameters, %", "latency": "time, %"}
MARKS = ("bk-base", "bk-small", "bk-tiny", "chosen")
MEASURES = {"macs": "MACs", "params": "parameters", "latency": "kernel time"}


def every_block(searched: Mapping[str, Any], name: str) -> str | None:
    """Each block alone, the least damaging first: its error, its gains, and which choices remove it."""
    rows = sorted(searched["blocks"], key=lambda row: row["error"]["value"])
    if not rows:
        return None
    gone = searched["chosen"]["dropped"]
    with style():
        ratios = {"width_ratios": [3.2, 1.5, 1.5, 1.5, 1.4]}
        figure, panels = canvas(WIDTH, 0.7 + ROW * len(rows), 5, sharey=True, gridspec_kw=ratios)
        damage, marks = panels[0], panels[-1]
        for y, row in enumerate(rows):
            error, tint = row["error"], TINT[row["kind"]]
            damage.plot((error["low"], error["high"]), (y, y), color=tint, linewidth=1.2, zorder=2)
            damage.scatter(error["value"], y, s=16, color=tint, zorder=3)
            for axes, gain in zip(panels[1:4], GAINS, strict=True):
                axes.barh(y, 100 * row["share"].get(gain, 0.0), height=0.62, color=tint, zorder=2)
            takers = [*row["bk"], *(["chosen"] if holds(gone, row["block"]) else [])]
            marks.scatter([MARKS.index(t) for t in takers], [y] * len(takers), s=22, marker="s", color=FG, zorder=3)
            for i, axes in enumerate(panels):
                axes.axhspan(y - 0.5, y + 0.5, facecolor=BG, alpha=0.0, zorder=5, gid=f"tip-{i}-{y}")
        damage.set_xscale("log")
        damage.set_title("error alone; left is harmless", loc="left", color=MUTED)
        damage.grid(True, axis="x")
        damage.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        for axes, title in zip(panels[1:4], GAINS.values(), strict=True):
            axes.set_title(title, loc="left", color=MUTED)
            axes.set_xlim(0)
        marks.set_title("removed by", loc="left", color=MUTED)
        marks.set_xticks(range(len(MARKS)), ["Base", "Small", "Tiny", "found"], rotation=90)
        marks.set_xlim(-0.6, len(MARKS) - 0.4)
        for axes in panels:
            axes.tick_params(length=0, which="both")
            axes.minorticks_off()
        damage.set_yticks(range(len(rows)), [short(row["block"]) for row in rows], color=FG)
        damage.set_ylim(len(rows) - 0.4, -0.6)
        tips = {f"{i}-{y}": _tip(row) for i in range(len(panels)) for y, row in enumerate(rows)}
        drawn = to_svg(figure, f"blocks-{name}", "Damage and gain of every block alone")
        return with_tips(drawn, f"blocks-{name}", tips)


def sets(searched: Mapping[str, Any], name: str) -> str | None:
    """Sets that a U-Net is left without: error against what is left, the search's path and BK-SDM's layouts."""
    measure, share = searched["budget"]["measure"], searched["budget"]["share"]
    path, bk, chosen = searched["path"], searched["bk"], searched["chosen"]
    if not path:
        return None
    what = MEASURES[measure]
    with style():
        figure, axes = canvas(WIDTH, 3.9)
        tried = [(t["left"][measure], t["error"]) for t in searched["tried"]]
        axes.scatter(*zip(*tried, strict=True), s=9, color=MUTED, alpha=0.45, linewidths=0, zorder=1)
        line = [_at(row, measure) for row in path]
        axes.plot(*zip(*line, strict=True), color=SERIES[2], linewidth=1.4, zorder=2)
        points, labels = [], []
        texts = [(f"+ {row['unit']}", row, SERIES[2], "o") for row in path]
        texts += [(row["layout"], row, SERIES[1], "D") for row in bk]
        for i, (text, row, tint, marker) in enumerate(texts):
            x, y = _at(row, measure)
            axes.scatter(
                x, y, s=34, color=tint, marker=marker, edgecolors=BG, linewidths=0.8, zorder=3, gid=f"tip-0-{i}"
            )
            points.append((x, y))
            labels.append(_label(axes, text, (x, y), tint))
        x, y = _at(chosen, measure)
        axes.scatter(x, y, s=120, facecolors="none", edgecolors=FG, linewidths=1.5, zorder=4)
        axes.axvline(share, color=BAD, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
        axes.annotate(
            f"budget {share * 100:g} %", (share, 0), (4, 4), xycoords=("data", "axes fraction"),
            textcoords="offset points", color=BAD, va="bottom",
        )  # fmt: skip
        axes.set_yscale("log")
        axes.set_xlim(right=1.01)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value * 100:g} %")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.grid(True)
        axes.tick_params(length=0, which="both")
        axes.minorticks_off()
        axes.invert_xaxis()
        axes.set_xlabel(f"{what} left, of the parent's; right is smaller")
        axes.set_ylabel("error of the output; down is better")
        taken = [*itertools.pairwise(line), *((dot, dot) for dot in [*tried, (x, y)])]
        place_labels(axes, points, [4.0] * len(points), labels, taken)
        tips = {f"0-{i}": _set_tip(text, row) for i, (text, row, *_) in enumerate(texts)}
        drawn = to_svg(figure, f"sets-{name}", f"Error against {what} left, of the sets that were measured")
        return with_tips(drawn, f"sets-{name}", tips)


def with_tips(svg: str, name: str, tips: Mapping[str, str]) -> str:
    """The figure with what a pointer shows over the parts whose ids are ``NAME-tip-KEY``."""

    def titled(tag: re.Match[str]) -> str:
        return f"{tag[0]}<title>{escape(tips[tag[1]])}</title>" if tag[1] in tips else tag[0]

    return re.sub(rf'<g id="{re.escape(name)}-tip-([\d-]+)">', titled, svg)


def holds(dropped: Sequence[str], block: str) -> bool:
    """Whether a set of modules takes the block with it."""
    return any(block == module or block.startswith(f"{module}.") for module in dropped)


def short(block: str) -> str:
    """A module's path as a row's name: ``down 0 attention 1``."""
    parts = block.replace("_blocks.", " ").replace("mid_block", "mid").replace(".resnets.", " resnet ")
    return parts.replace(".attentions.", " attention ")


def _label(axes: Axes, text: str, point: tuple[float, float], tint: str) -> Any:
    return axes.annotate(
        text, point, (0, 0), textcoords="offset pixels", ha="left", va="bottom", color=tint, zorder=5,
        annotation_clip=False,
    )  # fmt: skip


def _at(row: Mapping[str, Any], measure: str) -> tuple[float, float]:
    return row["left"][measure], row["error"]["value"]


def _damage(row: Mapping[str, Any]) -> str:
    parts = [f"error {number(row['error']['value'])} (n = {row['error']['n']})"]
    parts += [f"PSNR {number(row['psnr_db']['value'])} dB"] if row.get("psnr_db") else []
    parts += [f"alignment {number(row['alignment']['value'])}"] if row.get("alignment") else []
    return ", ".join(parts)


def _tip(row: Mapping[str, Any]) -> str:
    gains = [f"{percent(row['share'].get(m))} of the {what}" for m, what in MEASURES.items()]
    taken: Sequence[str] = row["bk"]
    by = f"; removed by {', '.join(taken)}" if taken else ""
    return f"{row['block']}: {_damage(row)}; {', '.join(gains)} ({milliseconds(row['ms']['value'])}){by}"


def _set_tip(text: str, row: Mapping[str, Any]) -> str:
    left = [f"{percent(row['left'].get(m))} of the {what}" for m, what in MEASURES.items()]
    return f"{text}: {_damage(row)}; leaves {', '.join(left)}"
