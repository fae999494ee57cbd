"""``workbench check``: everything that can be known of a recipe before any work."""

from __future__ import annotations

from pathlib import Path

from workbench.cli.options import AsJson, MaxMemory, OutFolder, Overrides, RecipeFile, StoreFolder, with_memory


def check(
    recipe: RecipeFile,
    overrides: Overrides = None,
    store: StoreFolder = None,
    out: OutFolder = Path(),
    max_memory_gb: MaxMemory = None,
    as_json: AsJson = False,
) -> None:
    """Check a recipe whole and forecast what it takes, without starting any work."""
    import json
    from dataclasses import asdict

    from workbench.api.run import check as work

    report = work(recipe, with_memory(overrides, max_memory_gb), store=store, out=out)
    print(json.dumps(asdict(report), indent=1) if as_json else report)
