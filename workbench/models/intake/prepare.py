"""A model to a plain pipeline folder: what isn't one is made once, in the store, and LoRAs are added once on top."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from workbench.errors import InputError
from workbench.models.families import family_of
from workbench.models.folder import MADE, inspect_folder
from workbench.models.intake import outline
from workbench.models.intake.choose import Intake, intake_of, outline_of
from workbench.models.intake.lora import WithLoras
from workbench.models.intake.model import Model
from workbench.models.read_json import read_object
from workbench.progress import Progress, quiet
from workbench.store.depends import depends_on
from workbench.store.files import hash_file
from workbench.store.store import Store, key_of


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
    intake = intake_of(model, making.prompts)
    if isinstance(intake, Path):
        folder: Path | None = intake
    else:
        with outline_of(model, intake) as made_of:
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
