"""``workbench run``: a recipe from start to end."""

from __future__ import annotations

from pathlib import Path

from workbench.cli.options import AsJson, OutFolder, Overrides, RecipeFile, StoreFolder


def run(
    recipe: RecipeFile,
    overrides: Overrides = None,
    store: StoreFolder = None,
    out: OutFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Make, score, profile and rank the candidates of a recipe."""
    from workbench.progress import quiet, shown
    from workbench.run.execute import execute, show

    show(execute(recipe, overrides or [], store, out, quiet if as_json else shown), as_json)
