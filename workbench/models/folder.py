"""A diffusers pipeline folder, looked at without loading it: what is missing, what is broken, which files count."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from workbench.errors import InputError
from workbench.models import scheduler, tokens
from workbench.models.families import INDEX, family_in, family_of, of_no_family
from workbench.models.families.base import Family, Headers, Part
from workbench.models.read_json import read_object
from workbench.models.scheduler_config import scheduler_problems
from workbench.models.weights import HALF, is_of, tensors_of, weight_files

_CONFIGS = {scheduler.FOLDER: scheduler.FILE, "tokenizer": tokens.CONFIG}
MADE = "made_from.json"
"""In a folder that was made from something else, what it was made from and what to know of it: ``notes``, sentences."""
_READ = (".json", ".txt", ".model")


def inspect_folder(folder: Path, headers: Headers = tensors_of) -> list[str]:
    """What keeps ``folder`` from being used as a pipeline of a known family, one sentence each, naming the file.

    ``headers``: see ``Part.problems``.
    """
    if not folder.is_dir():
        return [f"{folder}: {'is a file; needs a folder' if folder.exists() else 'no such folder'}"]
    index = folder / INDEX
    if not index.is_file():
        return [f"{index}: missing; a model is a diffusers pipeline folder, as save_pretrained writes it"]
    problems: list[str] = []
    listed = _collect(problems, partial(read_object, index))
    if listed is None:
        return problems
    family = family_in(listed)
    if family is None:
        return [f"{index}: {of_no_family()}"]
    foreign = [
        f"{index}: {name}: {what}; needs {family.label}"
        for name, what in family.foreign.items()
        if _is_named(listed.get(name))
    ]
    if foreign and family.denoiser.folder not in listed:
        return foreign[:1]
    parts: dict[str, Part] = {part.folder: part for part in family.parts}
    for name in _needed(family):
        named, part = listed.get(name), parts.get(name)
        accepted = part.classes if part else family.beside[name]
        if not _is_named(named):
            problems.append(f"{index}: {name}: names no class; the pipeline needs {', '.join(_needed(family))}")
        elif accepted and named[1] not in accepted:
            needs = " or ".join(accepted)
            problems.append(f"{index}: {name}: found {named[1]}; {family.label} needs {needs} there")
        elif not (folder / name).is_dir():
            problems.append(f"{folder / name}: missing; {index.name} lists it as {'.'.join(named)}")
        elif part is not None:
            problems += _collect(problems, partial(list, part.problems(folder / name, headers))) or []
        else:
            _inspect_beside(problems, folder / name)
    problems += foreign
    return problems or list(family.disagreements(folder, family.configs(folder)))


def notes(folder: Path) -> list[str]:
    """What is taken otherwise than the configs of the pipeline in ``folder`` say, one sentence each."""
    files = {part: folder / part.folder / "config.json" for part in family_of(folder).parts}
    said = [(file, what) for part, file in files.items() for what in part.notes(read_object(file))]
    if (folder / MADE).is_file():
        return [*read_object(folder / MADE)["notes"], *(f"{f.relative_to(folder)}: {what}" for f, what in said)]
    found = [f"{file}: {what}" for file, what in said]
    for part, file in files.items():
        first = weight_files(file.parent, part.stem)[0]
        if variant := next((name for name in HALF if is_of(first.name, part.stem, name)), ""):
            found.append(f"{first}: taken, the {variant} variant: there are no weights under the plain name")
    return found


def _needed(family: Family) -> tuple[str, ...]:
    return (*(part.folder for part in family.parts), *family.beside)


def _inspect_beside(problems: list[str], folder: Path) -> None:
    file = folder / _CONFIGS[folder.name]
    configs = {each: _collect(problems, partial(read_object, each)) for each in sorted({*folder.glob("*.json"), file})}
    if None in configs.values():
        return
    if folder.name == scheduler.FOLDER:
        problems += [f"{file}: {what}" for what in scheduler_problems(configs[file])]
    else:
        problems += tokens.tokenizer_problems(folder)


def _collect(problems: list[str], read: Callable[[], Any]) -> Any:
    """What ``read`` gives; else None, and its complaint joins ``problems``."""
    try:
        return read()
    except InputError as error:
        problems.append(f"{error.message}; {error.hint}" if error.hint else error.message)
        return None


def _is_named(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(part, str) for part in value)


def pipeline_files(folder: Path) -> list[Path]:
    """The files that decide what the pipeline computes: configs, tokens, loaded weights; not data or scorer."""
    family = family_of(folder)
    files = [folder / INDEX]
    for name in _needed(family):
        files += [f for f in (folder / name).iterdir() if f.suffix in _READ and f.is_file()]
    for part in family.parts:
        files += weight_files(folder / part.folder, part.stem)
    return sorted(set(files))
