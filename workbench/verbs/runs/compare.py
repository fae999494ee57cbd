"""``workbench runs compare``: two finished runs on one page."""

from __future__ import annotations

import json
from pathlib import Path

from workbench.errors import InputError
from workbench.report.runs.joined import Side, join, timed
from workbench.run.history import Finished, finished
from workbench.store.files import check_writable, write_atomic
from workbench.store.store import Store


def compare(store: Store, a: str, b: str, out: Path | None) -> tuple[Path, Finished, Finished]:
    """Writes the page of run ``b`` against run ``a`` to ``out`` (default ``reports/A-B.html``); its path.

    Raises:
        InputError: as ``finished``; or the two are the same run.
    """
    from workbench.report.runs.page import render

    one, other = finished(store, a), finished(store, b)
    if one.name == other.name:
        raise InputError(f"{a} and {b} are the same run, {one.name}", hint="see workbench runs")
    page = out or Path("reports") / f"{one.name}-{other.name}.html"
    check_writable({page.parent: "--out"})
    write_atomic(page, render(side(one), side(other)))
    return page, one, other


def side(run: Finished) -> Side:
    """A run as the page takes it."""
    return Side(run.name, run.date, run.data, run.ranking)


def show(page: Path, a: Finished, b: Finished, as_json: bool) -> None:
    """Prints where the page is; or JSON, with the pairs and their latencies."""
    if not as_json:
        print(f"A ships {a.choice.chosen or 'nothing'}; B ships {b.choice.chosen or 'nothing'}")
        print(f"page: {page}")
        return
    sides = side(a), side(b)
    pairs = join(a.data.candidates, b.data.candidates)
    times = [
        {
            "target": each.target,
            "a": each.pair.a,
            "b": each.pair.b,
            "ratio": each.ratio.as_json() if each.ratio else None,
            "why": each.why or None,
        }
        for each in timed(*sides, pairs)
    ]
    facts = {"page": str(page), "a": a.name, "b": b.name, "pairs": [[pair.a, pair.b] for pair in pairs]}
    print(json.dumps({**facts, "latencies": times}, indent=1))
