"""How the loss of every training step fell, term by term."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.report.data import RunData
from workbench.report.figures.svg import FG, SERIES, canvas, end_labels, style, to_svg
from workbench.report.format import known
from workbench.report.ranking.rank import Ranking
from workbench.report.sections.registry import Section
from workbench.training.curve import binned

WIDTH, HEIGHT = 5.0, 2.5
"""In inches: two figures stand side by side."""
POINTS = 60
"""Of a line: a figure of this size shows no more, and the noise of single steps hides the course."""
WIDE_RANGE = 4.0
"""Largest ÷ smallest value from which the axis is logarithmic."""


@dataclass(frozen=True)
class Trained:
    """A candidate, how long it was trained, and its losses as SVG."""

    candidate: str
    steps: str
    figure: str


def curve_of(report: Mapping[str, Any]) -> Sequence[tuple[int, Mapping[str, float]]]:
    """The curve in a step's report: its own (``distill``), or that of its training (quantization-aware)."""
    inner = report.get("training")
    return report.get("curve") or (inner.get("curve") if isinstance(inner, Mapping) else None) or []


def gather(run: RunData, ranking: Ranking) -> list[Trained] | None:
    """Every candidate that was trained."""
    trained = []
    for candidate in run.candidates:
        curve = curve_of(candidate.report)
        figure = losses(curve, candidate.name)
        if figure:
            inner = candidate.report.get("training") or {}
            steps = candidate.report.get("steps") or inner.get("steps") or curve[-1][0] + 1
            trained.append(Trained(candidate.name, f"{steps:,} optimiser steps", figure))
    return trained or None


def losses(curve: Sequence[tuple[int, Mapping[str, float]]], name: str) -> str | None:
    """Every term as a line over the optimiser's steps, named at its end; None with fewer than two points."""
    from matplotlib.ticker import LogLocator

    points = binned([{"step": step, **terms} for step, terms in curve], POINTS)
    terms = [t for t in dict.fromkeys(t for _, values in points for t in values) if any(v.get(t) for _, v in points)]
    lines = {term: [(step, values[term]) for step, values in points if known(values.get(term))] for term in terms}
    if len(points) < 2 or not lines:
        return None
    heights = [value for line in lines.values() for _, value in line]
    with style():
        figure, axes = canvas(WIDTH, HEIGHT)
        tint = {term: FG if term == "loss" else SERIES[(i + 1) % len(SERIES)] for i, term in enumerate(lines)}
        for term, line in lines.items():
            wide = 1.6 if term == "loss" else 1.2
            axes.plot(*zip(*line, strict=True), color=tint[term], linewidth=wide, marker="o" if len(line) == 1 else "")
        if min(heights) > 0 and max(heights) > WIDE_RANGE * min(heights):
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.minorticks_off()
        elif min(heights) >= 0:
            axes.set_ylim(bottom=0)
        axes.grid(True, axis="y")
        axes.tick_params(length=0)
        axes.set_xlabel("optimiser step")
        axes.set_ylabel("loss")
        end_labels(axes, {term: line[-1] for term, line in lines.items()}, tint)
        return to_svg(figure, f"loss-{name}", f"Loss of {name} over its steps: {', '.join(lines)}")


SECTION = Section(__name__, "Training", 140, gather, draws=("curve",))
