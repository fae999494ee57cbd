"""What ``workbench npu`` found, printed for a terminal or as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from workbench.npu.extra import DISTRIBUTION
from workbench.npu.quality import LOST_DB, Quality
from workbench.npu.trace import Compiled, Off
from workbench.terminal import table
from workbench.verbs.npu.npu import Component, NpuReport

SCHEMA_VERSION = 1
NOT_TIMED = "compiled, not timed: how long the NPU takes is not known, and nothing here says it"
EQUAL = 200.0
"""dB of two that are equal (``sqnr_db``)."""
SHOWN = 4
"""Layers that the terminal names for each reason; JSON has them all."""


def as_json(report: NpuReport) -> dict[str, Any]:
    """All of it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "compiled, not timed",
        "source": report.source,
        "soc": dataclasses.asdict(report.target.soc),
        "finalization_mode": report.target.mode,
        "compiler": {"name": DISTRIBUTION, "version": report.version},
        "components": {c.network.component: _described(c) for c in report.components},
    }


def show(report: NpuReport) -> None:
    """Prints a table of the components, and the nodes off the NPU by reason, with what would mend them."""
    table(
        ("component", "scheme", "nodes", "partitions", "off the NPU", "that compute", "NPU ops", *COSTS),
        (_row(c) for c in report.components),
        ("component", "scheme"),
    )
    for component in report.components:
        if component.compiled and component.compiled.off:
            print()
            table(
                REASONS,
                _reasons(component.compiled.off),
                [column for column in REASONS if column != "×"],
                title=component.network.label,
            )
        if component.quality:
            _show_quality(component, component.quality)
    mode = f"finalization mode {report.target.mode}"
    print(f"\n{report.target.soc}; {DISTRIBUTION} {report.version}, {mode}\n{NOT_TIMED}")


SIMULATED = "simulated: Qualcomm's simulator computed this on the CPU; whether the chip does the same was not seen"


def _show_quality(component: Component, quality: Quality) -> None:
    reference = component.reference or "a reference"
    print()
    table(
        ("pass", f"NPU against {reference}, dB", "CPU against it", "NPU against CPU"),
        ([p.label, *map(_db, (p.npu_db, p.cpu_db, p.npu_cpu_db))] for p in quality.passes),
        title=f"{component.network.label}, SQNR of its output on the simulated NPU",
    )
    if component.reference is None:
        print("no reference is known: name a run's candidate, whose float parent the store has")
    if (found := quality.diverges) is not None:
        shape = "x".join(map(str, found.shape))
        print(f"the NPU leaves the CPU at {found.layer}: {found.node} ({found.op}, {shape}) is at {_db(found.db)} dB")
        if found.sound_layer is not None:
            print(f"  the layer before it, {found.sound_layer}, is at {_db(found.sound_db)} dB")
        if found.before:
            print(f"  it reads: {', '.join(found.before)}")
        print(f"  with these tensors shown the output is at {_db(found.output_db)} dB")
    print(SIMULATED)


def _db(value: float | None) -> str:
    if value is None:
        return "–"
    return {EQUAL: "equal", LOST_DB: "not finite"}.get(value, f"{value:.1f}")


COSTS = ("context MB", "compile s", "peak GB")
REASONS = ("off the NPU", "×", "why", "what would mend it", "layers")


def _row(component: Component) -> list[str]:
    compiled, network = component.compiled, component.network
    if compiled is None:
        return [network.label, network.scheme, "not compiled", *["–"] * (4 + len(COSTS))]
    return [
        network.label,
        network.scheme,
        f"{compiled.nodes:,}",
        str(len(compiled.partitions)),
        str(len(compiled.off)),
        str(sum(off.computes for off in compiled.off)),
        f"{sum(compiled.partitions):,}",
        f"{compiled.context_bytes / 1e6:.1f}",
        f"{compiled.seconds:.1f}",
        "–" if compiled.peak_bytes is None else f"{compiled.peak_bytes / 1e9:.2f}",
    ]


def _reasons(off: Iterable[Off]) -> Iterator[list[str]]:
    """One row for nodes of one operator that are off for one reason."""
    alike: dict[tuple[str, str], list[Off]] = {}
    for one in off:
        alike.setdefault((one.op, one.why), []).append(one)
    for group in sorted(alike.values(), key=lambda group: (not group[0].computes, -len(group))):
        layers = list(dict.fromkeys(one.layer for one in group))
        more = f" and {len(layers) - SHOWN} more" if len(layers) > SHOWN else ""
        one = group[0]
        yield [one.op, str(len(group)), one.why, one.mend or "not known", ", ".join(layers[:SHOWN]) + more]


def _described(component: Component) -> dict[str, Any]:
    network, compiled = component.network, component.compiled
    about = {"candidate": network.candidate, "scheme": network.scheme, "failure": component.failure}
    return about | ({} if compiled is None else _compiled(compiled)) | _quality(component)


def _quality(component: Component) -> dict[str, Any]:
    if component.quality is None:
        return {}
    described = dataclasses.asdict(component.quality)
    return {"quality": {"kind": SIMULATED, "unit": "dB", "reference": component.reference, **described}}


def _compiled(compiled: Compiled) -> dict[str, Any]:
    return {
        **dataclasses.asdict(compiled),
        "off": [{**dataclasses.asdict(one), "computes": one.computes} for one in compiled.off],
        "nodes_off": len(compiled.off),
        "compute_nodes_off": sum(one.computes for one in compiled.off),
    }
