"""From ``model:`` in a recipe to a pipeline folder: the embedded demo, a local folder, or the Hub."""

from __future__ import annotations

import importlib.resources
import os
from pathlib import Path

from workbench.errors import InputError, did_you_mean
from workbench.models.candidate import Candidate, pipeline_candidate
from workbench.models.families import INDEX, families, family_of
from workbench.models.folder import inspect_folder, pipeline_files
from workbench.models.hub import HUB, NAME, fetch
from workbench.store.store import Store

DEMO = "demo"
STUDENT = f"{DEMO}:"
"""``demo:NAME`` is a U-Net that a recipe made from the embedded model and that lies there, in ``students/NAME``."""
_NOT_FETCHED = ("*.fp16.*", "*.non_ema.*", "*.bin", "*.ckpt", "*.pt", "*.pth")


def demo_folder() -> Path:
    """The embedded model's folder; ``$WORKBENCH_DEMO`` names another one in its place."""
    named = os.environ.get("WORKBENCH_DEMO")
    return Path(named) if named else Path(str(importlib.resources.files("workbench.models"))) / "demo"


def resolve(model: str) -> Path:
    """The pipeline folder of ``demo``, a local folder, or ``hub:OWNER/NAME`` (fetched: the only use of the network).

    Raises:
        InputError: there is no such model, or its folder can't be used; every problem is named with its file.
        RunError: the Hub can't be reached and the model isn't in the local cache.
    """
    if model == DEMO:
        folder = demo_folder()
    elif model.startswith(HUB):
        folder = fetch(model, _fetched(), _NOT_FETCHED)
    else:
        folder = Path(model)
        if not folder.exists():
            meant = f"; did you mean {HUB}{model}?" if NAME.fullmatch(model) else ""
            raise InputError(
                f"found {model!r}, no such folder ({folder.absolute()}); needs demo, a folder or {HUB}OWNER/NAME{meant}"
            )
    try:
        problems = inspect_folder(folder)
    except OSError as error:
        raise InputError(f"{error.filename}: can't be read ({error.strerror})") from None
    if problems:
        raise InputError("\n".join(problems))
    return folder


def denoiser_folder(model: str) -> tuple[Path, Path]:
    """The pipeline folder of ``model`` and the folder of its denoiser; ``demo:NAME`` is one of the demo's students.

    Raises:
        InputError, RunError: as ``resolve``; and where the demo has no student of that name.
    """
    if not model.startswith(STUDENT):
        folder = resolve(model)
        return folder, folder / family_of(folder).denoiser.folder
    folder, name = resolve(DEMO), model.removeprefix(STUDENT)
    students = sorted(file.parent.name for file in folder.glob("students/*/config.json"))
    if name not in students:
        meant = did_you_mean(name, students, before=STUDENT)
        known = f"needs one of {', '.join(STUDENT + s for s in students)}" if students else "the model brings none"
        raise InputError(f"found {model!r}; {known}{meant}")
    return folder, folder / "students" / name


def base_candidate(model: str, store: Store) -> Candidate:
    """The recipe's untouched model. Its key is the hash of the pipeline's own files, wherever they lie.

    Raises:
        InputError, RunError: as ``resolve``.
    """
    folder = resolve(model)
    return pipeline_candidate("base", store.folder_hash(folder, pipeline_files(folder)), folder)


def _fetched() -> list[str]:
    """The files of a pipeline of any family."""
    networks = {part.folder for family in families() for part in family.parts}
    beside = {folder for family in families() for folder in family.beside}
    read = (f"{name}/*.{kind}" for name in sorted(networks | beside) for kind in ("json", "txt"))
    return [INDEX, *read, *(f"{name}/*.safetensors" for name in sorted(networks))]
