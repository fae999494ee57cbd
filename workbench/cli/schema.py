"""``workbench schema``: what a recipe may say, for editors."""

from __future__ import annotations

from typing import Annotated

import typer


def schema(_as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as it does anyway.")] = False) -> None:
    """Print the JSON Schema of recipes."""
    import json

    from workbench.verbs.schema import schema as work

    print(json.dumps(work(), indent=1))
