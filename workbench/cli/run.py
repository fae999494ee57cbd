"""``workbench run``: a recipe from start to end."""

from __future__ import annotations

from pathlib import Path

from workbench.cli.options import AsJson, MaxMemory, OutFolder, Overrides, RecipeFile, StoreFolder, with_memory


def run(
    recipe: RecipeFile,
    overrides: Overrides = None,
    store: StoreFolder = None,
    out: OutFolder = Path(),
    max_memory_gb: MaxMemory = None,
    as_json: AsJson = False,
) -> None:
    """Make, score, profile and rank the candidates of a recipe.

    Started by torchrun or accelerate launch, its processes train together; the first does everything else.
    """
    from workbench.progress import visible
    from workbench.run.execute import execute, follow, show
    from workbench.store.follower import rank
    from workbench.store.store import Store

    overrides = with_memory(overrides, max_memory_gb)
    if rank():
        follow(recipe, overrides, store)
        return
    show(execute(recipe, overrides, Store(store), out, visible), as_json)
