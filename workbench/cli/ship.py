"""``workbench ship``: a run's choice as a folder for others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import AsJson, Overrides, StoreFolder


def ship(
    source: Annotated[
        str | None,
        typer.Argument(metavar="RUN|RECIPE", help="A finished run, RUN/CANDIDATE, or its recipe.", show_default=False),
    ] = None,
    candidate: Annotated[
        str | None, typer.Option("--candidate", metavar="NAME", help="Which one; default: the chosen one.")
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FOLDER", help="Folder to make.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a release that is there.")] = False,
    pictures: Annotated[int, typer.Option(min=1, max=64, help="Pictures of the run that go with it.")] = 4,
    check: Annotated[
        Path | None, typer.Option("--verify", metavar="FOLDER", help="Check a shipped folder: hashes and pictures.")
    ] = None,
    python: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Python of an environment that has the client, where this one hasn't."),
    ] = None,
    overrides: Overrides = None,
    store: StoreFolder = None,
    as_json: AsJson = False,
) -> None:
    """Write a run's choice as a folder that others' software loads: diffusers, optimum, openvino_genai."""
    from workbench.errors import InputError
    from workbench.progress import visible
    from workbench.release.ship import How
    from workbench.release.ship import ship as write
    from workbench.release.verify import verify
    from workbench.store.store import Store
    from workbench.verbs.ship import chosen, show_shipped, show_verified

    if check is not None:
        if source or candidate or out:
            raise InputError("--verify: takes a shipped folder and nothing to ship beside it")
        show_verified(verify(check, python, visible), as_json)
        return
    if source is None or out is None:
        missing = "RUN or RECIPE" if source is None else "-o FOLDER"
        raise InputError(f"{missing}: missing", hint="workbench ship RUN -o FOLDER, or workbench ship --verify FOLDER")
    run, found = chosen(source, candidate, overrides or [], Store(store))
    show_shipped(write(run, found, out, How(pictures, python, force), visible), as_json)
