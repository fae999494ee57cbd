"""``workbench sample``: a picture by any candidate of a run, torch or ONNX made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from workbench.errors import InputError
from workbench.models.candidate import COMPONENTS
from workbench.progress import quiet
from workbench.recipe.load import load_recipe
from workbench.run.execute import candidates_of
from workbench.store.files import write_atomic
from workbench.store.store import Store


def draw(
    recipe: Path,
    overrides: list[str],
    candidate: str,
    prompt: str,
    out: Path,
    seed: int,
    steps: int | None,
    guidance_scale: float | None,
    store: Path | None,
    progress: Callable = quiet,
) -> Path:
    """Draws ``prompt`` with the recipe's candidate and writes a PNG to ``out``.

    Steps of the recipe that the store lacks are computed first. ``steps`` and ``guidance_scale`` default to the
    recipe's own for evaluation, the fewest steps for a candidate that was distilled to few.
    """
    import io

    from PIL import Image

    from workbench.evaluate.sampler import Networks
    from workbench.evaluate.sampler import draw as draw_pictures
    from workbench.export.store import stored_export

    loaded, place = load_recipe(recipe, overrides), Store(store)
    names = loaded.recipe.candidate_names()
    if candidate not in names:
        raise InputError(f"--candidate: no {candidate!r} in {recipe}", hint=f"it makes {', '.join(names)}")
    if out.suffix.lower() != ".png":
        raise InputError(f"-o: found {str(out)!r}; a name that ends in .png is wanted")
    with place.lock():
        found = next(c for c in candidates_of(loaded, place, progress) if c.name == candidate)
        files = {name: stored_export(found, name, place) for name in COMPONENTS}
    config = loaded.recipe.evaluate
    own = min(config.few_steps) if found.guidance_width else config.steps
    count, guidance = steps or own, guidance_scale or config.guidance_scale
    networks = Networks.load(files, found.source)
    with progress("draw", count) as tick:
        pictures, _ = draw_pictures(networks, [prompt], count, guidance, seed, tick)
    buffer = io.BytesIO()
    Image.fromarray(pictures[0]).save(buffer, "PNG")
    write_atomic(out, buffer.getvalue())
    return out
