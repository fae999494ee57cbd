"""The layers of several profiles for the page: one compact JSON for its table, curves of memory, strips of passes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.measure.layers import OUTSIDE, UNMAPPED
from workbench.profile.read import ReadProfile
from workbench.profile.views.chrome_trace import module_path
from workbench.report.format import compact, megabytes

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = {
    "ms": "latency_ms", "iqr": "latency_iqr_ms", "macs": "macs", "amacs": "attention_macs", "ops": "element_ops",
    "params": "params", "wb": "weight_bytes", "ab": "activation_bytes", "pk": "peak_bytes", "rb": "runtime_bytes",
}  # fmt: skip
"""Columns of numbers in the page's JSON, and those of the CSV that they come from."""
TEXTS = {"op": "op", "scheme": "scheme", "into": "fused_into"}
KEYS = (2, 1, 3, 4, 5, 6, 0)
"""The page's series of colours (``--s0`` …) in the order in which its profiles get them, as in profile.css."""
STRIP = (140, 30)
"""Width and height of a strip of passes, in CSS pixels."""
BOUNDS = {"bound": "bound", "reached": "bound_share"}
"""Columns of ``workbench.profile.roofline`` that the table shows where they are given."""


def payload(
    profiles: Sequence[ReadProfile],
    labels: Sequence[str],
    component: str,
    roofline: Mapping[str, pd.DataFrame] | None = None,
) -> str:
    """JSON for ``<script type="application/json">``: texts listed once, one array per column, ``<`` escaped.

    ``{"labels", "main", "passes", "names": [[component, level, …], …], "texts": [ops, schemes, layers], "tables":
    [{"i": index into names, numbers as in NUMBERS, "op", "scheme", "into", "bound": indexes into texts, "reached"}]}``.
    Rows come in the order of the CSV, which is that of execution.

    Args:
        profiles: those of the page.
        labels: their names on it.
        component: the one that is shown first.
        roofline: what ``workbench.profile.roofline`` gave, by ``ReadProfile.label``.
    """
    names: dict[tuple[str, ...], int] = {}
    texts: dict[str, int] = {"": 0}
    tables = []
    for profile in profiles:
        table = profile.table
        bounds = (roofline or {}).get(profile.label)
        if bounds is not None:
            joined = bounds[["component", "layer", *BOUNDS.values()]].drop_duplicates(["component", "layer"])
            table = table.merge(joined, on=["component", "layer"], how="left")
        keys = zip(table["component"].fillna(""), table["layer"].fillna(""), strict=True)
        columns: dict[str, Any] = {
            "i": [names.setdefault((str(c), *module_path(str(layer))), len(names)) for c, layer in keys]
        }
        columns |= {short: [compact(v) for v in table[column]] for short, column in NUMBERS.items()}
        for short, column in TEXTS.items():
            columns[short] = [texts.setdefault(v if isinstance(v, str) else "", len(texts)) for v in table[column]]
        if bounds is not None:
            columns["reached"] = [compact(v) for v in table["bound_share"]]
            columns["bound"] = [texts.setdefault(v if isinstance(v, str) else "", len(texts)) for v in table["bound"]]
        # A column that holds nothing isn't sent.
        tables.append({name: values for name, values in columns.items() if name == "i" or any(map(_told, values))})
    data = {
        "labels": list(labels),
        "main": component,
        "always": [UNMAPPED, OUTSIDE],
        "names": [list(name) for name in names],
        "texts": list(texts),
        "tables": tables,
    }
    return json.dumps(data, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")


def _told(value: Any) -> bool:
    return value is not None and value != 0


def live_curve(profile: ReadProfile, component: str) -> list[int]:
    """Bytes alive (estimated) while each kernel of one pass runs, in the order of execution; empty when not told.

    A kernel has the figure of its layer: the most while any kernel of the layer runs. Without recorded kernels there is
    one figure per layer, in the order in which the layers first run.
    """
    rows = profile.table[profile.table["component"] == component].dropna(subset="peak_bytes")
    peaks = {str(layer): int(peak) for layer, peak in zip(rows["layer"], rows["peak_bytes"], strict=True)}
    if not any(peaks.values()):
        return []
    events = (profile.summary["components"].get(component) or {}).get("events") or ()
    order = [event[1] for event in sorted(events, key=lambda e: e[3])] or list(peaks)
    return [peaks[layer] for layer in order if layer in peaks]


def memory_figure(profiles: Sequence[ReadProfile], labels: Sequence[str], component: str) -> str | None:
    """SVG: bytes alive over the order of execution, a line per profile, the peak marked; None when none is known."""
    curves = {
        label: curve
        for label, profile in zip(labels, profiles, strict=True)
        if (curve := live_curve(profile, component))
    }
    if not curves:
        return None
    from workbench.report.figures.svg import SERIES, canvas, style, to_svg

    with style():
        figure, axes = canvas(9.6, 2.6)
        for label, curve in curves.items():
            colour = SERIES[KEYS[labels.index(label) % len(KEYS)]]
            megas = [value / 1e6 for value in curve]
            axes.plot(
                range(len(megas)),
                megas,
                color=colour,
                linewidth=1,
                drawstyle="steps-post",
                label=f"{label}: {megabytes(max(curve))} at most",
            )
            if len(curves) == 1:
                axes.fill_between(range(len(megas)), megas, step="post", color=colour, alpha=0.15, linewidth=0)
            top = max(range(len(megas)), key=lambda at: megas[at])
            axes.plot(top, megas[top], marker="o", markersize=4, color=colour)
        axes.set_xlim(0, max(len(curve) for curve in curves.values()))
        axes.set_ylim(0, 1.05 * max(max(curve) for curve in curves.values()) / 1e6)
        axes.set_xlabel("kernels in the order of execution")
        axes.set_ylabel("alive, MB (estimated)")
        axes.grid(axis="y")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, borderaxespad=0, handlelength=1)
        title = f"Bytes of values alive while the kernels of {component} run, estimated"
        return to_svg(figure, f"live-{component}", title)


def strip(samples: Sequence[float]) -> str | None:
    """A small SVG of all timed passes in the order in which they were taken: from 0 to the slowest.

    With more passes than pixels across, the band spans the fastest and the slowest at each: no outlier is lost.
    """
    if len(samples) < 2:
        return None
    width, height = STRIP
    columns = min(width, len(samples))
    edges = [round(i * len(samples) / columns) for i in range(columns + 1)]
    highest = max(samples) or 1.0
    parts = [samples[edges[i] : edges[i + 1]] for i in range(columns)]

    def points(of: Callable[[Sequence[float]], float]) -> list[str]:
        across = (width - 2) / (columns - 1)
        return [f"{1 + i * across:.1f} {height - 1 - (height - 2) * of(p) / highest:.1f}" for i, p in enumerate(parts)]

    outline = "L".join([*points(max), *reversed(points(min))])
    label = f"{len(samples)} passes in order, from 0 to {highest:.3g} ms"
    return (
        f'<svg class="strip" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{label}"><title>{label}</title><path d="M{outline}Z"/></svg>'
    )
