"""Anything that a recipe may name as its model, to a plain pipeline folder: what isn't one is made once, in the store.

One table says how: a single file, an architecture, a folder of which other files are taken; then LoRAs on top.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from workbench.errors import InputError
from workbench.models import scheduler
from workbench.models.families import family_of
from workbench.models.folder import MADE, inspect_folder
from workbench.models.intake import outline
from workbench.models.intake.architecture import ARCH, Architecture
from workbench.models.intake.folders import Folder
from workbench.models.intake.locate import locate, weights_of
from workbench.models.intake.lora import WithLoras
from workbench.models.intake.model import Model
from workbench.models.intake.single_file import SingleFile
from workbench.models.read_json import read_object
from workbench.models.weights import PICKLED
from workbench.progress import Progress, Tick, quiet
from workbench.store.depends import depends_on
from workbench.store.files import hash_file
from workbench.store.store import Store, key_of


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


def _intake(model: Model, prompts: bool) -> Intake | Path:
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
        intake = _intake(model, prompts)
        found = inspect_folder(intake) if isinstance(intake, Path) else intake.problems()
        found = found or list(_misused(model, intake)) or _of_outline(model, intake, prompts)
        if found or not model.loras:
            return found
        with _outline(model, intake) as folder:
            return WithLoras(folder, model.loras).problems()
    except InputError as error:
        return error.line.splitlines()
    except OSError as error:
        return [f"{error.filename}: can't be read ({error.strerror})"]


def _of_outline(model: Model, intake: Intake | Path, prompts: bool) -> list[str]:
    """What the configs of a single file don't agree on, and what is wrong with the tokenizer beside them."""
    if not isinstance(intake, SingleFile) or not prompts:
        return []
    with _outline(model, intake) as folder:
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
    intake = _intake(model, True)
    if isinstance(intake, Path) and not model.loras:
        yield intake
        return
    with _outline(model, intake) as folder:
        if not model.loras:
            yield folder
            return
        with TemporaryDirectory(prefix="workbench-") as temporary:
            WithLoras(folder, model.loras).outline(Path(temporary))
            yield Path(temporary)


@contextmanager
def _outline(model: Model, intake: Intake | Path) -> Iterator[Path]:
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


@dataclass(frozen=True)
class Making:
    """How folders are made: where they are kept, and what of them is needed.

    Attributes:
        prompts: a tokenizer.
        weights: false leaves them out.
        make: false only finds what was made.
    """

    store: Store
    progress: Progress = quiet
    prompts: bool = True
    weights: bool = True
    make: bool = True


def prepared(model: Model, making: Making) -> Path | None:
    """The pipeline folder of a model without problems; what isn't one yet is made; None: it wasn't, and shouldn't be.

    Raises:
        InputError: a file holds something else than its header or its name says.
    """
    intake = _intake(model, making.prompts)
    if isinstance(intake, Path):
        folder: Path | None = intake
    else:
        with _outline(model, intake) as made_of:
            folder = _made(intake, made_of, making)
    if folder is None or not model.loras or not making.weights:
        return folder
    changed = WithLoras(folder, model.loras)
    with TemporaryDirectory(prefix="workbench-") as temporary:
        changed.outline(Path(temporary))
        return _made(changed, Path(temporary), making)


def _made(intake: Intake, made_of: Path, making: Making) -> Path | None:
    """The stored folder of an outline and the weights that belong into it."""
    store, weights = making.store, making.weights
    parts: dict[str, Any] = {
        "intake": type(intake).__name__,
        "outline": _hash(store, made_of),
        "files": [store.folder_hash(file.parent, [file]) for file in intake.files] if weights else None,
        "how": [repr(lora.scale) for lora in getattr(intake, "loras", ())],
        **depends_on(type(intake)),
    }
    key = key_of(parts)
    if not making.make and not store.has(key):
        return None

    def work(out: Path) -> dict[str, Any]:
        for inside in made_of.iterdir():
            if inside.is_dir():
                shutil.copytree(inside, out / inside.name, dirs_exist_ok=True)
            else:
                shutil.copyfile(inside, out / inside.name)
        if weights:
            with making.progress("the model's weights", len(family_of(out).parts)) as tick:
                intake.weights(out, tick)
            if making.prompts and (wrong := inspect_folder(out)):
                raise InputError("\n".join(wrong))
        return {"made_from": read_object(out / MADE)["made_from"]}

    store.compute(key, work)
    return store.folder(key)


def _hash(store: Store, folder: Path) -> str:
    """Of all files in an outline, of what it links too, but not of where it comes from."""
    brought = [f for name in outline.BROUGHT for f in (folder / name).rglob("*") if f.is_file()]
    written = [f for f in folder.rglob("*") if f.is_file() and f.name != MADE and f not in brought]
    hashes = {str(f.relative_to(folder)): hash_file(f) for f in written}
    return key_of({**hashes, "brought": store.folder_hash(folder, brought)})
