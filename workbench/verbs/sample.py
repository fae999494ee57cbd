"""``workbench sample``: a picture by any candidate of a recipe or a finished run, torch or ONNX made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from workbench.errors import InputError, unknown
from workbench.evaluate.config import Evaluate
from workbench.models.candidate import Candidate, at
from workbench.models.record import candidate_of, is_run
from workbench.progress import Progress, quiet
from workbench.recipe.load import load_recipe
from workbench.store.files import check_writable, write_atomic
from workbench.store.store import Store


@dataclass(frozen=True)
class Wanted:
    """A picture: of what, by which candidate, and how.

    ``source`` is a recipe, or ``RUN`` or ``RUN/CANDIDATE`` of the store; a file takes precedence, and what is
    overridden is a recipe. ``candidate`` is needed of a recipe; of a run, the default is what it chose.
    ``steps`` and ``guidance_scale`` default to the recipe's own for evaluation; of a candidate that was distilled to
    few steps, to what its name in the report says (``few-2steps``), else the fewest.
    """

    source: Path
    prompt: str
    candidate: str | None = None
    seed: int = 0
    steps: int | None = None
    guidance_scale: float | None = None
    overrides: tuple[str, ...] = ()


def draw(wanted: Wanted, out: Path, store: Store, progress: Progress = quiet) -> tuple[Path, str]:
    """Draws and writes a PNG to ``out``; its path, and who drew.

    Steps of a recipe up to the candidate that the store lacks are computed first.

    Raises:
        InputError: there is no such recipe, run or candidate.
    """
    import io

    from PIL import Image

    from workbench.evaluate.sampler import Networks
    from workbench.evaluate.sampler import draw as draw_pictures
    from workbench.export.stored import stored_export
    from workbench.models.scheduler import read_scheduler, timesteps

    if out.suffix.lower() != ".png":
        raise InputError(f"-o: found {str(out)!r}; a name that ends in .png is wanted")
    check_writable({out.parent: "-o"})
    drawing, config = (_of_run if _names_run(wanted, store) else _of_recipe)(wanted, store, progress)
    with store.lock():
        files = {component: stored_export(drawing, component, store) for component in drawing.components}
    default = min(config.few_steps) if drawing.guidance_width else config.steps
    count, guidance = wanted.steps or drawing.steps or default, wanted.guidance_scale or config.guidance_scale
    networks = Networks.load(files, drawing.source)
    times = timesteps(read_scheduler(drawing.source), count, few=drawing.guidance_width is not None)
    with progress("draw", len(times)) as tick:
        pictures, _ = draw_pictures(networks, [wanted.prompt], count, guidance, wanted.seed, tick)
    buffer = io.BytesIO()
    Image.fromarray(pictures[0]).save(buffer, "PNG")
    write_atomic(out, buffer.getvalue())
    return out, drawing.name


def _names_run(wanted: Wanted, store: Store) -> bool:
    """Whether the source is a run's name, or can't be anything else."""
    path, source = wanted.source, str(wanted.source)
    if wanted.overrides or path.is_file():
        return False
    return is_run(store, source) or (source.count("/") == 1 and not path.suffix and not path.parent.is_dir())


def _of_run(wanted: Wanted, store: Store, _progress: Progress) -> tuple[Candidate, Evaluate]:
    from workbench.run.history import finished

    run, _, named = str(wanted.source).partition("/")
    if named and wanted.candidate not in (None, named):
        raise InputError(f"--candidate: found {wanted.candidate!r}; {wanted.source} names one already")
    found, name = finished(store, run), named or wanted.candidate
    return candidate_of(store, f"{run}/{name}" if name else run), found.data.recipe.evaluate


def _of_recipe(wanted: Wanted, store: Store, progress: Progress) -> tuple[Candidate, Evaluate]:
    from workbench.run.execute import candidates_of

    loaded, candidate = load_recipe(wanted.source, wanted.overrides), wanted.candidate
    names, config = loaded.recipe.candidate_names(), loaded.recipe.evaluate
    if candidate is None:
        raise InputError(
            "--candidate: is missing; a recipe doesn't say who draws", hint=f"it makes: {', '.join(names)}"
        )
    counted = {at(name, count): (name, count) for name in names for count in config.few_steps}
    name, named_count = (candidate, None) if candidate in names else counted.get(candidate, (candidate, None))
    if name not in names:
        raise unknown(f"--candidate: no {candidate!r} in {loaded.path}", candidate, names, "it makes")
    with store.lock():
        drawing = candidates_of(loaded, store, progress, last=name)[-1]
    if named_count and not drawing.guidance_width:
        raise InputError(f"--candidate: {name} wasn't distilled to few steps", hint="name it alone, with --steps")
    return replace(drawing, name=candidate, steps=named_count), config
