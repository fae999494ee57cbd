"""What makes a profile's numbers doubtful, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workbench.measure.record import Record
from workbench.measure.simulated import in_float

STEAL_LIMIT = 0.02
OTHERS_LIMIT = 0.10
SLOWED_LIMIT = 0.10
"""Fall of the CPUs' frequency above which a run says that the machine was throttled."""


def doubts(record: Record) -> list[str]:
    """All that speaks against what was measured on this machine: its state, then each network's own numbers."""
    facts, target = record.facts, record.target
    words = "too little memory to hold all candidates at once, so each was loaded anew for every pass"
    sentences = [f"{target} {name}: {words}" for name in record.apart]
    sentences += disturbances(facts["noise"], target)
    cores = facts["environment"]["cores_usable"]
    if facts["threads"] > cores:
        sentences.append(f"{target}: {facts['threads']} threads on {cores} usable cores")
    sentences += [f"{target}: {warning}" for warning in facts["ceilings"]["warnings"]]
    if record.peak.peak is None:
        sentences.append(f"{record.candidate}@{target}: peak memory: {record.peak.reason}")
    return [*sentences, *_of_networks(record)]


def _of_networks(record: Record) -> Iterator[str]:
    for name, m in record.components.items():
        label = f"{record.candidate}.{name}"
        if imitated := in_float(m.scheme, m.layers.integer.layers, m.layers.integer.stored):
            yield f"{label}@{record.target}: {imitated}"
        yield from m.timed.stats.warnings(f"{m.shared_with or label}@{record.target}")
        if m.count.uncounted:
            listed = ", ".join(f"{op} ({n})" for op, n in m.count.uncounted.items())
            yield f"{label}: not counted in MACs: {listed}"
        yield from (f"{label}: {note}" for note in m.count.notes)


def disturbances(noise: Mapping[str, Any], what: str) -> list[str]:
    """Sentences about ``what`` when the machine was not left to this process; ``noise`` as ``disturbance.between``."""
    sentences = []
    if (noise["steal_share"] or 0) > STEAL_LIMIT:
        sentences.append(f"{what}: the hypervisor took {noise['steal_share']:.0%} of the CPU time meanwhile")
    if (noise["others_share"] or 0) > OTHERS_LIMIT:
        sentences.append(
            f"{what}: other processes used {noise['others_share']:.0%} of the CPU time meanwhile; "
            "run again on a quiet machine"
        )
    before, after = noise.get("frequency_mhz_before"), noise.get("frequency_mhz_after")
    if before and after and after < before * (1 - SLOWED_LIMIT):
        heat = noise.get("temperature_c_after")
        sentences.append(
            f"{what}: the CPUs' frequency fell from {before:.0f} to {after:.0f} MHz meanwhile"
            + (f", the hottest sensor is at {heat:.0f} °C" if heat else "")
        )
    return sentences
