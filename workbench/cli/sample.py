"""``workbench sample``: a picture by any candidate of a recipe or a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import AsJson, Overrides, RecipeOrRun, StoreFolder


def sample(
    source: RecipeOrRun,
    prompt: Annotated[str, typer.Option("--prompt", metavar="TEXT", help="What to draw.")],
    candidate: Annotated[
        str | None, typer.Option("--candidate", metavar="NAME", help="Who draws, such as base or w8a8.")
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="PNG to write.")] = Path("sample.png"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the noise.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, max=1000, help="Denoising steps; default: the recipe's.")] = None,
    guidance_scale: Annotated[float | None, typer.Option(min=1, max=50, help="Default: the recipe's.")] = None,
    overrides: Overrides = None,
    store: StoreFolder = None,
    as_json: AsJson = False,
) -> None:
    """Draw a picture with a candidate of a recipe, or of a run."""
    import json

    from workbench.progress import visible
    from workbench.store.store import Store
    from workbench.verbs.sample import Wanted, draw

    wanted = Wanted(source, prompt, candidate, seed, steps, guidance_scale, tuple(overrides or ()))
    drawn, who = draw(wanted, out, Store(store), visible)
    facts = {"picture": str(drawn), "candidate": who, "prompt": prompt, "seed": seed}
    print(json.dumps(facts, indent=1) if as_json else drawn)
