"""``workbench check``: everything that can be known of a recipe before any work."""

from __future__ import annotations

from pathlib import Path

from workbench.cli.options import AsJson, OutFolder, Overrides, RecipeFile, StoreFolder


def check(
    recipe: RecipeFile,
    overrides: Overrides = None,
    store: StoreFolder = None,
    out: OutFolder = Path(),
    as_json: AsJson = False,
) -> None:
    """Check a recipe whole, without starting any work."""
    import json
    from dataclasses import asdict

    from workbench.recipe.check import check_recipe
    from workbench.recipe.load import load_recipe
    from workbench.store.store import Store

    report = check_recipe(load_recipe(recipe, overrides or []), Store(store), out)
    print(json.dumps(asdict(report), indent=1) if as_json else report)
