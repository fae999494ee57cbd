"""Pipeline folders as far as they can be made without weights: configs, tokenizer, scheduler, what lies beside."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.models import scheduler
from workbench.models.families import INDEX
from workbench.models.families.base import Config, Family
from workbench.models.folder import MADE
from workbench.models.read_json import read_object

TOKENIZER = "tokenizer"
BROUGHT = ("data", "scorer")
"""What a pipeline's folder may bring beside its components."""
_READ = (".json", ".txt", ".model")
_NONE: Mapping[str, Any] = {"safety_checker": [None, None], "feature_extractor": [None, None]}


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Into a folder that may not be there yet."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1) + "\n")


def write_configs(out: Path, family: Family, configs: Mapping[str, Config]) -> None:
    """The index and the configs of a family's components."""
    index: dict[str, Any] = {"_class_name": "StableDiffusionPipeline", **_NONE, "requires_safety_checker": False}
    for part in family.parts:
        index[part.folder] = [part.library, part.class_of(configs[part.name])]
        write_json(out / part.folder / "config.json", part.described(configs[part.name]))
    write_json(out / INDEX, index)


def write_scheduler(out: Path, config: Mapping[str, Any]) -> None:
    """The scheduler, as the index names it too."""
    write_json(out / scheduler.FOLDER / scheduler.FILE, config)
    listed = {**read_object(out / INDEX), scheduler.FOLDER: ["diffusers", config["_class_name"]]}
    write_json(out / INDEX, listed)


def take_tokenizer(out: Path, folder: Path) -> None:
    """The tokenizer of the pipeline in ``folder``."""
    copy_read(folder / TOKENIZER, out / TOKENIZER)
    list_tokenizer(out)


def list_tokenizer(out: Path) -> None:
    """Names the tokenizer in the index."""
    write_json(out / INDEX, {**read_object(out / INDEX), TOKENIZER: ["transformers", "CLIPTokenizer"]})


def copy_read(folder: Path, out: Path) -> None:
    """The files of a folder that are read and aren't weights; of weights, no index of shards."""
    out.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        if file.suffix in _READ and ".index." not in file.name and file.is_file():
            shutil.copyfile(file, out / file.name)


def copy_outline(folder: Path, out: Path, family: Family) -> None:
    """That of a pipeline's folder; what it brings beside is linked."""
    shutil.copyfile(folder / INDEX, out / INDEX)
    for name in (*(part.folder for part in family.parts), *family.beside):
        copy_read(folder / name, out / name)
    for name in BROUGHT:
        if (folder / name).is_dir():
            (out / name).symlink_to((folder / name).absolute(), target_is_directory=True)
    if (folder / MADE).is_file():
        shutil.copyfile(folder / MADE, out / MADE)


def note(out: Path, made_from: str, notes: Sequence[str]) -> None:
    """Says in a folder what it was made from and what to know of it, after what it says already."""
    said = read_object(out / MADE) if (out / MADE).is_file() else {"made_from": [], "notes": []}
    said = {"made_from": [*said["made_from"], made_from], "notes": [*said["notes"], *notes]}
    write_json(out / MADE, said)
