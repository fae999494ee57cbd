"""The machine's ceilings, and the subject's layers (and its parent's) under them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.models.families import component_label
from workbench.profile.roofline import ESTIMATE, roofline, summary
from workbench.profile.summary import Ceilings, Reached, Summary
from workbench.report.data import RunData, compared_with
from workbench.report.format import number
from workbench.report.ranking.rank import Ranking
from workbench.report.sections.why.roofline import Panel, roofline_figure


@dataclass(frozen=True)
class Machine:
    """``figure`` is an SVG of the layers of ``component``; ``ceilings``: name and what was reached.

    ``shares``: candidate and, by component, the time of all layers beside the least under the ceilings.
    """

    figure: str | None
    target: str
    component: str
    ceilings: Sequence[tuple[str, str]]
    shares: Sequence[tuple[str, Mapping[str, Mapping[str, Any]]]]
    estimate: str
    warnings: Sequence[str]


def machine(run: RunData, ranking: Ranking) -> Machine | None:
    """None where no ceilings were measured."""
    panels, shares, ceilings = [], [], None
    for name in (compared_with(run.candidates, ranking.subject), ranking.subject):
        profile = run.profiles.get((ranking.target, name or "")) or {}
        table = run.layer_table(ranking.target, name) if name else None
        if not profile.get("ceilings") or table is None or table.empty:
            continue
        ceilings = profile["ceilings"]
        lines = roofline(table, ceilings)
        panels.append(Panel(str(name), _largest(profile), table, lines))
        shares.append((str(name), summary(table, lines)))
    if ceilings is None:
        return None
    return Machine(
        figure=roofline_figure(panels, ceilings),
        target=ranking.target,
        component=component_label(panels[-1].component),
        ceilings=_ceilings(ceilings),
        shares=shares,
        estimate=ESTIMATE,
        warnings=ceilings.get("warnings", []),
    )


def _largest(profile: Summary) -> str:
    """The component that the picture spends most time in."""
    parts = (profile.get("pipeline") or {}).get("parts_ms") or {}
    if not parts:
        components = profile.get("components") or {}
        parts = {name: (c.get("latency_ms") or {}).get("median") or 0.0 for name, c in components.items()}
    return str(max(parts, key=lambda name: parts[name], default=""))


def _ceilings(ceilings: Ceilings) -> list[tuple[str, str]]:
    rows = []
    refused = ceilings.get("refused", {})
    for key, name, reached in (
        ("fp32", "float products", ceilings.get("fp32")),
        ("int8", "int8 products", ceilings.get("int8")),
    ):
        if reached or key in refused:
            rows.append((name, _reached(reached) if reached else f"none: {refused[key]}"))
    for name, entry in (
        ("memory, from a cache", _quickest(ceilings)),
        ("memory, at most at once", ceilings["memory"][-1]),
    ):
        rows.append((name, f"{_reached(entry)}, {number(entry['bytes'] / 1e6, 2)} MB by one operator"))
    return rows


def _quickest(ceilings: Ceilings) -> Reached:
    return max(ceilings["memory"], key=lambda entry: entry["best"])


def _reached(entry: Reached) -> str:
    return (
        f"{number(entry['best'])} {entry['unit']} (best of n = {entry['n']}; median {number(entry['median'])}, "
        f"IQR {number(entry['iqr'])}; {entry['of']})"
    )
