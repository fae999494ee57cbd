"""``workbench runs``: what was done so far; ``runs show`` one of them, ``runs compare`` two."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import AsJson, StoreFolder

runs = typer.Typer(help="List finished runs, show one, compare two.", invoke_without_command=True)
RunName = Annotated[
    str,
    typer.Argument(metavar="RUN", help="NAME, the latest run of it, or NAME@N, an earlier one.", show_default=False),
]


@runs.callback()
def listed(context: typer.Context, store: StoreFolder = None, as_json: AsJson = False) -> None:
    """List the runs of the store: when, what was chosen, its figures, what it takes on disk."""
    if context.invoked_subcommand is not None:
        return
    from workbench.store.store import Store
    from workbench.verbs.runs.listing import listing
    from workbench.verbs.runs.listing import show as printed

    printed(listing(Store(store)), as_json)


@runs.command()
def show(run: RunName, store: StoreFolder = None, as_json: AsJson = False) -> None:
    """Show one run: its candidates, its choice, and where its files lie."""
    from workbench.store.store import Store
    from workbench.verbs.runs.listing import found, show_one

    show_one(*found(Store(store), run), as_json)


@runs.command()
def compare(
    a: RunName,
    b: RunName,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="The page; default reports/A-B.html.")
    ] = None,
    store: StoreFolder = None,
    as_json: AsJson = False,
) -> None:
    """Compare two runs on one page: candidates, Pareto fronts, pictures, layers that moved."""
    from workbench.store.store import Store
    from workbench.verbs.runs.compare import compare as work
    from workbench.verbs.runs.compare import show as printed

    printed(*work(Store(store), a, b, out), as_json)
