"""``workbench sample``: a picture by any candidate of a run, torch or ONNX made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.errors import InputError, unknown
from workbench.models.candidate import at
from workbench.progress import Progress, quiet
from workbench.recipe.load import Loaded
from workbench.run.execute import candidates_of
from workbench.store.files import check_writable, write_atomic
from workbench.store.store import Store


@dataclass(frozen=True)
class Wanted:
    """A picture: of what, by which candidate, and how.

    ``steps`` and ``guidance_scale`` default to the recipe's own for evaluation; of a candidate that was distilled to
    few steps, to what its name in the report says (``few-2steps``), else the fewest.
    """

    prompt: str
    candidate: str
    seed: int = 0
    steps: int | None = None
    guidance_scale: float | None = None


def draw(loaded: Loaded, wanted: Wanted, out: Path, store: Store, progress: Progress = quiet) -> Path:
    """Draws with a candidate of the recipe and writes a PNG to ``out``.

    Steps of the recipe up to that candidate that the store lacks are computed first.
    """
    import io

    from PIL import Image

    from workbench.evaluate.sampler import Networks
    from workbench.evaluate.sampler import draw as draw_pictures
    from workbench.export.stored import stored_export
    from workbench.models.scheduler import read_scheduler, timesteps

    candidate = wanted.candidate
    names, config = loaded.recipe.candidate_names(), loaded.recipe.evaluate
    counted = {at(name, count): (name, count) for name in names for count in config.few_steps}
    name, named_count = (candidate, None) if candidate in names else counted.get(candidate, (candidate, None))
    if name not in names:
        raise unknown(f"--candidate: no {candidate!r} in {loaded.path}", candidate, names, "it makes")
    if out.suffix.lower() != ".png":
        raise InputError(f"-o: found {str(out)!r}; a name that ends in .png is wanted")
    check_writable({out.parent: "-o"})
    with store.lock():
        drawing = candidates_of(loaded, store, progress, last=name)[-1]
        if named_count and not drawing.guidance_width:
            raise InputError(f"--candidate: {name} wasn't distilled to few steps", hint="name it alone, with --steps")
        files = {component: stored_export(drawing, component, store) for component in drawing.components}
    default = min(config.few_steps) if drawing.guidance_width else config.steps
    count, guidance = wanted.steps or named_count or default, wanted.guidance_scale or config.guidance_scale
    networks = Networks.load(files, drawing.source)
    times = timesteps(read_scheduler(drawing.source), count, few=drawing.guidance_width is not None)
    with progress("draw", len(times)) as tick:
        pictures, _ = draw_pictures(networks, [wanted.prompt], count, guidance, wanted.seed, tick)
    buffer = io.BytesIO()
    Image.fromarray(pictures[0]).save(buffer, "PNG")
    write_atomic(out, buffer.getvalue())
    return out
