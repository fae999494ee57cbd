"""A table of schemes, printed: for a terminal, as JSON, or as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from workbench.models.families import component_label
from workbench.report.format import MISSING, known, megabytes, number, percent
from workbench.runtimes.base import all_described
from workbench.store.environment import environment
from workbench.terminal import table
from workbench.verbs.schemes.cells import Cell
from workbench.verbs.schemes.schemes import HOST, QAT, Results

COLUMNS = ("scheme", "backend", "runtime", "outcome", "× faster", "integer MACs", "size ÷ fp32", "SQNR dB")
MORE = ("load ms", "memory")
"""Only where there is room: of the quantized U-Net, that of the float one behind the stroke."""
LEFT = ("scheme", "backend", "runtime", "outcome", "note")


def show(results: Results, as_json: bool, as_markdown: bool) -> None:
    """Prints the table and what is to be known to read it."""
    if as_json:
        print(json.dumps(results.as_json(), indent=1))
    elif as_markdown:
        print(markdown(results))
    else:
        rows = ((*_cells(cells), cells[0]["note"]) for cells in _rows(results.cells))
        table((*COLUMNS, "note"), rows, LEFT)
        print("\n".join((*_footnotes(results), *_warnings(results))))


def markdown(results: Results) -> str:
    """The table as Markdown, with the machine below it."""
    names = (*COLUMNS, *MORE, "note")
    lines = [_line(names), _line(["---" if name in LEFT else "---:" for name in names])]
    for cells in _rows(results.cells):
        lines.append(_line([*_cells(cells), *_more(cells[0]), cells[0]["note"]]))
    return "\n".join([*lines, "", *(f"{line}  " for line in _footnotes(results))]).rstrip()


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _rows(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Cells of one row each: of one pair, those of which the same is to be said."""
    for _, machine in groupby(cells, key=lambda c: (c["scheme"], c["backend"], tuple(c["settings"].items()))):
        groups: dict[tuple[str, str], list[Cell]] = {}
        for cell in machine:
            groups.setdefault((cell["outcome"], cell["note"] or cell["runtime"]), []).append(cell)
        yield from groups.values()


def _cells(cells: Sequence[Cell]) -> list[str]:
    first = cells[0]
    return [
        first["scheme"],
        ", ".join([first["backend"], *(f"{key}: {value}" for key, value in first["settings"].items())]),
        ", ".join(cell["runtime"] for cell in cells),
        first["outcome"],
        _faster(first.get("time_ratio")),
        percent(first.get("integer_macs_share")),
        number(first.get("size_ratio"), 2),
        f"{first['sqnr_db']['mean']:.1f}" if first.get("sqnr_db") else MISSING,
    ]


def _more(cell: Cell) -> list[str]:
    if "float" not in cell:
        return [MISSING, MISSING]
    load = " / ".join(number(side["load_cold_ms"], 2) for side in (cell, cell["float"]))
    return [load, " / ".join(megabytes(side["memory_bytes"]) for side in (cell, cell["float"]))]


def _faster(ratio: Any) -> str:
    """Times as fast as the float U-Net, with the interval of 99 %."""
    if not ratio or not known(ratio["value"]):
        return MISSING
    ends = sorted(1 / end for end in (ratio["low"], ratio["high"]))
    return f"{1 / ratio['value']:.2f} ({ends[0]:.2f}–{ends[1]:.2f})"


def _footnotes(results: Results) -> list[str]:
    machine = environment()
    flags = [flag for flag in machine["cpu_flags"] or [] if "vnni" in flag or "amx" in flag or flag == "i8mm"]
    names = dict.fromkeys([*(one.distribution for one in all_described()), "nncf"])
    versions = ", ".join(f"{name} {machine['libraries'][name]}" for name in names if machine["libraries"].get(name))
    passes = [cell["latency_ms"]["n"] for cell in results.cells if "latency_ms" in cell]
    least = f", n ≥ {min(passes)} interleaved passes each" if passes else ""
    return [
        f"{component_label(results.component)} of {results.subject.model}, batch 1, against its fp32 on the same "
        f"runtime{least}, interval of 99 %; seed {results.subject.seed}.",
        f"{machine['cpu'] or machine['machine']} ({', '.join(flags) or 'no 8-bit products'}), "
        f"{results.settings.threads} threads, {versions}.",
        f"{QAT} {HOST}",
    ]


def _warnings(results: Results) -> list[str]:
    """What is to be said of the machine; of single cells, JSON tells."""
    targets = tuple(f"{one.target}: " for one in all_described() if one.needs_file)
    every = [warning for cell in results.cells for warning in cell.get("warnings", ())]
    return [f"warning: {warning}" for warning in dict.fromkeys(every) if warning.startswith(targets)]
