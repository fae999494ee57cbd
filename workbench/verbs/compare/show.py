"""A comparison on the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from workbench.comparing.comparison import INTERLEAVED, Comparison, layer_words, signed, signed_ms, threads_words
from workbench.comparing.layers import LayerChange, differing
from workbench.terminal import table

SHOWN = 15
"""Layers that the terminal lists of each component; the page and the JSON have them all."""


def show(comparison: Comparison, fail_above: float | None, files: Sequence[Path], as_json: bool) -> None:
    """Prints the comparison: a table of components, tables of the layers that differ, sentences; or JSON."""
    if as_json:
        print(json.dumps(comparison.as_json(fail_above) | {"files": [str(file) for file in files]}, indent=1))
        return
    print(f"A: {comparison.a}", f"B: {comparison.b}", sep="\n")
    how = [part for part in (comparison.runtime, threads_words(comparison.threads), comparison.how) if part]
    note = "; n: loads × passes of each" if comparison.how == INTERLEAVED else "; n: passes"
    print(", ".join(how) + note)
    _components(comparison)
    for compared in comparison.components:
        if compared.layers is not None and differing(compared.layers):
            _layers(compared.component, differing(compared.layers))
    for compared in comparison.components:
        for sentence in (compared.sentence, *layer_words(compared)):
            print(sentence)
    for warning in comparison.warnings:
        print(f"warning: {warning}")
    if files:
        print(f"page: {files[-1]}")


def _components(comparison: Comparison) -> None:
    table(
        ("component", "A ms", "B ms", "B ÷ A", "99 % interval", "n", "outcome"),
        (
            (
                *(compared.component, f"{compared.a_ms:.4g}", f"{compared.b_ms:.4g}", f"{compared.ratio.value:.3f}"),
                f"{compared.ratio.low:.3f}–{compared.ratio.high:.3f}",
                f"{len(taken.loads)}×{len(taken.loads[0].a)}" if (taken := compared.taken) else str(compared.ratio.n),
                compared.ratio.outcome(),
            )
            for compared in comparison.components
        ),
    )


def _layers(component: str, differ: Sequence[LayerChange]) -> None:
    table(
        ("layer", "A ms", "B ms", "B − A", "change", "outcome"),
        (
            (
                change.layer,
                *("–" if ms is None else f"{ms:.3g}" for ms in (change.a_ms, change.b_ms)),
                signed_ms(change.difference_ms),
                "–" if change.ratio is None else signed(change.ratio.value - 1),
                f"{change.outcome} ({change.note})" if change.note else change.outcome,
            )
            for change in differ[:SHOWN]
        ),
        title=f"{component}: layers that differ",
        caption=f"{len(differ) - SHOWN} more" if len(differ) > SHOWN else None,
    )
