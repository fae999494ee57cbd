"""From ``model:`` in a recipe to a pipeline folder, whatever it names (``intake``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import InputError, did_you_mean
from workbench.models.candidate import Candidate, pipeline_candidate
from workbench.models.families import family_of
from workbench.models.folder import pipeline_files
from workbench.models.hub import HUB
from workbench.models.intake import choose, prepare
from workbench.models.intake.architecture import ARCH
from workbench.models.intake.locate import DEMO, absent, demo_folder, locate
from workbench.models.intake.model import Model, model_of
from workbench.progress import Progress, quiet
from workbench.store.store import Store

__all__ = ["DEMO", "STUDENT", "base_candidate", "base_there", "demo_folder", "denoiser_folder", "look", "resolve"]

STUDENT = f"{DEMO}:"
"""``demo:NAME`` is a U-Net that a recipe made from the embedded model and that lies there, in ``students/NAME``."""


def resolve(
    model: str | Model,
    store: Store | None = None,
    progress: Progress = quiet,
    prompts: bool = True,
    weights: bool = True,
) -> Path:
    """The pipeline folder of a model: ``demo``, a local folder or ``hub:OWNER/NAME`` (fetched) as they are.

    What isn't such a folder is made once and lies in the store.

    Args:
        prompts: whether a tokenizer is needed.
        weights: false leaves them out, where a folder is made.

    Raises:
        InputError: there is no such model, or it can't be used; every problem is named with its file.
        RunError: the Hub can't be reached and the model isn't in the local cache.
    """
    model = model_of(model)
    if problems := choose.problems(model, prompts):
        raise InputError("\n".join(problems))
    folder = prepare.prepared(model, prepare.Making(store or Store(), progress, prompts, weights))
    assert folder is not None
    return folder


@contextmanager
def look(model: str | Model) -> Iterator[Path]:
    """The same before any work: where a folder is made, without weights, and gone afterwards.

    Raises:
        InputError, RunError: as ``resolve``.
    """
    model = model_of(model)
    if problems := choose.problems(model):
        raise InputError("\n".join(problems))
    with choose.outlined(model) as folder:
        yield folder


def denoiser_folder(model: str) -> tuple[Path, Path]:
    """The pipeline folder of ``model`` and the folder of its denoiser; ``demo:NAME`` is one of the demo's students.

    It has to be a plain folder already, as nothing is made here.

    Raises:
        InputError, RunError: as ``resolve``; and where the demo has no student of that name.
    """
    name = model.removeprefix(STUDENT) if model.startswith(STUDENT) else None
    folder = _plain(model if name is None else DEMO)
    if name is None:
        return folder, folder / family_of(folder).denoiser.folder
    students = sorted(file.parent.name for file in folder.glob("students/*/config.json"))
    if name not in students:
        meant = did_you_mean(name, students, before=STUDENT)
        known = f"needs one of {', '.join(STUDENT + s for s in students)}" if students else "the model brings none"
        raise InputError(f"found {model!r}; {known}{meant}")
    return folder, folder / "students" / name


def _plain(path: str) -> Path:
    needs = f"{DEMO}, a folder or {HUB}OWNER/NAME"
    if path != DEMO and not path.startswith(HUB) and not Path(path).is_dir():
        if Path(path).exists() or path.startswith(ARCH):
            raise InputError(f"found {path!r}, which isn't a pipeline's folder; needs {needs}")
        raise absent(path, "folder", needs)
    if problems := choose.problems(model_of(path)):
        raise InputError("\n".join(problems))
    return locate(model_of(path))


def base_candidate(model: str | Model, store: Store, progress: Progress = quiet) -> Candidate:
    """The recipe's untouched model. Its key is the hash of the pipeline's own files, wherever they lie.

    Raises:
        InputError, RunError: as ``resolve``.
    """
    return _base(resolve(model, store, progress), store)


def base_there(model: str | Model, store: Store) -> Candidate | None:
    """The same without making anything: None where its folder has to be made first. The model has no problems."""
    folder = prepare.prepared(model_of(model), prepare.Making(store, make=False))
    return None if folder is None else _base(folder, store)


def _base(folder: Path, store: Store) -> Candidate:
    return pipeline_candidate("base", store.folder_hash(folder, pipeline_files(folder)), folder)
