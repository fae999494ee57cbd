"""``workbench init``: a recipe of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import AsJson


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="The recipe to write.")] = Path("recipe.yaml"),
    as_json: AsJson = False,
) -> None:
    """Write a recipe of one's own, with comments, and the schema that editors check it by.

    Asks nothing and overwrites nothing.
    """
    import json

    from workbench.verbs.init.init import init as work

    written = [str(path) for path in work(file)]
    print(json.dumps({"recipe": str(file), "files": written}) if as_json else "\n".join(written))
