"""``workbench sample``: a picture by any candidate of a run, torch or ONNX made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from workbench.errors import InputError
from workbench.models.candidate import COMPONENTS, at
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

    Steps of the recipe up to that candidate that the store lacks are computed first. ``steps`` and ``guidance_scale``
    default to the recipe's own for evaluation; of a candidate that was distilled to few steps, to what its name in the
    report says (``few-2steps``), else the fewest.
    """
    import io

    from PIL import Image

    from workbench.evaluate.sampler import Networks
    from workbench.evaluate.sampler import draw as draw_pictures
    from workbench.export.store import stored_export

    loaded, place = load_recipe(recipe, overrides), Store(store)
    names, config = loaded.recipe.candidate_names(), loaded.recipe.evaluate
    counted = {at(name, count): (name, count) for name in names for count in config.few_steps}
    name, named_count = (candidate, None) if candidate in names else counted.get(candidate, (candidate, None))
    if name not in names:
        raise InputError(f"--candidate: no {candidate!r} in {recipe}", hint=f"it makes {', '.join(names)}")
    if out.suffix.lower() != ".png":
        raise InputError(f"-o: found {str(out)!r}; a name that ends in .png is wanted")
    with place.lock():
        found = candidates_of(loaded, place, progress, last=name)[-1]
        if named_count and not found.guidance_width:
            raise InputError(f"--candidate: {name} wasn't distilled to few steps", hint="name it alone, with --steps")
        files = {component: stored_export(found, component, place) for component in COMPONENTS}
    own = min(config.few_steps) if found.guidance_width else config.steps
    count, guidance = steps or named_count or own, guidance_scale or config.guidance_scale
    networks = Networks.load(files, found.source)
    with progress("draw", count) as tick:
        pictures, _ = draw_pictures(networks, [prompt], count, guidance, seed, tick)
    buffer = io.BytesIO()
    Image.fromarray(pictures[0]).save(buffer, "PNG")
    write_atomic(out, buffer.getvalue())
    return out
