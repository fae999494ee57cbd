"""``workbench compare``: is B slower than A, by how much, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import AsJson, ComponentName, Shapes, StoreFolder
from workbench.runtimes.base import DEFAULT, RUNTIMES

MOST_PERCENT = 10_000
"""A limit of a hundred times as slow; more would let anything pass."""
_SOURCE = "A source as for `workbench profile`, or the .json of a stored profile."


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=_SOURCE, show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="What is compared with A.", show_default=False)],
    component: ComponentName = None,
    runtime: Annotated[str, typer.Option("--runtime", metavar="NAME", help=f"One of {', '.join(RUNTIMES)}.")] = DEFAULT,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: the cores this process may use.")] = None,
    fail_above: Annotated[
        str | None,
        typer.Option("--fail-above", metavar="PERCENT", help="Exit 1 when B is slower by more than this, as 5%."),
    ] = None,
    iterations: Annotated[int, typer.Option(min=8, help="Least number of timed passes of each.")] = 32,
    min_seconds: Annotated[float, typer.Option(min=0, help="Least time spent on timed passes of each.")] = 1.0,
    max_seconds: Annotated[
        float, typer.Option(min=0, help="Stop after this long, though not before six loads of each; layers likewise.")
    ] = 120.0,
    layers: Annotated[bool, typer.Option("--layers/--no-layers", help="Also say which layers differ.")] = True,
    shape: Shapes = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the inputs.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder for compare.html and compare.json.")
    ] = None,
    store: StoreFolder = None,
    as_json: AsJson = False,
) -> None:
    """Compare two models, or two stored profiles: a ratio with its interval, in all and layer by layer."""
    from dataclasses import replace

    from workbench.cli.options import shapes_of
    from workbench.comparing.interleaved import Plan
    from workbench.progress import visible
    from workbench.sources.request import Request
    from workbench.store.files import check_writable
    from workbench.store.store import Store
    from workbench.verbs.compare.compare import How, check_gate, with_gate, write
    from workbench.verbs.compare.compare import compare as work
    from workbench.verbs.compare.show import show

    check_writable({out: "--out"} if out else {})
    limit = None if fail_above is None else share_of(fail_above)
    how = How(runtime, threads, Plan(iterations, min_seconds, max_seconds), layers)
    first = Request(a, Store(store), component, shapes_of(shape), seed=seed, progress=visible)
    comparison = with_gate(work(first, replace(first, source=b), how), limit)
    show(comparison, limit, write(comparison, out, limit) if out else [], as_json)
    if limit is not None:
        check_gate(comparison, limit)


def share_of(text: str) -> float:
    """``5%`` as 0.05.

    Raises:
        InputError: it isn't a number of at least 0 followed by ``%``.
    """
    from workbench.errors import InputError

    number = text.strip().removesuffix("%").strip()
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if not text.strip().endswith("%"):
        hint = f"did you mean {number}%?" if 0 <= value < float("inf") else "such as 5%"
        raise InputError(f"--fail-above: found {text!r}; needs a percentage", hint=hint)
    if not 0 <= value <= MOST_PERCENT:
        raise InputError(f"--fail-above: found {text!r}; needs a percentage from 0 to {MOST_PERCENT:,}, such as 5%")
    return value / 100
