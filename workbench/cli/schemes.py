"""``workbench schemes``: which scheme gains what on which runtime of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import AsJson, StoreFolder


def schemes(
    model: Annotated[
        str, typer.Option("--model", metavar="MODEL", help="demo, a diffusers folder, hub:OWNER/NAME or arch:NAME.")
    ] = "demo",
    only: Annotated[
        str | None, typer.Option("--only", metavar="SCHEMES", help="Such as w8a8,w4a16; default: all.")
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option("--prompts", metavar="FILE", help="Prompts that calibrate, one a line; default: the model's own."),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: the cores this process may use.")] = None,
    iterations: Annotated[int, typer.Option(min=3, help="Least number of timed passes of each.")] = 30,
    min_seconds: Annotated[float, typer.Option(min=0, help="Least time spent on timed passes of each.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of inputs, noise and prompts.")] = 0,
    rerun: Annotated[bool, typer.Option("--rerun", help="Measure again what the store has.")] = False,
    store: StoreFolder = None,
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
) -> None:
    """Scheme × backend × runtime: accelerated, simulated, storage only, or not possible.

    Quantizes the U-Net in every way that there is and measures each on every installed runtime against its fp32.
    """
    from workbench.profile.host import Settings
    from workbench.progress import visible
    from workbench.runtimes.base import RUNTIMES, threads_asked
    from workbench.store.store import Store
    from workbench.verbs.schemes.pairs import Subject, parse_schemes
    from workbench.verbs.schemes.schemes import check
    from workbench.verbs.schemes.schemes import schemes as work
    from workbench.verbs.schemes.show import show

    wanted = parse_schemes(only)
    settings = Settings(RUNTIMES, threads_asked(threads), iterations, min_seconds, warmup=3)
    table = work(Subject(model, prompts, seed), wanted, settings, rerun, Store(store), visible)
    show(table, as_json, as_markdown)
    check(table)
