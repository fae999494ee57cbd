"""How a model that a recipe names is taken: as the folder that it is, or made of something else, and what is wrong.

Nothing is loaded here: it is what ``check`` looks at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from workbench.errors import InputError
from workbench.models import scheduler
from workbench.models.families import family_of
from workbench.models.folder import inspect_folder
from workbench.models.intake import outline
from workbench.models.intake.architecture import ARCH, Architecture
from workbench.models.intake.folders import Folder
from workbench.models.intake.locate import locate, weights_of
from workbench.models.intake.lora import WithLoras
from workbench.models.intake.model import Model
from workbench.models.intake.single_file import SingleFile
from workbench.models.weights import PICKLED
from workbench.progress import Tick


class Intake(Protocol):
    """How a folder is made of something else."""

    @property
    def files(self) -> Sequence[Path]:
        """Whose contents decide the weights."""
        ...

    def problems(self) -> list[str]:
        """What keeps it from being made, a sentence each; nothing is loaded for it."""
        ...

    def outline(self, out: Path) -> None:
        """Writes the folder without its weights."""
        ...

    def weights(self, out: Path, tick: Tick) -> None:
        """Writes the weights; ``tick`` counts components."""
        ...


def intake_of(model: Model, prompts: bool) -> Intake | Path:
    """What is to be made before LoRAs, or the folder as it is."""
    if model.path.startswith(ARCH):
        return Architecture(model.path.removeprefix(ARCH))
    place = locate(model)
    if place.is_file():
        return SingleFile(place, Path(model.config) if model.config else None, model.allow_pickle, prompts)
    if model.variant or model.scheduler or (model.allow_pickle and _has_pickles(place, model)):
        return Folder(place, model)
    return place


def _has_pickles(folder: Path, model: Model) -> bool:
    """Whether a network of the pipeline has pickled weights only."""
    try:
        inside = [(part, folder / part.folder) for part in family_of(folder).parts]
    except InputError:
        return False
    taken = [weights_of(part, [f.name for f in at.iterdir()], model) for part, at in inside if at.is_dir()]
    return any(Path(name).suffix in PICKLED for names in taken for name in names[:1])


def problems(model: Model, prompts: bool = True) -> list[str]:
    """What keeps a model from being used, a sentence each, as far as headers and configs tell.

    Raises:
        RunError: it is on the Hub, which can't be reached.
    """
    try:
        intake = intake_of(model, prompts)
        found = inspect_folder(intake) if isinstance(intake, Path) else intake.problems()
        found = found or list(_misused(model, intake)) or _of_outline(model, intake, prompts)
        if found or not model.loras:
            return found
        with outline_of(model, intake) as folder:
            return WithLoras(folder, model.loras).problems()
    except InputError as error:
        return error.line.splitlines()
    except OSError as error:
        return [f"{error.filename}: can't be read ({error.strerror})"]


def _of_outline(model: Model, intake: Intake | Path, prompts: bool) -> list[str]:
    """What the configs of a single file don't agree on, and what is wrong with the tokenizer beside them."""
    if not isinstance(intake, SingleFile) or not prompts:
        return []
    with outline_of(model, intake) as folder:
        return [what.replace(str(folder), str(intake.config)) for what in inspect_folder(folder, lambda *_: None)]


def _misused(model: Model, intake: Intake | Path) -> Iterator[str]:
    """Keys that say nothing of this kind of model."""
    if model.config and not isinstance(intake, SingleFile):
        yield f"config: {model.path} has configs of its own; config: is for a single file"
    if model.variant and not isinstance(intake, Folder):
        yield f"variant: found {model.variant!r}; only a folder's weight files have variants"


@contextmanager
def outlined(model: Model) -> Iterator[Path]:
    """The pipeline folder of a model as far as it can be looked at before any work: without weights where it is made.

    Raises:
        InputError, RunError: as ``locate``.
    """
    intake = intake_of(model, True)
    if isinstance(intake, Path) and not model.loras:
        yield intake
        return
    with outline_of(model, intake) as folder:
        if not model.loras:
            yield folder
            return
        with TemporaryDirectory(prefix="workbench-") as temporary:
            WithLoras(folder, model.loras).outline(Path(temporary))
            yield Path(temporary)


@contextmanager
def outline_of(model: Model, intake: Intake | Path) -> Iterator[Path]:
    """The same before LoRAs."""
    if isinstance(intake, Path):
        yield intake
        return
    with TemporaryDirectory(prefix="workbench-") as temporary:
        folder = Path(temporary)
        intake.outline(folder)
        if model.scheduler:
            _set_scheduler(folder, model.scheduler)
        yield folder


def _set_scheduler(folder: Path, name: str) -> None:
    """Another class with the same noise levels, as ``NAME.from_config(pipeline.scheduler.config)`` takes them."""
    outline.write_scheduler(folder, {**scheduler.read_scheduler(folder), "_class_name": name})
    outline.note(folder, name, [f"drawn by {name}"])
