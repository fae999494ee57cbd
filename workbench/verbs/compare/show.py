"""A comparison on the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.comparing.comparison import INTERLEAVED, Comparison, layer_words, signed, signed_ms, threads_words
from workbench.comparing.layers import LayerChange, differing

SHOWN = 15
"""Layers that the terminal lists of each component; the page and the JSON have them all."""


def show(comparison: Comparison, fail_above: float | None, files: Sequence[Path], as_json: bool) -> None:
    """Prints the comparison: a table of components, tables of the layers that differ, sentences; or JSON."""
    if as_json:
        print(json.dumps(comparison.as_json(fail_above) | {"files": [str(file) for file in files]}, indent=1))
        return
    from rich.console import Console

    console = Console()
    console.print(f"A: {comparison.a}", f"B: {comparison.b}", sep="\n", markup=False, highlight=False, soft_wrap=True)
    how = [part for part in (comparison.runtime, threads_words(comparison.threads), comparison.how) if part]
    note = "; n: loads × passes of each" if comparison.how == INTERLEAVED else "; n: passes"
    console.print(", ".join(how) + note, markup=False, highlight=False)
    console.print(_components(comparison))
    for compared in comparison.components:
        if compared.layers is not None and differing(compared.layers):
            console.print(_layers(compared.component, differing(compared.layers)))
    for compared in comparison.components:
        for sentence in (compared.sentence, *layer_words(compared)):
            console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    for warning in comparison.warnings:
        console.print(f"warning: {warning}", markup=False, highlight=False, soft_wrap=True)
    if files:
        console.print(f"page: {files[-1]}", markup=False, highlight=False, soft_wrap=True)


def _table(title: str, names: Sequence[str]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title=title or None, title_justify="left")
    for i, name in enumerate(names):
        table.add_column(name, justify="right" if i else "left", overflow="fold")
    return table


def _components(comparison: Comparison) -> Any:
    table = _table("", ("component", "A ms", "B ms", "B ÷ A", "99 % interval", "n", "outcome"))
    for compared in comparison.components:
        ratio, taken = compared.ratio, compared.taken
        table.add_row(
            compared.component,
            f"{compared.a_ms:.4g}",
            f"{compared.b_ms:.4g}",
            f"{ratio.value:.3f}",
            f"{ratio.low:.3f}–{ratio.high:.3f}",
            f"{len(taken.loads)}×{len(taken.loads[0].a)}" if taken else str(ratio.n),
            ratio.outcome(),
        )
    return table


def _layers(component: str, differ: Sequence[LayerChange]) -> Any:
    table = _table(f"{component}: layers that differ", ("layer", "A ms", "B ms", "B − A", "change", "outcome"))
    for change in differ[:SHOWN]:
        table.add_row(
            change.layer,
            *("–" if ms is None else f"{ms:.3g}" for ms in (change.a_ms, change.b_ms)),
            signed_ms(change.difference_ms),
            "–" if change.ratio is None else signed(change.ratio.value - 1),
            f"{change.outcome} ({change.note})" if change.note else change.outcome,
        )
    if len(differ) > SHOWN:
        table.caption = f"{len(differ) - SHOWN} more"
        table.caption_justify = "left"
    return table
