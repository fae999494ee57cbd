"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="Recipe file (YAML).", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override, such as distill.steps=20; may be given several times."),
]
StoreFolder = Annotated[
    Path | None,
    typer.Option("--store", metavar="DIR", help="Folder of stored results; default .workbench or $WORKBENCH_STORE."),
]
OutFolder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for profiles/ and reports/.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
